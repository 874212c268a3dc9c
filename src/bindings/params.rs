//! What a playbook takes from the command line.

use rhai::plugin::*;
use rhai::{Array, Map, Module};

use super::Topic;
use crate::error::{Error, Result};
use crate::script::context::{RunContext, context};
use crate::script::convert::{OrRaise, ScriptResult};
use crate::script::params::{Type, check_choice};
use crate::script::resolver::importing;

pub const TOPIC: Topic = Topic {
    name: "parameters",
    about: "What a playbook takes from the command line.",
    module,
    options: &[],
};

fn module() -> Module {
    exported_module!(api)
}

/// The text that was given for a parameter.
fn given(run: &RunContext, name: &str) -> Option<String> {
    run.options().params.get(name).cloned()
}

fn not_in_imports(what: &str) -> Result<()> {
    match importing() {
        None => Ok(()),
        Some(module) => Err(Error::playbook(format!(
            "`{what}` in `{module}`, which is being imported"
        ))
        .hint(
            "Parameters belong to the playbook; hand their values to the functions of the file.",
        )),
    }
}

fn named(ctx: &NativeCallContext, name: &str, default: Dynamic) -> Result<Dynamic> {
    not_in_imports("param")?;
    match (given(&*context(ctx)?, name), Type::of(&default)) {
        (Some(text), Some(typ)) => {
            typ.read(&text).map_err(|problem| Error::usage(format!("`--{name}` {problem}")))
        }
        _ => Ok(default),
    }
}

fn positional(
    ctx: &NativeCallContext,
    index: i64,
    default: Dynamic,
    choices: &Array,
) -> Result<Dynamic> {
    not_in_imports("arg")?;
    let run = context(ctx)?;
    let place = usize::try_from(index).ok().and_then(|index| run.options().args.get(index));
    let Some(text) = place else { return Ok(default) };
    let choices: Vec<_> = choices.iter().map(ToString::to_string).collect();
    check_choice(&format!("argument {}", index + 1), text, &choices)?;
    let typ = Type::of(&default).unwrap_or(Type::String);
    typ.read(text).map_err(|problem| Error::usage(format!("argument {} {problem}", index + 1)))
}

#[export_module]
#[allow(clippy::needless_pass_by_value, reason = "Rhai's calling convention")]
pub mod api {
    /// A parameter of the playbook: the flag `--name`, or `-e name=value`. The default gives the type.
    ///
    /// At the top level and with literal arguments only, so that `--help` and completion need no run. A bool is
    /// `--name` or `--no-name`, a list is comma-separated.
    ///
    /// ```rhai
    /// let key = param("key", "~/.ssh/id_ed25519.pub", "Public key that may log in as root");
    /// key     //=> "~/.ssh/id_ed25519.pub"
    /// ```
    #[rhai_fn(return_raw)]
    pub fn param(
        ctx: NativeCallContext,
        name: &str,
        default: Dynamic,
        help: &str,
    ) -> ScriptResult<Dynamic> {
        let _ = help;
        named(&ctx, name, default).or_raise(&ctx)
    }

    /// A parameter that takes only certain values: `#{ choices: ["server", "agent"] }`.
    ///
    /// ```rhai
    /// param("role", "agent", "What it becomes", #{ choices: ["server", "agent"] })    //=> "agent"
    /// ```
    #[rhai_fn(name = "param", return_raw)]
    pub fn param_with(
        ctx: NativeCallContext,
        name: &str,
        default: Dynamic,
        help: &str,
        options: Map,
    ) -> ScriptResult<Dynamic> {
        let _ = help;
        let value = named(&ctx, name, default).or_raise(&ctx)?;
        let choices = options
            .get("choices")
            .and_then(|list| list.read_lock::<Array>().map(|list| list.clone()));
        let choices: Vec<_> = choices.unwrap_or_default().iter().map(ToString::to_string).collect();
        check_choice(&format!("`--{name}`"), &value.to_string(), &choices).or_raise(&ctx)?;
        Ok(value)
    }

    /// A parameter that must be given. Types: `"string"`, `"int"`, `"float"`, `"bool"`, `"list"`, `"map"`.
    ///
    /// ```rhai,parse
    /// let card = required_param("card", "string", "Device of the card");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn required_param(
        ctx: NativeCallContext,
        name: &str,
        r#type: &str,
        help: &str,
    ) -> ScriptResult<Dynamic> {
        let value = || {
            not_in_imports("required_param")?;
            let typ = Type::named(r#type).ok_or_else(|| {
                Error::playbook(format!("`{}` is no type of a parameter", r#type))
            })?;
            let text = given(&*context(&ctx)?, name).ok_or_else(|| {
                Error::usage(format!("`--{}` is missing: {help}", name.replace('_', "-")))
            })?;
            typ.read(&text).map_err(|problem| Error::usage(format!("`--{name}` {problem}")))
        };
        value().or_raise(&ctx)
    }

    /// A positional argument, counted from 0, or its default.
    ///
    /// ```rhai
    /// arg(0, "build")     //=> "build"
    /// ```
    #[rhai_fn(return_raw)]
    pub fn arg(ctx: NativeCallContext, index: i64, default: Dynamic) -> ScriptResult<Dynamic> {
        positional(&ctx, index, default, &Array::new()).or_raise(&ctx)
    }

    /// A positional argument that takes only certain values.
    ///
    /// ```rhai
    /// arg(0, "build", ["build", "write", "all"])      //=> "build"
    /// ```
    #[rhai_fn(name = "arg", return_raw)]
    pub fn arg_with(
        ctx: NativeCallContext,
        index: i64,
        default: Dynamic,
        choices: Array,
    ) -> ScriptResult<Dynamic> {
        positional(&ctx, index, default, &choices).or_raise(&ctx)
    }
}
