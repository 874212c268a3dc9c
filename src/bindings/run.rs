//! Commands that change a node.

use std::time::Duration;

use rhai::plugin::*;
use rhai::{Map, Module};

use super::Topic;
use super::commands::{CommandOutput, script_of, shorten, unexpected_code};
use crate::error::Result;
use crate::options;
use crate::remote::quote::sh_quote;
use crate::remote::{Output, Query, Run};
use crate::script::ScriptResult;
use crate::script::host::HostHandle;
use crate::script::options::{Content, Options};
use crate::script::told::Told;
use crate::state::{Action, Aspect, Change, Node};
use crate::ui::Event;

pub const TOPIC: Topic = Topic {
    name: "run",
    about: "Commands that change a node.",
    module,
    options: &[RunOptions::LIST],
};

fn module() -> Module {
    exported_module!(api)
}

options! {
    /// Options of `host.run`.
    pub struct RunOptions for "run" at 1 {
        /// A path that the command makes: it is not run if the path is there.
        creates: Option<String>,
        /// A shell command that only looks: if it succeeds, the command is not run.
        unless: Option<String>,
        /// A shell command that only looks: the command is run only if it succeeds.
        only_if: Option<String>,
        /// What the command reads from its standard input.
        stdin: Option<Content>,
        /// The command is ended after this time, and that is an error. Default: no limit.
        timeout: Option<Duration>,
        /// The directory to run it in.
        cwd: Option<String>,
        /// Exit codes that are no error. Default: `[0]`.
        ok_codes: Vec<i64> = vec![0],
    }
}

impl RunOptions {
    /// Shell text that succeeds if the command should be run; empty: always.
    fn condition(&self) -> String {
        let creates = self.creates.as_ref().map(|path| format!("[ ! -e {} ]", sh_quote(path)));
        let unless = self.unless.as_ref().map(|script| format!("! ( {script}\n) >/dev/null 2>&1"));
        let only_if = self.only_if.as_ref().map(|script| format!("( {script}\n) >/dev/null 2>&1"));
        [creates, unless, only_if].into_iter().flatten().collect::<Vec<_>>().join(" && ")
    }
}

/// Runs the command if its conditions say so, and the user does not object.
fn run_if_due(
    node: &Node,
    command: &str,
    options: RunOptions,
    told: &Told,
) -> Result<(Change, CommandOutput)> {
    let label = shorten(command);
    let change = Change::of("run", &label);
    let not_run = || CommandOutput { output: Some(Output::default()), command: label.clone() };
    let condition = options.condition();
    if !condition.is_empty() {
        let query = Query { script: condition, ..Query::default() };
        if node.remote().query(&query)?.code != 0 {
            return Ok((change, not_run()));
        }
    }
    let change = change.with(Aspect::Action { action: Action::Run });
    if !node.agrees(&change)? {
        return Ok((change.unless_changed(), not_run()));
    }
    let script = match &options.cwd {
        Some(dir) => format!("cd {} || exit\n{command}", sh_quote(dir)),
        None => command.to_owned(),
    };
    let stdin = options.stdin.map(|content| content.bytes);
    let listener = Some(told.listener());
    let output =
        node.run(Run { script, stdin, timeout: options.timeout, listener, ..Run::default() });
    told.finish();
    let output = output?;
    if let Some(output) = &output
        && !options.ok_codes.contains(&i64::from(output.code))
    {
        return Err(unexpected_code(command, output, options.timeout));
    }
    Ok((change, CommandOutput { output, command: label }))
}

fn run(
    ctx: &NativeCallContext,
    host: &HostHandle,
    command: &Dynamic,
    options: RunOptions,
) -> ScriptResult<CommandOutput> {
    let command = script_of(command).map_err(|error| host.raise(ctx, error))?;
    let (run, label) = (host.run().clone(), host.label());
    let told = Told::new(host.run().ui(), move |_, line| {
        run.tell(Event::Output { host: label.clone(), line });
    });
    let doing = format!("run {}", shorten(&command));
    let (change, output) =
        host.look(ctx, &doing, |node| run_if_due(node, &command, options, &told))?;
    host.report(change);
    Ok(output)
}

#[export_module]
#[allow(clippy::needless_pass_by_value, reason = "Rhai's calling convention")]
pub mod api {
    use crate::script::options;

    /// Runs a command that changes the node. In a dry run it is only reported, and its output cannot be read.
    ///
    /// An array is a command with its arguments, as they are; a string is a shell script. Another exit code than
    /// 0 is an error.
    ///
    /// ```rhai
    /// host.run(["mkdir", "-p", "/data/scratch"]);
    /// ```
    #[rhai_fn(name = "run", pure, return_raw)]
    pub fn run(
        ctx: NativeCallContext,
        host: &mut HostHandle,
        command: Dynamic,
    ) -> ScriptResult<CommandOutput> {
        super::run(&ctx, host, &command, RunOptions::default())
    }

    /// Runs a command that changes the node, if the options say so.
    ///
    /// ```rhai
    /// host.run("date >/data/first-run", #{ creates: "/data/first-run" });
    /// ```
    #[rhai_fn(name = "run", pure, return_raw)]
    pub fn run_with(
        ctx: NativeCallContext,
        host: &mut HostHandle,
        command: Dynamic,
        options: Map,
    ) -> ScriptResult<CommandOutput> {
        let options = options::read(options).map_err(|error| host.raise(&ctx, error))?;
        super::run(&ctx, host, &command, options)
    }
}
