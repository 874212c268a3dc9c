use clap::Args;

use super::context::Context;
use crate::error::Result;

/// Gives a secret another name.
#[derive(Debug, Args)]
pub struct RenameArgs {
    old: String,
    new: String,
}

pub fn run(args: RenameArgs, context: &Context<'_>) -> Result<()> {
    context.update(|vault| vault.rename(&args.old, &args.new))?;
    context.ui.note(&format!("renamed {} to {}", args.old, args.new));
    Ok(())
}
