//! What a playbook takes from the command line: `param`, `required_param` and `arg`. They are found in
//! the syntax tree, so that `--help`, completion and `check` need no run.

use rhai::{AST, ASTNode, Dynamic, Expr, FnCallExpr, ImmutableString, Position, Stmt};

use super::options::describe;
use crate::error::{Error, Result};
use crate::suggest::did_you_mean;

/// Flags of pirun itself; a playbook's parameters cannot have these names.
pub const RESERVED: &[&str] = &[
    "inventory",
    "limit",
    "extra-vars",
    "forks",
    "diff",
    "dry-run",
    "check",
    "tags",
    "step",
    "resume",
    "assert-unchanged",
    "ask-vault-pass",
    "ask-vault-password",
    "vault-password-file",
    "vault-pass-file",
    "vault-password-command",
    "vault-pass-cmd",
    "vault-key-file",
    "vault-slot",
    "json",
    "quiet",
    "verbose",
    "color",
    "yes",
    "help",
    "version",
];

/// What a playbook takes.
#[derive(Debug, Clone, Default)]
pub struct Declared {
    pub params: Vec<Param>,
    /// Positional arguments, by index.
    pub args: Vec<Arg>,
}

/// A named parameter: the flag `--name`.
#[derive(Debug, Clone)]
pub struct Param {
    pub name: String,
    pub typ: Type,
    /// `None`: it must be given.
    pub default: Option<Dynamic>,
    pub help: String,
    pub choices: Vec<String>,
    pub position: Position,
}

/// A positional argument.
#[derive(Debug, Clone)]
pub struct Arg {
    pub index: usize,
    pub default: Dynamic,
    pub choices: Vec<String>,
    pub position: Position,
}

/// How the text of the command line is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    String,
    Int,
    Float,
    Bool,
    /// Comma-separated.
    List,
    /// A JSON object.
    Map,
}

impl Type {
    /// The type that a default value has.
    pub fn of(value: &Dynamic) -> Option<Self> {
        Some(if value.is_string() || value.is_char() {
            Self::String
        } else if value.is_int() {
            Self::Int
        } else if value.is_float() {
            Self::Float
        } else if value.is_bool() {
            Self::Bool
        } else if value.is_array() {
            Self::List
        } else if value.is_map() {
            Self::Map
        } else {
            return None;
        })
    }

    /// The type that `required_param` names.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "string" => Self::String,
            "int" => Self::Int,
            "float" => Self::Float,
            "bool" => Self::Bool,
            "list" => Self::List,
            "map" => Self::Map,
            _ => return None,
        })
    }

    /// For `--help`: what stands behind the flag.
    pub fn placeholder(self) -> &'static str {
        match self {
            Self::String => "TEXT",
            Self::Int | Self::Float => "NUMBER",
            Self::Bool => "BOOL",
            Self::List => "A,B,…",
            Self::Map => "JSON",
        }
    }

    /// The value that `text` means.
    pub fn read(self, text: &str) -> std::result::Result<Dynamic, String> {
        let wrong = |what: &str| format!("must be {what}, not {text:?}");
        match self {
            Self::String => Ok(text.into()),
            Self::Int => text.parse::<i64>().map(Into::into).map_err(|_| wrong("a whole number")),
            Self::Float => text.parse::<f64>().map(Into::into).map_err(|_| wrong("a number")),
            Self::Bool => match text {
                "true" | "yes" | "on" | "1" => Ok(true.into()),
                "false" | "no" | "off" | "0" => Ok(false.into()),
                _ => Err(wrong("true or false")),
            },
            Self::List => {
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                Ok(items.map(|item| item.to_owned().into()).collect::<rhai::Array>().into())
            }
            Self::Map => match serde_json::from_str::<serde_json::Value>(text) {
                Ok(value) if value.is_object() => Ok(super::values::from_json(&value)),
                _ => Err(wrong("a JSON object")),
            },
        }
    }
}

impl Param {
    /// The flag without its dashes: `my_flag` is `--my-flag`.
    pub fn flag(&self) -> String {
        self.name.replace('_', "-")
    }

    /// The value for the text that was given.
    pub fn read(&self, text: &str) -> Result<Dynamic> {
        let flag = self.flag();
        let value =
            self.typ.read(text).map_err(|problem| Error::usage(format!("`--{flag}` {problem}")))?;
        check_choice(&format!("`--{flag}`"), text, &self.choices)?;
        Ok(value)
    }
}

/// An error if there are choices and `text` is none of them.
pub fn check_choice(what: &str, text: &str, choices: &[String]) -> Result<()> {
    if choices.is_empty() || choices.iter().any(|choice| choice == text) {
        return Ok(());
    }
    let error = Error::usage(format!("{what} must be one of {}, not {text:?}", choices.join(", ")));
    Err(match did_you_mean(text, choices.iter().map(String::as_str)) {
        Some(hint) => error.hint(hint),
        None => error,
    })
}

/// Something wrong with a declaration, and where.
pub struct Problem {
    pub position: Position,
    pub error: Error,
}

/// All parameters that `ast` declares, and what is wrong with others.
pub fn declared(ast: &AST) -> (Declared, Vec<Problem>) {
    let (mut declared, mut problems) = (Declared::default(), Vec::new());
    for statement in ast.statements() {
        statement.walk(&mut Vec::new(), &mut |path: &[ASTNode]| {
            if let Some((call, position)) = call_of(path) {
                let top = is_top_level(path);
                let result = if top {
                    declare(&mut declared, call, position)
                } else {
                    misplaced(&call.name)
                };
                problems.extend(result.err().map(|error| Problem { position, error }));
            }
            true
        });
    }
    // Rhai lets nobody into a function's body but by such a copy of the tree.
    ast.clone_functions_only().walk(&mut |path: &[ASTNode]| {
        if let Some((call, position)) = call_of(path) {
            problems.extend(misplaced(&call.name).err().map(|error| Problem { position, error }));
        }
        true
    });
    declared.args.sort_by_key(|arg| arg.index);
    check_indices(&declared.args, &mut problems);
    (declared, problems)
}

/// The call of `param`, `required_param` or `arg` that the walk stands on.
fn call_of<'a>(path: &[ASTNode<'a>]) -> Option<(&'a FnCallExpr, Position)> {
    let (call, position) = match path.last()? {
        ASTNode::Expr(Expr::FnCall(call, position)) => (call, *position),
        ASTNode::Stmt(Stmt::FnCall(call, position)) => (call, *position),
        _ => return None,
    };
    let ours = matches!(call.name.as_str(), "param" | "required_param" | "arg");
    (ours && !call.is_qualified()).then_some((call, position))
}

/// In a `let`, a `const` or a statement of its own: it is evaluated exactly once.
fn is_top_level(path: &[ASTNode]) -> bool {
    path[..path.len() - 1].iter().all(|node| {
        matches!(
            node,
            ASTNode::Stmt(Stmt::Var(..) | Stmt::Expr(..))
                | ASTNode::Expr(Expr::Dot(..) | Expr::FnCall(..))
        )
    })
}

fn misplaced(name: &str) -> Result<()> {
    Err(Error::playbook(format!("`{name}` belongs at the top level of the playbook")).hint(
        "`--help` and completion find it without running anything: `let key = param(\"key\", …);`.",
    ))
}

fn declare(declared: &mut Declared, call: &FnCallExpr, position: Position) -> Result<()> {
    let args: Vec<Dynamic> =
        call.args.iter().map(literal).collect::<Option<_>>().ok_or_else(|| {
            Error::playbook(format!("the arguments of `{}` must be literals", call.name))
                .hint("`--help` and completion read them without running anything.")
        })?;
    if call.name == "arg" {
        declared.args.push(read_arg(&args, position)?);
        return Ok(());
    }
    let param = if call.name == "param" {
        read_param(&args, position)?
    } else {
        read_required(&args, position)?
    };
    check_name(&param.name)?;
    if declared.params.iter().any(|other| other.name == param.name) {
        return Err(Error::playbook(format!("the parameter `{}` is declared twice", param.name)));
    }
    declared.params.push(param);
    Ok(())
}

/// `param(name, default, help[, #{ choices }])`
fn read_param(args: &[Dynamic], position: Position) -> Result<Param> {
    let wrong = || {
        Error::playbook("`param` takes a name, a default and a help text")
            .hint("For example: `param(\"key\", \"~/.ssh/id_ed25519.pub\", \"Public key\")`.")
    };
    let [name, default, help, rest @ ..] = args else { return Err(wrong()) };
    let (name, help) = (text(name).ok_or_else(wrong)?, text(help).ok_or_else(wrong)?);
    let typ = Type::of(default).ok_or_else(|| {
        Error::playbook(format!("the default of `{name}` cannot be {}", describe(default)))
            .hint("The default gives the type. Use `required_param` for a parameter without one.")
    })?;
    let choices = match rest {
        [] => Vec::new(),
        [options] => choices(options)?,
        _ => return Err(wrong()),
    };
    Ok(Param { name, typ, default: Some(default.clone()), help, choices, position })
}

/// `required_param(name, type, help)`
fn read_required(args: &[Dynamic], position: Position) -> Result<Param> {
    let wrong = || {
        Error::playbook("`required_param` takes a name, a type and a help text")
            .hint("For example: `required_param(\"card\", \"string\", \"Device\")`. Types: string, int, float, bool, list, map.")
    };
    let [name, typ, help] = args else { return Err(wrong()) };
    let typ = text(typ).and_then(|typ| Type::named(&typ)).ok_or_else(wrong)?;
    let (name, help) = (text(name).ok_or_else(wrong)?, text(help).ok_or_else(wrong)?);
    Ok(Param { name, typ, default: None, help, choices: Vec::new(), position })
}

/// `arg(index, default[, choices])`
fn read_arg(args: &[Dynamic], position: Position) -> Result<Arg> {
    let wrong = || {
        Error::playbook("`arg` takes an index from 0 and a default")
            .hint("For example: `arg(0, \"build\", [\"build\", \"write\", \"all\"])`.")
    };
    let [index, default, rest @ ..] = args else { return Err(wrong()) };
    let index =
        index.as_int().ok().and_then(|index| usize::try_from(index).ok()).ok_or_else(wrong)?;
    let choices = match rest {
        [] => Vec::new(),
        [list] => strings(list).ok_or_else(wrong)?,
        _ => return Err(wrong()),
    };
    Ok(Arg { index, default: default.clone(), choices, position })
}

fn choices(options: &Dynamic) -> Result<Vec<String>> {
    let map = options.read_lock::<rhai::Map>();
    let wrong = || Error::playbook("the options of `param` are `#{ choices: [\"a\", \"b\"] }`");
    match map {
        Some(map) if map.len() == 1 => map.get("choices").and_then(strings).ok_or_else(wrong),
        _ => Err(wrong()),
    }
}

fn check_name(name: &str) -> Result<()> {
    let good = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-');
    if !good {
        return Err(Error::playbook(format!("`{name}` is no name for a parameter"))
            .hint("Names are lower-case letters, digits, `_` and `-`, and start with a letter."));
    }
    if RESERVED.contains(&name.replace('_', "-").as_str()) {
        return Err(Error::playbook(format!(
            "`--{}` is a flag of pirun itself",
            name.replace('_', "-")
        ))
        .hint("Give the parameter another name."));
    }
    Ok(())
}

fn check_indices(args: &[Arg], problems: &mut Vec<Problem>) {
    for (expected, arg) in args.iter().enumerate() {
        if arg.index != expected {
            let message = format!("`arg({}, …)` without an `arg({expected}, …)`", arg.index);
            let error = Error::playbook(message)
                .hint("Positional arguments are counted from 0 without gaps.");
            problems.push(Problem { position: arg.position, error });
            return;
        }
    }
}

/// The value of an expression that is a literal all the way down.
fn literal(expr: &Expr) -> Option<Dynamic> {
    // `-1` is the operator `-` on a literal.
    if let Expr::FnCall(call, _) = expr {
        let negated = call.is_operator_call() && call.name == "-" && call.args.len() == 1;
        let value = negated.then(|| literal(&call.args[0])).flatten()?;
        return value
            .as_int()
            .map(|n| (-n).into())
            .or_else(|_| value.as_float().map(|n| (-n).into()))
            .ok();
    }
    expr.get_literal_value(None)
}

fn text(value: &Dynamic) -> Option<String> {
    value.read_lock::<ImmutableString>().map(|text| text.to_string())
}

fn strings(value: &Dynamic) -> Option<Vec<String>> {
    value.read_lock::<rhai::Array>()?.iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::script::testing::{Stage, render};

    fn of(script: &str) -> (Declared, String) {
        let engine = crate::script::engine::for_run(&Stage::default().run_context());
        let playbook = crate::script::engine::parse(&engine, script.into(), "play.rhai").unwrap();
        let (declared, problems) = declared(&playbook.ast);
        let problems: Vec<_> =
            problems.iter().map(|p| format!("{}: {}", p.position, render(&p.error))).collect();
        (declared, problems.join("\n"))
    }

    #[test]
    fn declarations_are_found_without_a_run() {
        let (declared, problems) = of(r#"
            let key = param("key", "~/.ssh/id.pub", "Public key");
            let n   = param("retries", -1, "How often", #{ choices: ["-1", "3"] });
            const CARD = required_param("card", "string", "Device");
            let what = arg(0, "build", ["build", "all"]);
            let dir = param("dir", "out", "Where").to_upper();
        "#);
        assert_eq!(problems, "");
        let names: Vec<_> = declared.params.iter().map(|p| (p.name.as_str(), p.typ)).collect();
        assert_eq!(
            names,
            [
                ("key", Type::String),
                ("retries", Type::Int),
                ("card", Type::String),
                ("dir", Type::String)
            ]
        );
        assert_eq!(declared.params[1].default.as_ref().unwrap().as_int().unwrap(), -1);
        assert_eq!(declared.args[0].choices, ["build", "all"]);
    }

    #[test]
    fn wrong_declarations_say_what_is_wrong() {
        insta::assert_snapshot!(of(r#"
let limit = param("limit", 1, "x");
let name = "n"; let a = param(name, 1, "x");
fn f() { param("inner", 1, "x") }
if true { param("sometimes", 1, "x"); }
let b = param("b", (), "x");
let c = arg(1, "x");
let d = param("Big", 1, "x");
"#).1, @r#"
        line 2, position 13: `--limit` is a flag of pirun itself (playbook)
          hint: Give the parameter another name.
        line 3, position 25: the arguments of `param` must be literals (playbook)
          hint: `--help` and completion read them without running anything.
        line 5, position 11: `param` belongs at the top level of the playbook (playbook)
          hint: `--help` and completion find it without running anything: `let key = param("key", …);`.
        line 6, position 9: the default of `b` cannot be `()` (playbook)
          hint: The default gives the type. Use `required_param` for a parameter without one.
        line 8, position 9: `Big` is no name for a parameter (playbook)
          hint: Names are lower-case letters, digits, `_` and `-`, and start with a letter.
        line 4, position 10: `param` belongs at the top level of the playbook (playbook)
          hint: `--help` and completion find it without running anything: `let key = param("key", …);`.
        line 7, position 9: `arg(1, …)` without an `arg(0, …)` (playbook)
          hint: Positional arguments are counted from 0 without gaps.
        "#);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".*") {
            for typ in [Type::String, Type::Int, Type::Float, Type::Bool, Type::List, Type::Map] {
                let _ = typ.read(&text);
            }
        }

        #[test]
        fn numbers_survive(n in any::<i64>()) {
            prop_assert_eq!(Type::Int.read(&n.to_string()).unwrap().as_int().unwrap(), n);
        }
    }
}
