//! The command line: one subcommand a file, whose doc comment is its help.

pub mod inventory;
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
    Inventory(inventory::InventoryArgs),
    Vault(vault::VaultArgs),
}

/// Runs what the arguments ask for.
pub fn run(cli: Cli, ui: &Ui) -> Result<()> {
    match cli.command {
        Command::Inventory(args) => inventory::run(&args, ui),
        Command::Vault(args) => vault::run(args, ui),
    }
}
