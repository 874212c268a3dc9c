//! Commands on a node, and what they print.
//!
//! This file is the pattern for verbs of a host: options are declared beside them, the work happens in a
//! closure that gets the [`Node`](crate::state::Node), and [`HostHandle::look`] or
//! [`HostHandle::change`] adds the host, the place of the call, the counting and the events.

use std::time::Duration;

use rhai::plugin::*;
use rhai::{Array, Map, Module};

use super::Topic;
use crate::error::{Error, ErrorKind, Result};
use crate::options;
use crate::remote::quote::{sh_quote, sh_words};
use crate::remote::{Output, Query};
use crate::script::host::HostHandle;
use crate::script::options::{Content, Options, describe};
use crate::vault::Secret;

pub const TOPIC: Topic = Topic {
    name: "commands",
    about: "Commands on a node, and what they print.",
    module,
    options: &[QueryOptions::LIST],
};

fn module() -> Module {
    let mut module = exported_module!(api);
    module.set_custom_type::<CommandOutput>("Output");
    module
}

options! {
    /// Options of `host.query`.
    pub struct QueryOptions for "query" at 1 {
        /// Exit codes that are no error. Default: `[0]`.
        ok_codes: Vec<i64> = vec![0],
        /// The command is ended after this time, and that is an error. Default: no limit.
        timeout: Option<Duration>,
        /// What the command reads from its standard input.
        stdin: Option<Content>,
    }
}

/// What a command printed; in a dry run, that it was not run.
#[derive(Debug, Clone)]
pub struct CommandOutput {
    /// `None`: the command changes the node, and this is a dry run.
    pub output: Option<Output>,
    /// The command as the user knows it.
    pub command: String,
}

impl CommandOutput {
    /// The output, or the error for a playbook that reads it in a dry run.
    pub fn get(&self) -> Result<&Output> {
        self.output.as_ref().ok_or_else(|| {
            Error::playbook(format!("`{}` was not run: this is a dry run, so there is no output", self.command))
                .hint("Ask with `host.query(…)`, which always runs, or use the output only after a real run.")
        })
    }
}

/// An argument array as one shell command; a string is a script already.
pub fn script_of(command: &Dynamic) -> Result<String> {
    if let Some(words) = command.read_lock::<Array>() {
        let words: Vec<_> = words.iter().map(word).collect::<Result<_>>()?;
        return match words.first().map(String::as_str) {
            None | Some("") => Err(Error::playbook("the command is empty")),
            Some(_) => Ok(sh_words(&words)),
        };
    }
    if let Some(secret) = command.read_lock::<Secret>() {
        return Err(visible_to_all(&secret));
    }
    match command.read_lock::<ImmutableString>() {
        Some(script) if !script.trim().is_empty() => Ok(script.to_string()),
        Some(_) => Err(Error::playbook("the command is empty")),
        None => Err(Error::playbook(format!(
            "a command is an array of words or a string, not {}",
            describe(command)
        ))),
    }
}

fn word(value: &Dynamic) -> Result<String> {
    if let Some(secret) = value.read_lock::<Secret>() {
        return Err(visible_to_all(&secret));
    }
    if value.is_array() || value.is_map() || value.is_unit() || value.is_fnptr() {
        return Err(Error::playbook(format!("{} is no word of a command", describe(value))));
    }
    Ok(value.to_string())
}

/// Arguments and environments are no place for a secret.
fn visible_to_all(secret: &Secret) -> Error {
    Error::playbook(format!(
        "the secret `{}` would be visible to every process of the node",
        secret.name()
    ))
    .hint("Hand it over as `stdin`, or write a file that the command reads.")
}

/// What busybox's `timeout` ends with when it had to end the command.
const ENDED_BY_TIMEOUT: i32 = 143;

/// The error for a command that ended with another code than expected. `limit`: the time that it had.
pub fn unexpected_code(command: &str, output: &Output, limit: Option<Duration>) -> Error {
    if let (Some(limit), ENDED_BY_TIMEOUT) = (limit, output.code) {
        return Error::new(
            ErrorKind::Timeout,
            format!("`{}` was ended after {} s", shorten(command), limit.as_secs()),
        )
        .hint("`timeout` sets the limit; without it there is none.");
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    let stdout = String::from_utf8_lossy(&output.stdout);
    let said = if stderr.trim().is_empty() { stdout } else { stderr };
    let error = Error::new(
        ErrorKind::Command,
        format!("`{}` ended with code {}", shorten(command), output.code),
    )
    .with_code(output.code)
    .detail(last_lines(&said, 10));
    match output.code {
        127 => error.hint("Code 127 means that there is no such command on the node."),
        126 => error.hint("Code 126 means that the file is there but may not be executed."),
        _ => error,
    }
}

/// A script's first line, for messages.
pub fn shorten(script: &str) -> String {
    let script = script.trim();
    let line = script.lines().next().unwrap_or_default();
    let short: String = line.chars().take(70).collect();
    if short.len() < script.len() { format!("{short}…") } else { short }
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<_> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

fn query(
    host: &HostHandle,
    ctx: &NativeCallContext,
    command: &Dynamic,
    options: QueryOptions,
) -> crate::script::ScriptResult<CommandOutput> {
    let command = script_of(command).map_err(|error| host.raise(ctx, error))?;
    host.look(ctx, &format!("query {}", shorten(&command)), |node| {
        let query = Query {
            script: command.clone(),
            stdin: options.stdin.map(|content| content.bytes),
            timeout: options.timeout,
        };
        let output = node.remote().query(&query)?;
        if !options.ok_codes.contains(&i64::from(output.code)) {
            return Err(unexpected_code(&command, &output, options.timeout));
        }
        Ok(CommandOutput { output: Some(output), command: command.clone() })
    })
}

#[export_module]
#[allow(clippy::needless_pass_by_value, reason = "Rhai's calling convention")]
pub mod api {
    use crate::script::convert::{OrRaise, ScriptResult};
    use crate::script::options;

    /// Runs a command that only looks, and returns what it printed. It runs in a dry run too: that it changes
    /// nothing is your promise.
    ///
    /// An array is a command with its arguments, as they are; a string is a shell script. Another exit code than
    /// 0 is an error.
    ///
    /// ```rhai
    /// host.query(["uname", "-m"]).stdout      //=> "aarch64"
    /// host.query("uname -m").code             //=> 0
    /// ```
    #[rhai_fn(name = "query", pure, return_raw)]
    pub fn query(
        ctx: NativeCallContext,
        host: &mut HostHandle,
        command: Dynamic,
    ) -> ScriptResult<CommandOutput> {
        super::query(host, &ctx, &command, QueryOptions::default())
    }

    /// Runs a command that only looks, as the options say.
    ///
    /// ```rhai
    /// host.query("grep -q missing /etc/fstab", #{ ok_codes: [0, 1] }).ok   //=> false
    /// ```
    #[rhai_fn(name = "query", pure, return_raw)]
    pub fn query_with(
        ctx: NativeCallContext,
        host: &mut HostHandle,
        command: Dynamic,
        options: Map,
    ) -> ScriptResult<CommandOutput> {
        let options = options::read(options).map_err(|error| host.raise(&ctx, error))?;
        super::query(host, &ctx, &command, options)
    }

    /// Whether the node has something at `path`. A link that leads nowhere counts.
    ///
    /// ```rhai
    /// host.exists("/etc/hostname")    //=> true
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn exists(ctx: NativeCallContext, host: &mut HostHandle, path: &str) -> ScriptResult<bool> {
        host.look(&ctx, &format!("exists {path}"), |node| {
            let path = sh_quote(path);
            let script = format!("[ -e {path} ] || [ -L {path} ]");
            Ok(node.remote().query(&Query { script, ..Query::default() })?.code == 0)
        })
    }

    /// What the command printed, without white space around it.
    #[rhai_fn(get = "stdout", pure, return_raw)]
    pub fn stdout(ctx: NativeCallContext, output: &mut CommandOutput) -> ScriptResult<String> {
        let output = output.get().or_raise(&ctx)?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// What the command printed to its error output, without white space around it.
    #[rhai_fn(get = "stderr", pure, return_raw)]
    pub fn stderr(ctx: NativeCallContext, output: &mut CommandOutput) -> ScriptResult<String> {
        let output = output.get().or_raise(&ctx)?;
        Ok(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }

    /// The exit code.
    #[rhai_fn(get = "code", pure, return_raw)]
    pub fn code(ctx: NativeCallContext, output: &mut CommandOutput) -> ScriptResult<i64> {
        Ok(output.get().or_raise(&ctx)?.code.into())
    }

    /// Whether the exit code is 0.
    #[rhai_fn(get = "ok", pure, return_raw)]
    pub fn ok(ctx: NativeCallContext, output: &mut CommandOutput) -> ScriptResult<bool> {
        Ok(output.get().or_raise(&ctx)?.code == 0)
    }

    /// What the command printed, without white space around it.
    #[rhai_fn(name = "to_string", pure, return_raw)]
    pub fn output_to_string(
        ctx: NativeCallContext,
        output: &mut CommandOutput,
    ) -> ScriptResult<String> {
        stdout(ctx, output)
    }
}
