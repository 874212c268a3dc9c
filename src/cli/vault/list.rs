use clap::Args;

use super::context::Context;
use crate::error::Result;

/// Prints the names of all secrets. Needs no password.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Open the vault, and show what kind and how long each secret is.
    #[arg(short, long)]
    long: bool,
}

pub fn run(args: ListArgs, context: &Context<'_>) -> Result<()> {
    if args.long {
        return list_long(context);
    }
    for name in context.sealed()?.names() {
        context.ui.out(name);
    }
    Ok(())
}

fn list_long(context: &Context<'_>) -> Result<()> {
    let file = context.open()?;
    let width = file.open().names().map(str::len).max().unwrap_or(0);
    for name in file.open().names() {
        let secret = file.open().get(name).map_err(|error| context.in_file(error))?;
        let kind = secret.kind().name();
        context.ui.out(&format!("{name:width$}  {kind:5}  {} bytes", secret.len()));
    }
    Ok(())
}
