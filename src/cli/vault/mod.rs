//! `pirun vault …`: one command a file, whose doc comment is its help.

mod context;
mod create;
mod get;
mod list;
mod set;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::unlock::UnlockArgs;
use crate::error::Result;
use crate::ui::Ui;

use context::Context;

/// Keeps the cluster's secrets, each sealed by itself, in one file that belongs into git.
#[derive(Debug, Args)]
pub struct VaultArgs {
    /// The vault. By default `vault.enc` in this directory or the nearest one above that has it.
    #[arg(long, value_name = "FILE", global = true)]
    vault: Option<PathBuf>,

    #[command(flatten)]
    unlock: UnlockArgs,

    #[command(subcommand)]
    command: VaultCommand,
}

#[derive(Debug, Subcommand)]
enum VaultCommand {
    Create(create::CreateArgs),
    Set(set::SetArgs),
    Get(get::GetArgs),
    List(list::ListArgs),
}

/// Runs a vault command.
pub fn run(args: VaultArgs, ui: &Ui) -> Result<()> {
    let context = Context::new(args.vault, args.unlock.sources(), ui);
    match args.command {
        VaultCommand::Create(args) => create::run(args, &context),
        VaultCommand::Set(args) => set::run(args, &context),
        VaultCommand::Get(args) => get::run(args, &context),
        VaultCommand::List(args) => list::run(args, &context),
    }
}
