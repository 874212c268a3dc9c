use clap::Args;

use super::context::Context;
use crate::error::Result;

/// Removes secrets. Git's history keeps them, sealed.
#[derive(Debug, Args)]
pub struct RmArgs {
    #[arg(required = true)]
    names: Vec<String>,
}

pub fn run(args: RmArgs, context: &Context<'_>) -> Result<()> {
    context.update(|vault| args.names.iter().try_for_each(|name| vault.remove(name)))?;
    context.ui.note(&format!("removed {}", args.names.join(", ")));
    Ok(())
}
