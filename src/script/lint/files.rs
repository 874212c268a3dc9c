//! Names of things outside of the playbook: templates, local files, secrets.

use std::path::PathBuf;

use rhai::{ASTNode, Expr, Position};

use super::Report;
use super::tree::{Call, Node, Script, text};
use crate::suggest::did_you_mean;

pub fn check(script: &Script, node: &Node, report: &mut Report) {
    let Some(call) = node.call() else { return };
    if call.call.is_qualified() || script.defines(call.name()) {
        return;
    }
    match (call.name(), call.is_method) {
        ("template", true) => {
            if let Some((name, position)) = call.text(1) {
                template(script, name, position, report);
            }
        }
        ("file", true) => source_option(script, &call, report),
        ("upload", true) => local(script, call.text(0), report),
        ("read_local", false) => local(script, call.text(0), report),
        ("vault", false) => secret(script, &call, report),
        _ => {}
    }
}

fn template(script: &Script, name: &str, position: Position, report: &mut Report) {
    let project = &script.known.places.project;
    let mut dirs = vec![script.known.places.playbook_dir(), project.clone()];
    if dirs[0].ends_with("stdlib") {
        // A library's templates lie beside the playbooks that import it.
        dirs.push(project.join("playbooks"));
    }
    let dirs: Vec<PathBuf> =
        dirs.iter().flat_map(|dir| [dir.clone(), dir.join("templates")]).collect();
    if dirs.iter().any(|dir| dir.join(name).is_file()) {
        return;
    }
    let names: Vec<String> = dirs
        .iter()
        .filter(|dir| dir.ends_with("templates"))
        .flat_map(|dir| std::fs::read_dir(dir).into_iter().flatten().flatten())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    report
        .error("missing-template", position, format!("there is no template `{name}`"))
        .hint_if(did_you_mean(name, names.iter().map(String::as_str)))
        .hint("Templates are looked for beside the playbook, then in `templates/`.");
}

fn source_option(script: &Script, call: &Call, report: &mut Report) {
    for argument in &call.call.args {
        let Expr::Map(map, _) = argument else { continue };
        let source = map.0.iter().find(|(key, _)| key.name == "source");
        local(script, source.and_then(|(_, value)| text(value)), report);
    }
}

/// A file of the operator's machine. What lies in a home directory or is absolute is not for us to judge.
fn local(script: &Script, name: Option<(&str, Position)>, report: &mut Report) {
    let Some((name, position)) = name else { return };
    if name.starts_with(['~', '/']) || script.known.places.has(name) {
        return;
    }
    report
        .warning("missing-file", position, format!("there is no file `{name}`"))
        .hint("Files are looked for beside the playbook, then in the project.");
}

fn secret(script: &Script, call: &Call, report: &mut Report) {
    let (Some((name, position)), Some(secrets)) = (call.text(0), script.known.secrets) else {
        return;
    };
    // A vault that cannot be read is reported when it is opened.
    let Ok(names) = secrets.names() else { return };
    if names.iter().any(|known| known == name) || made_here(script, name) {
        return;
    }
    report
        .warning("unknown-secret", position, format!("the vault has no secret `{name}`"))
        .hint_if(did_you_mean(name, names.iter().map(String::as_str)))
        .hint(format!("`pirun vault set {name}` makes one."));
}

/// Whether the playbook itself keeps a secret of that name.
fn made_here(script: &Script, name: &str) -> bool {
    let mut made = false;
    script.visit(&mut |node| {
        if let Some(ASTNode::Expr(Expr::FnCall(call, _))) = node.path.last() {
            let makes = matches!(call.name.as_str(), "vault_set" | "vault_or");
            made |= makes && call.args.first().and_then(text).is_some_and(|(text, _)| text == name);
        }
    });
    made
}
