//! Closures: what they capture, and where they run.

use rhai::{ASTNode, Expr, Position, Stmt};

use super::Report;
use super::tree::{Closure, Node, Script, closure, root};

/// Methods that change their receiver. An array's `drain` is not among them: a cluster's moves pods.
const MUTATING: &[&str] = &[
    "push",
    "append",
    "insert",
    "pop",
    "shift",
    "remove",
    "clear",
    "set",
    "retain",
    "sort",
    "reverse",
    "truncate",
    "pad",
    "chop",
    "extract",
    "splice",
    "mixin",
    "fill_with",
    "dedup",
];

pub fn check(script: &Script, report: &mut Report) {
    script.visit(&mut |node| {
        let Some(call) = node.call() else { return };
        let closures: Vec<Closure> = call.call.args.iter().filter_map(closure).collect();
        for closure in closures {
            if call.call.is_qualified() {
                handed_to_library(&closure, script, call.position, report);
            }
            if call.is_method {
                captures_receiver(node, &closure, call.name(), call.position, report);
            }
            if call.name() == "on" && !call.is_method && !script.defines("on") {
                runs_for_each_host(script, &closure, &closure.captured, report);
            }
        }
    });
}

/// `lib::f(|host| …)`: calls made by the library's own code look names up in the library first.
fn handed_to_library(closure: &Closure, script: &Script, position: Position, report: &mut Report) {
    if closure.name.is_empty() || script.imports.is_empty() {
        return;
    }
    report
        .warning("closure-to-library", position, "a closure is handed to a library")
        .hint("If the library calls it itself, names inside are looked up in the library first. Let the library return a value instead.");
}

/// `host.writable("/", |x| host.file(…))`: the receiver is locked while its method runs.
fn captures_receiver(
    node: &Node,
    closure: &Closure,
    verb: &str,
    position: Position,
    report: &mut Report,
) {
    let Some(receiver) = node.receiver() else { return };
    // Arrays lend themselves to `list.filter(|x| list.contains(x))`, which fails in the same way.
    if !closure.captured.iter().any(|name| name == receiver) {
        return;
    }
    report
        .error("captured-receiver", position, format!("the closure of `{receiver}.{verb}` uses `{receiver}` from outside"))
        .hint(format!("It is locked while `{verb}` runs. Take it as the closure's parameter: `{receiver}.{verb}(…, |{receiver}| …)`."));
}

/// The closure of `on`, with the closures inside it: `names` are copies here.
fn runs_for_each_host(script: &Script, closure: &Closure, names: &[String], report: &mut Report) {
    let Some(function) = script.closure(&closure.name) else { return };
    let mut inner = Vec::new();
    script.visit_function(function, &mut |node| {
        assigns(node, names, report);
        if let Some(call) = node.call() {
            if call.name() == "on" && !call.is_method && !call.call.is_qualified() {
                report
                    .error("nested-on", call.position, "`on` inside `on`")
                    .hint("Use another host's handle directly: `host(\"name\").query(…)`.");
            }
            inner.extend(call.call.args.iter().filter_map(super::tree::closure));
        }
    });
    for closure in inner {
        let shared: Vec<String> =
            closure.captured.iter().filter(|name| names.contains(name)).cloned().collect();
        runs_for_each_host(script, &closure, &shared, report);
    }
}

fn assigns(node: &Node, names: &[String], report: &mut Report) {
    let mut lost = |name: &str, position: Position| {
        report
            .error("assigned-capture", position, format!("`{name}` is a copy here: every host has its own, and this change is lost"))
            .hint("Return the value from the closure instead: `on` gives one row a host, with `.value`.");
    };
    let captured = |expr: &Expr| {
        root(expr).filter(|name| names.iter().any(|other| other == name)).map(str::to_owned)
    };
    match node.path.last() {
        Some(ASTNode::Stmt(Stmt::Assignment(assignment))) => {
            if let Some(name) = captured(&assignment.1.lhs) {
                lost(&name, assignment.1.lhs.start_position());
            }
        }
        Some(ASTNode::Expr(Expr::MethodCall(call, position)))
            if MUTATING.contains(&call.name.as_str()) =>
        {
            if let Some(name) =
                node.receiver().filter(|name| names.iter().any(|other| other == name))
            {
                lost(name, *position);
            }
        }
        _ => {}
    }
}
