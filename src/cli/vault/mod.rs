//! `pirun vault …`: one command a file, whose doc comment is its help.

mod context;
mod create;
mod diff;
mod edit;
mod get;
mod git;
mod git_setup;
mod import_ansible;
mod list;
mod merge;
mod passwd;
mod recovery;
mod rename;
mod rm;
mod rotate;
mod set;
mod status;
mod textconv;
mod verify;
mod view;

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
    Rm(rm::RmArgs),
    Rename(rename::RenameArgs),
    Edit(edit::EditArgs),
    ImportAnsible(import_ansible::ImportAnsibleArgs),
    View(view::ViewArgs),
    Verify(verify::VerifyArgs),
    Passwd(passwd::PasswdArgs),
    Rotate(rotate::RotateArgs),
    Status(status::StatusArgs),
    Diff(diff::DiffArgs),
    Merge(merge::MergeArgs),
    GitSetup(git_setup::GitSetupArgs),
    #[command(hide = true)]
    Textconv(textconv::TextconvArgs),
}

/// Runs a vault command.
pub fn run(args: VaultArgs, ui: &Ui) -> Result<()> {
    let context = Context::new(args.vault, args.unlock.sources(), ui);
    match args.command {
        VaultCommand::Create(args) => create::run(args, &context),
        VaultCommand::Set(args) => set::run(args, &context),
        VaultCommand::Get(args) => get::run(args, &context),
        VaultCommand::List(args) => list::run(args, &context),
        VaultCommand::Rm(args) => rm::run(args, &context),
        VaultCommand::Rename(args) => rename::run(args, &context),
        VaultCommand::Edit(args) => edit::run(args, &context),
        VaultCommand::ImportAnsible(args) => import_ansible::run(args, &context),
        VaultCommand::View(args) => view::run(args, &context),
        VaultCommand::Verify(args) => verify::run(args, &context),
        VaultCommand::Passwd(args) => passwd::run(args, &context),
        VaultCommand::Rotate(args) => rotate::run(args, &context),
        VaultCommand::Status(args) => status::run(args, &context),
        VaultCommand::Diff(args) => diff::run(args, &context),
        VaultCommand::Merge(args) => merge::run(args, &context),
        VaultCommand::GitSetup(args) => git_setup::run(args, &context),
        VaultCommand::Textconv(args) => textconv::run(args, &context),
    }
}
