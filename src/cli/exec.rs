//! `pirun exec`: one command on many nodes.

use std::path::Path;
use std::sync::Mutex;

use clap::Args;

use super::inventory::InventorySource;
use crate::cancel::Cancel;
use crate::error::{Error, ErrorKind, Result};
use crate::inventory::Host;
use crate::remote::quote::sh_words;
use crate::remote::{Connect, Output, Run, SshConfig, SshConnect};
use crate::ui::Ui;

/// Runs a command on nodes, many at a time, and shows what each printed.
#[derive(Debug, Args)]
pub struct ExecArgs {
    /// Which hosts: a name, a group, or a pattern such as `agent:!rpi42`.
    pattern: String,

    /// The command and its arguments. One argument with blanks in it is a shell script.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,

    /// How many hosts at the same time.
    #[arg(short, long, default_value_t = 20)]
    forks: usize,

    #[command(flatten)]
    source: InventorySource,
}

/// Runs `pirun exec` in the current directory.
pub fn run(args: &ExecArgs, ui: &Ui) -> Result<()> {
    let inventory = args.source.load(Path::new("."))?;
    let hosts = inventory.select(&args.pattern)?;
    let script = match args.command.as_slice() {
        [script] => script.clone(),
        words => sh_words(words),
    };
    let config =
        SshConfig::write(hosts.iter().map(|h| &**h), &inventory.root().join("known_hosts"))?;
    let connect = SshConnect::new(config, Cancel::default(), false)?;
    let (waiting, failed) = (Mutex::new(hosts.iter()), Mutex::new(0_usize));
    std::thread::scope(|scope| {
        for _ in 0..args.forks.clamp(1, hosts.len().max(1)) {
            scope.spawn(|| {
                while let Some(host) = next(&waiting) {
                    let result = run_on(&connect, host, &script);
                    if !show(ui, host, result) {
                        *failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner) += 1;
                    }
                }
            });
        }
    });
    match failed.into_inner().unwrap_or_default() {
        0 => Ok(()),
        1 if hosts.len() == 1 => Err(Error::new(ErrorKind::HostsFailed, "the command failed")),
        count => Err(Error::new(
            ErrorKind::HostsFailed,
            format!("the command failed on {count} of {} hosts", hosts.len()),
        )),
    }
}

fn next<'a, T>(waiting: &Mutex<impl Iterator<Item = &'a T>>) -> Option<&'a T> {
    waiting.lock().unwrap_or_else(std::sync::PoisonError::into_inner).next()
}

fn run_on(connect: &SshConnect, host: &Host, script: &str) -> Result<Output> {
    let run = Run { script: script.to_owned(), ..Run::default() };
    Ok(connect.connect(host)?.run(&run)?.unwrap_or_default())
}

/// Prints what came of it, each line behind the host's name. False: it failed.
fn show(ui: &Ui, host: &Host, result: Result<Output>) -> bool {
    let output = match result {
        Ok(output) => output,
        Err(error) => {
            ui.error(&error.on_host(&host.name));
            return false;
        }
    };
    let lines = |bytes: &[u8]| -> String {
        let text = String::from_utf8_lossy(bytes).into_owned();
        text.lines().map(|line| format!("{}  {line}", host.name)).collect::<Vec<_>>().join("\n")
    };
    let (out, err) = (lines(&output.stdout), lines(&output.stderr));
    if !out.is_empty() {
        ui.out(&out);
    }
    if !err.is_empty() {
        ui.note(&err);
    }
    if output.code != 0 {
        ui.note(&format!("{}  ended with code {}", host.name, output.code));
    }
    output.code == 0
}
