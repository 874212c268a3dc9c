//! The command line: one subcommand a file, whose doc comment is its help. What is no subcommand is a
//! playbook: `pirun provision.rhai`.

mod check;
mod completions;
mod devices;
mod doc;
mod exec;
pub mod inventory;
mod new;
mod run;
mod ssh;
mod trust;
pub mod unlock;
mod vault;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::error::{Error, Result};
use crate::ui::Ui;

/// Runs Rhai playbooks against a cluster of Raspberry Pis.
#[derive(Debug, Parser)]
#[command(
    name = "pirun",
    version,
    about,
    max_term_width = 100,
    override_usage = "pirun PLAYBOOK.rhai [OPTIONS]\n       pirun COMMAND",
    after_help = "`pirun PLAYBOOK.rhai --help` lists the flags of a run, and those of the playbook."
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(check::CheckArgs),
    Devices(devices::DevicesArgs),
    Doc(doc::DocArgs),
    Exec(exec::ExecArgs),
    Inventory(inventory::InventoryArgs),
    New(new::NewArgs),
    Ssh(ssh::SshArgs),
    Trust(trust::TrustArgs),
    Vault(vault::VaultArgs),
    Completions(completions::CompletionsArgs),
}

/// The whole program.
pub fn main() -> ExitCode {
    completions::answer_shell();
    let args: Vec<OsString> = std::env::args_os().collect();
    match run::call(&args[1..]) {
        Some(call) => run::main(call),
        None => {
            let (cli, ui) = (Cli::parse_from(args), Ui::default());
            finish(&ui, command(cli, &ui))
        }
    }
}

fn command(cli: Cli, ui: &Ui) -> Result<()> {
    match cli.command {
        Command::Check(args) => check::run(&args, ui),
        Command::Devices(args) => devices::run(&args, ui),
        Command::Doc(args) => doc::run(&args, ui),
        Command::Exec(args) => exec::run(&args, ui),
        Command::Ssh(args) => ssh::run(&args, ui),
        Command::Trust(args) => trust::run(&args, ui),
        Command::Inventory(args) => inventory::run(&args, ui),
        Command::New(args) => new::run(&args, ui),
        Command::Vault(args) => vault::run(args, ui),
        Command::Completions(args) => completions::run(&args, ui),
    }
}

/// Shows the error, if there is one, and gives the exit code.
fn finish(ui: &Ui, result: Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            ui.error(&error);
            ExitCode::from(error.kind().exit_code())
        }
    }
}

/// Names of the subcommands.
fn subcommands() -> Vec<String> {
    Cli::command().get_subcommands().map(|command| command.get_name().to_owned()).collect()
}

/// The current directory.
fn here() -> Result<std::path::PathBuf> {
    std::env::current_dir().map_err(|error| Error::io(".", &error))
}
