//! Commands on the operator's own machine.

use std::process::Stdio;

use rhai::plugin::*;
use rhai::{Array, Module};

use super::Topic;
use super::commands::{CommandOutput, script_of, unexpected_code};
use crate::child;
use crate::error::{Error, ErrorKind, Result};
use crate::remote::Output;
use crate::script::context::{RunContext, context};
use crate::script::convert::{OrRaise, ScriptResult};

pub const TOPIC: Topic =
    Topic { name: "local", about: "Commands on the operator's own machine.", module, options: &[] };

fn module() -> Module {
    exported_module!(api)
}

/// The local time as `date` formats it.
pub fn date(format: &str) -> Result<String> {
    let output = run_words(&["date".to_owned(), format!("+{format}")])?;
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

fn run_words(words: &[String]) -> Result<Output> {
    let (program, args) =
        words.split_first().ok_or_else(|| Error::playbook("the command is empty"))?;
    let output =
        child::command(program).args(args).stdin(Stdio::null()).output().map_err(|error| {
            Error::new(ErrorKind::Command, format!("`{program}` cannot be started here: {error}"))
        })?;
    Ok(Output {
        code: output.status.code().unwrap_or(128),
        stdout: output.stdout,
        stderr: output.stderr,
    })
}

fn local(run: &RunContext, words: &Array) -> Result<CommandOutput> {
    let command = script_of(&Dynamic::from(words.clone()))?;
    if run.options().dry_run {
        run.remark(format!("would run here: {command}"));
        return Ok(CommandOutput { output: None, command });
    }
    local_query(run, words)
}

/// Runs the command whatever the run is.
fn local_query(run: &RunContext, words: &Array) -> Result<CommandOutput> {
    let command = script_of(&Dynamic::from(words.clone()))?;
    run.check_cancelled()?;
    let words: Vec<_> = words.iter().map(ToString::to_string).collect();
    let output = run_words(&words)?;
    if output.code == 0 {
        Ok(CommandOutput { output: Some(output), command })
    } else {
        Err(unexpected_code(&command, &output, None))
    }
}

#[export_module]
#[allow(clippy::needless_pass_by_value, reason = "Rhai's calling convention")]
pub mod api {
    /// Runs a command on this machine, and returns what it printed. It counts as a change: a dry run does not run it.
    ///
    /// ```rhai
    /// local(["echo", "hello"]).stdout     //=> "hello"
    /// ```
    #[rhai_fn(name = "local", return_raw)]
    pub fn local_command(ctx: NativeCallContext, command: Array) -> ScriptResult<CommandOutput> {
        context(&ctx).and_then(|run| local(&run, &command)).or_raise(&ctx)
    }

    /// Runs a command on this machine that only looks, and returns what it printed. It runs in a dry run too: that
    /// it changes nothing is your promise.
    ///
    /// ```rhai
    /// local_query(["echo", "hello"]).stdout     //=> "hello"
    /// ```
    #[rhai_fn(name = "local_query", return_raw)]
    pub fn local_query_command(
        ctx: NativeCallContext,
        command: Array,
    ) -> ScriptResult<CommandOutput> {
        context(&ctx).and_then(|run| local_query(&run, &command)).or_raise(&ctx)
    }
}
