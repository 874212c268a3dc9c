//! Whether a playbook has handlers. Only then do changes leave marks on the nodes, and a playbook without
//! handlers costs nothing for them.

use std::collections::BTreeSet;

use rhai::{AST, ASTNode, Engine, Expr, Stmt};

use super::resolver::Resolver;

/// Whether the playbook, or a file that it imports, calls `at_end`.
pub fn used(engine: &Engine, resolver: &Resolver, ast: &AST) -> bool {
    search(engine, resolver, ast, &mut BTreeSet::new())
}

fn search(engine: &Engine, resolver: &Resolver, ast: &AST, seen: &mut BTreeSet<String>) -> bool {
    let (mut found, mut imports) = (false, Vec::new());
    ast.walk(&mut |path: &[ASTNode]| {
        match path.last() {
            Some(ASTNode::Expr(Expr::MethodCall(call, _) | Expr::FnCall(call, _))) => {
                found |= call.name == "at_end";
            }
            Some(ASTNode::Stmt(Stmt::Import(import, _))) => {
                if let Expr::StringConstant(path, _) = &import.0 {
                    imports.push(path.to_string());
                }
            }
            _ => {}
        }
        !found
    });
    // A file that is not there or does not parse stops the run elsewhere.
    found
        || imports.into_iter().any(|path| {
            seen.insert(path.clone())
                && resolver
                    .find(&path)
                    .ok()
                    .and_then(|file| engine.compile(&file.text).ok())
                    .is_some_and(|ast| search(engine, resolver, &ast, seen))
        })
}
