//! The syntax tree as the rules see it.

use std::collections::{BTreeMap, BTreeSet};

use rhai::{AST, ASTNode, Expr, FnAccess, FnCallExpr, FnPtr, Position, ScriptFuncDef, Stmt};

use super::Known;
use crate::error::{Error, Result};
use crate::script::catalog::Catalog;
use crate::script::engine::Playbook;

/// Prefix of the functions that closures become.
const CLOSURE: &str = "anon$";

/// One playbook with everything that the rules ask about.
pub struct Script<'a> {
    pub playbook: &'a Playbook,
    pub known: &'a Known<'a>,
    pub catalog: Catalog,
    /// The playbook's own functions with their numbers of parameters.
    pub functions: BTreeMap<String, BTreeSet<usize>>,
    /// Imported files by their alias.
    pub imports: BTreeMap<String, Import>,
    /// Keys of map literals: `ops.greet()` may call a closure in a map.
    pub keys: BTreeSet<String>,
    /// Variables that hold a host.
    pub hosts: BTreeSet<String>,
    bodies: Vec<Function>,
}

/// A function or closure.
pub struct Function {
    pub name: String,
    pub params: Vec<String>,
    pub position: Position,
    /// How many statements its body has.
    pub statements: usize,
    /// Holds nothing but this function: Rhai lets nobody else into its body.
    tree: AST,
}

pub struct Import {
    pub path: String,
    pub position: Position,
    /// Its functions with their numbers of parameters, or why there are none.
    pub functions: Result<BTreeMap<String, BTreeSet<usize>>>,
}

/// A node with the way to it.
pub struct Node<'p, 'a> {
    pub path: &'p [ASTNode<'a>],
    /// The function or closure that it is in; `None`: the playbook's own statements.
    pub function: Option<&'p Function>,
}

/// A call, as a function or as a method.
pub struct Call<'a> {
    pub call: &'a FnCallExpr,
    pub position: Position,
    pub is_method: bool,
}

/// A closure that is written as an argument.
pub struct Closure {
    /// The name of its function.
    pub name: String,
    /// What it captures.
    pub captured: Vec<String>,
}

impl<'a> Script<'a> {
    pub fn new(playbook: &'a Playbook, known: &'a Known<'a>) -> Self {
        let mut script = Self {
            playbook,
            known,
            catalog: Catalog::sketch(known.engine),
            functions: BTreeMap::new(),
            imports: BTreeMap::new(),
            keys: BTreeSet::new(),
            hosts: BTreeSet::from(["host".to_owned()]),
            bodies: bodies(&playbook.ast),
        };
        for function in playbook.ast.iter_functions().filter(|f| !f.name.starts_with(CLOSURE)) {
            script
                .functions
                .entry(function.name.to_owned())
                .or_default()
                .insert(function.params.len());
        }
        script.collect();
        script
    }

    fn collect(&mut self) {
        let (mut imports, mut keys, mut hosts) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
        self.visit(&mut |node| match node.path.last() {
            Some(ASTNode::Stmt(Stmt::Import(import, position))) => {
                if let (Expr::StringConstant(path, _), alias) = &**import {
                    imports.push((alias.name.to_string(), path.to_string(), *position));
                }
            }
            Some(ASTNode::Expr(Expr::Map(map, _))) => {
                keys.extend(map.0.iter().map(|(key, _)| key.name.to_string()));
            }
            Some(ASTNode::Stmt(Stmt::Var(var, ..))) => {
                if let Expr::FnCall(call, _) = &var.1
                    && call.name == "host"
                    && !call.is_qualified()
                {
                    hosts.insert(var.0.name.to_string());
                }
            }
            _ => {}
        });
        for (alias, path, position) in imports {
            let functions = self.functions_of(&path);
            self.imports.insert(alias, Import { path, position, functions });
        }
        self.keys = keys;
        self.hosts.extend(hosts);
    }

    fn functions_of(&self, path: &str) -> Result<BTreeMap<String, BTreeSet<usize>>> {
        let found = self.known.resolver.find(path)?;
        let ast = self
            .known
            .engine
            .compile(&found.text)
            .map_err(|error| crate::script::engine::parse_error(&found.source, &found.text, &error))
            .map_err(|error| broken(path, &error))?;
        let mut functions: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
        for function in ast.iter_functions().filter(|f| f.access == FnAccess::Public) {
            functions.entry(function.name.to_owned()).or_default().insert(function.params.len());
        }
        Ok(functions)
    }

    /// Calls `rule` for every node: the playbook's statements first, then its functions and closures.
    pub fn visit(&self, rule: &mut impl FnMut(&Node)) {
        for statement in self.playbook.ast.statements() {
            statement.walk(&mut Vec::new(), &mut |path: &[ASTNode]| {
                rule(&Node { path, function: None });
                true
            });
        }
        for function in &self.bodies {
            self.visit_function(function, rule);
        }
    }

    /// Calls `rule` for every node of one function or closure.
    pub fn visit_function(&self, function: &Function, rule: &mut impl FnMut(&Node)) {
        function.tree.walk(&mut |path: &[ASTNode]| {
            rule(&Node { path, function: Some(function) });
            true
        });
    }

    /// Functions and closures.
    pub fn bodies(&self) -> &[Function] {
        &self.bodies
    }

    /// The function of a closure.
    pub fn closure(&self, name: &str) -> Option<&Function> {
        self.bodies.iter().find(|function| function.name == name)
    }

    /// Whether the playbook has a function of its own with this name.
    pub fn defines(&self, name: &str) -> bool {
        self.functions.contains_key(name)
    }
}

/// Every function by itself.
fn bodies(ast: &AST) -> Vec<Function> {
    let body = |function: &ScriptFuncDef| {
        // `clone_functions_only_filtered` of Rhai 1.27 does not filter.
        let mut tree = ast.clone_functions_only();
        tree.retain_functions(|_, _, name, params| {
            name == function.name && params == function.params.len()
        });
        let mut statements = 0;
        tree.walk(&mut |path: &[ASTNode]| {
            statements += usize::from(path.len() == 1);
            true
        });
        Function {
            name: function.name.to_string(),
            params: function.params.iter().map(ToString::to_string).collect(),
            position: function.body.start_position(),
            statements,
            tree,
        }
    };
    ast.iter_fn_def().map(|function| body(function)).collect()
}

fn broken(path: &str, error: &Error) -> Error {
    let place = error.site().map(|site| format!(" ({site})")).unwrap_or_default();
    Error::playbook(format!("`{path}` does not parse: {}{place}", error.message()))
}

impl<'a> Node<'_, 'a> {
    /// The call that the node is, unless it is an operator.
    pub fn call(&self) -> Option<Call<'a>> {
        let (call, position, is_method) = match self.path.last()? {
            ASTNode::Expr(Expr::FnCall(call, position)) => (&**call, *position, false),
            ASTNode::Stmt(Stmt::FnCall(call, position)) => (&**call, *position, false),
            ASTNode::Expr(Expr::MethodCall(call, position)) => (&**call, *position, true),
            _ => return None,
        };
        (!call.is_operator_call()).then_some(Call { call, position, is_method })
    }

    /// The operator call that the node is.
    pub fn operator(&self) -> Option<(&'a FnCallExpr, Position)> {
        match self.path.last()? {
            ASTNode::Expr(Expr::FnCall(call, position)) if call.is_operator_call() => {
                Some((call, *position))
            }
            _ => None,
        }
    }

    /// The variable in front of the first dot, if the node is the method or property right behind it.
    pub fn receiver(&self) -> Option<&'a str> {
        let ASTNode::Expr(node) = self.path.last()? else { return None };
        for above in self.path.iter().rev().skip(1) {
            match above {
                // Chains hang to the right: `a.b.c` is `a . (b . c)`.
                ASTNode::Expr(Expr::Dot(dot, ..)) => {
                    let here = std::ptr::eq(*node, &raw const dot.rhs)
                        || matches!(&dot.rhs, Expr::Dot(next, ..) if std::ptr::eq(*node, &raw const next.lhs));
                    return match &dot.lhs {
                        Expr::Variable(variable, ..) if here => Some(variable.1.as_str()),
                        _ if std::ptr::eq(*node, &raw const dot.lhs) => continue,
                        _ => None,
                    };
                }
                _ => return None,
            }
        }
        None
    }
}

impl Call<'_> {
    pub fn name(&self) -> &str {
        &self.call.name
    }

    /// How many arguments a function of Rust sees: a method's receiver is one of them.
    pub fn arity(&self) -> usize {
        self.call.args.len() + usize::from(self.is_method)
    }

    /// An argument that is a text literal.
    pub fn text(&self, index: usize) -> Option<(&str, Position)> {
        text(self.call.args.get(index)?)
    }
}

/// A text literal.
pub fn text(expr: &Expr) -> Option<(&str, Position)> {
    match expr {
        Expr::StringConstant(text, position) => Some((text.as_str(), *position)),
        _ => None,
    }
}

/// The closure that an expression is.
pub fn closure(expr: &Expr) -> Option<Closure> {
    match expr {
        Expr::DynamicConstant(value, _) => {
            let function = value.read_lock::<FnPtr>()?;
            let name = function.fn_name();
            name.starts_with(CLOSURE)
                .then(|| Closure { name: name.to_owned(), captured: Vec::new() })
        }
        // What captures is a block that shares the variables and binds them to the function.
        Expr::Stmt(block) => match block.statements().last()? {
            Stmt::Expr(expr) => match &**expr {
                Expr::FnCall(call, _) if call.name == "curry" => bound(call),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

fn bound(curry: &FnCallExpr) -> Option<Closure> {
    let mut found = closure(curry.args.first()?)?;
    found.captured = curry
        .args
        .iter()
        .skip(1)
        .filter_map(|arg| match arg {
            Expr::Variable(variable, ..) => Some(variable.1.to_string()),
            _ => None,
        })
        .collect();
    Some(found)
}

/// The variable at the root of `a`, `a.b`, `a[0].c`.
pub fn root(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Variable(variable, ..) => Some(variable.1.as_str()),
        Expr::Dot(pair, ..) | Expr::Index(pair, ..) => root(&pair.lhs),
        _ => None,
    }
}

/// The last part of `a.b.c`.
pub fn tail(expr: &Expr) -> &Expr {
    match expr {
        Expr::Dot(pair, ..) => tail(&pair.rhs),
        other => other,
    }
}
