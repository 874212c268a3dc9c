//! The command line: one subcommand a file, whose doc comment is its help.

mod exec;
pub mod inventory;
mod ssh;
mod trust;
pub mod unlock;
mod vault;

use clap::{Parser, Subcommand};

use crate::error::Result;
use crate::ui::Ui;

/// Runs Rhai playbooks against a cluster of Raspberry Pis.
#[derive(Debug, Parser)]
#[command(name = "pirun", version, about, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Exec(exec::ExecArgs),
    Inventory(inventory::InventoryArgs),
    Ssh(ssh::SshArgs),
    Trust(trust::TrustArgs),
    Vault(vault::VaultArgs),
}

/// Runs what the arguments ask for.
pub fn run(cli: Cli, ui: &Ui) -> Result<()> {
    match cli.command {
        Command::Exec(args) => exec::run(&args, ui),
        Command::Inventory(args) => inventory::run(&args, ui),
        Command::Ssh(args) => ssh::run(&args, ui),
        Command::Trust(args) => trust::run(&args, ui),
        Command::Vault(args) => vault::run(args, ui),
    }
}
