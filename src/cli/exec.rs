//! `pirun exec`: one command on many nodes.

use std::path::Path;
use std::sync::Mutex;

use clap::Args;

use super::inventory::InventorySource;
use super::unlock::{self, UnlockArgs};
use crate::cancel::Cancel;
use crate::error::{Error, ErrorKind, Result};
use crate::inventory::Host;
use crate::remote::quote::sh_words;
use crate::remote::{Connect, Output, Run, SshConfig, SshConnect, Stream};
use crate::script::told::Told;
use crate::ui::Ui;
use crate::vault::{FILE_NAME, ProjectVault, Redactor, Source, Sources};

/// Runs a command on nodes, many at a time, and shows what each prints.
///
/// With a source of the vault's password, the vault's secrets are hidden in it.
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

    #[command(flatten)]
    unlock: UnlockArgs,
}

/// Runs `pirun exec` in the current directory.
pub fn run(args: &ExecArgs, ui: &Ui) -> Result<()> {
    let inventory = args.source.load(Path::new("."))?;
    let hosts = inventory.select(&args.pattern)?;
    hide_secrets(&args.unlock.sources(), inventory.root(), ui)?;
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
                    let result = run_on(&connect, host, &script, ui);
                    if !ended_well(ui, host, result) {
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

/// Hides the vault's secrets in what the nodes print. A password is not asked for unless the user says so: the command
/// itself needs none.
fn hide_secrets(sources: &Sources, project: &Path, ui: &Ui) -> Result<()> {
    let asks = sources.source(|name| std::env::var_os(name)) == Source::Terminal;
    let path = project.join(FILE_NAME);
    if !path.exists() || (asks && !sources.ask) {
        return Ok(());
    }
    let redactor = Redactor::new();
    ui.hide(redactor.clone());
    let (ask, watch) = (unlock::ask(ui), unlock::watch(ui));
    ProjectVault::new(path, sources.clone(), ask, redactor, true, watch).unlock()
}

fn next<'a, T>(waiting: &Mutex<impl Iterator<Item = &'a T>>) -> Option<&'a T> {
    waiting.lock().unwrap_or_else(std::sync::PoisonError::into_inner).next()
}

/// Runs it, and prints each line behind the host's name as it arrives.
fn run_on(connect: &SshConnect, host: &Host, script: &str, ui: &Ui) -> Result<Output> {
    let (name, shown) = (host.name.clone(), ui.clone());
    let told = Told::new(ui, move |stream, line| match stream {
        Stream::Stdout => shown.out(&format!("{name}  {line}")),
        Stream::Stderr => shown.note(&format!("{name}  {line}")),
    });
    let listener = Some(told.listener());
    let run = Run { script: script.to_owned(), listener, ..Run::default() };
    let result = connect.connect(host)?.run(&run);
    told.finish();
    Ok(result?.unwrap_or_default())
}

/// Says what went wrong, if something did.
fn ended_well(ui: &Ui, host: &Host, result: Result<Output>) -> bool {
    match result {
        Ok(output) if output.code == 0 => return true,
        Ok(output) => ui.note(&format!("{}  ended with code {}", host.name, output.code)),
        Err(error) => ui.error(&error.on_host(&host.name)),
    }
    false
}
