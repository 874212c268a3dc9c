//! Names: functions, methods, their numbers of arguments, imports, properties of hosts.

use std::collections::BTreeSet;

use rhai::{ASTNode, Expr, Position};

use super::Report;
use super::tree::{Call, Node, Script};
use crate::script::catalog::Catalog;
use crate::suggest::did_you_mean;

/// Imports that cannot be found or do not parse.
pub fn imports(script: &Script, report: &mut Report) {
    for import in script.imports.values() {
        if let Err(error) = &import.functions {
            report.add_error(super::Severity::Error, "unknown-import", import.position, error);
        }
    }
}

/// Functions of the playbook that hide one of pirun's: every use in this file gets the playbook's.
pub fn shadows(script: &Script, report: &mut Report) {
    for function in script.bodies() {
        let hidden = script.catalog.forms(&function.name).any(|form| {
            form.ours && !form.is_method() && form.params.len() == function.params.len()
        });
        if hidden {
            let position = function.position;
            report
                .warning(
                    "shadowed-function",
                    position,
                    format!("this `{}` hides pirun's own", function.name),
                )
                .hint("Give it another name, unless that is the purpose.");
        }
    }
}

/// Calls and properties.
pub fn check(script: &Script, node: &Node, report: &mut Report) {
    if let Some(call) = node.call() {
        match call.call.namespace.path.first() {
            Some(module) => check_import(script, &module.name, &call, report),
            None => check_call(script, node, &call, report),
        }
    }
    if let Some(ASTNode::Expr(Expr::Property(property, position))) = node.path.last() {
        check_property(script, node, &property.2, *position, report);
    }
}

fn check_call(script: &Script, node: &Node, call: &Call, report: &mut Report) {
    let name = call.name();
    // The parser makes `curry` of what a closure captures, however much it is.
    if name.contains('$')
        || name == "curry"
        || is_variable(script, node, name)
        || (call.is_method && script.keys.contains(name))
    {
        return;
    }
    let own = script.functions.get(name);
    // A function of the playbook, called as a method, has its receiver as `this`.
    if own.is_some_and(|arities| arities.contains(&call.call.args.len())) {
        return;
    }
    let native = script.catalog.arities(name);
    if native.contains(&call.arity()) {
        return;
    }
    if own.is_none() && native.is_empty() {
        unknown(script, call, report);
        return;
    }
    let receiver = usize::from(call.is_method);
    let takes: BTreeSet<usize> = match own {
        Some(own) => own.clone(),
        None => native.iter().filter_map(|n| n.checked_sub(receiver)).collect(),
    };
    let finding = report.error(
        "wrong-arguments",
        call.position,
        format!("`{name}` takes {}, not {}", counts(&takes), call.call.args.len()),
    );
    let catalog = Catalog::of(script.known.engine);
    for form in catalog.forms(name).filter(|form| form.ours).take(3) {
        finding.hint(format!("It is `{}`.", form.signature()));
    }
}

/// A closure in a variable or a parameter can be called like a function.
fn is_variable(script: &Script, node: &Node, name: &str) -> bool {
    let parameter =
        node.function.is_some_and(|function| function.params.iter().any(|param| param == name));
    parameter
        || script
            .playbook
            .ast
            .iter_literal_variables(true, true)
            .any(|(variable, ..)| variable == name)
}

fn unknown(script: &Script, call: &Call, report: &mut Report) {
    let name = call.name();
    let own = script.functions.keys().map(String::as_str);
    let hint = did_you_mean(name, script.catalog.names().into_iter().chain(own));
    let (code, what) = match call.is_method {
        true => ("unknown-method", "method"),
        false => ("unknown-function", "function"),
    };
    let finding = report.error(code, call.position, format!("there is no {what} `{name}`"));
    finding.hint_if(hint);
    if script.catalog.all_properties().contains(name) {
        finding.hint(format!("`{name}` is a property: leave out the parentheses."));
    }
}

fn check_import(script: &Script, alias: &str, call: &Call, report: &mut Report) {
    let Some(functions) =
        script.imports.get(alias).and_then(|import| import.functions.as_ref().ok())
    else {
        return;
    };
    let name = call.name();
    match functions.get(name) {
        None => {
            let hint = did_you_mean(name, functions.keys().map(String::as_str));
            let message = format!("`{}` has no function `{name}`", script.imports[alias].path);
            report.error("unknown-function", call.position, message).hint_if(hint);
        }
        Some(arities) if !arities.contains(&call.call.args.len()) => {
            let given = call.call.args.len();
            let message = format!("`{alias}::{name}` takes {}, not {given}", counts(arities));
            report.error("wrong-arguments", call.position, message);
        }
        Some(_) => {}
    }
}

/// Only of variables that are hosts for sure: maps may have any property.
fn check_property(
    script: &Script,
    node: &Node,
    name: &str,
    position: Position,
    report: &mut Report,
) {
    if !node.receiver().is_some_and(|variable| script.hosts.contains(variable)) {
        return;
    }
    let properties: BTreeSet<&str> = script.catalog.properties("Host").collect();
    if properties.contains(name) || script.keys.contains(name) {
        return;
    }
    let message = format!("a host has no property `{name}`");
    let finding = report.warning("unknown-property", position, message);
    if script.catalog.forms(name).next().is_some() {
        finding.hint(format!("It is a method: `.{name}(…)`."));
    } else {
        finding.hint_if(did_you_mean(name, properties));
        finding.hint(format!("A variable of the inventory is `host.get(\"{name}\")`."));
    }
}

/// "1 argument", "2 or 3 arguments".
fn counts(takes: &BTreeSet<usize>) -> String {
    let numbers: Vec<_> = takes.iter().map(ToString::to_string).collect();
    let noun = if takes.len() == 1 && takes.contains(&1) { "argument" } else { "arguments" };
    match numbers.split_last() {
        Some((last, [])) => format!("{last} {noun}"),
        Some((last, others)) => format!("{} or {last} {noun}", others.join(", ")),
        None => format!("no {noun}"),
    }
}
