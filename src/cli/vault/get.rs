use clap::Args;

use super::context::Context;
use crate::error::{Error, Result};

/// Prints a secret, exactly as it is. On a terminal a line end follows.
#[derive(Debug, Args)]
pub struct GetArgs {
    name: String,
}

pub fn run(args: GetArgs, context: &Context<'_>) -> Result<()> {
    let file = context.open()?;
    let secret = file.open().get(&args.name).map_err(|error| context.in_file(error))?;
    context.ui.reveal(secret.expose_bytes()).map_err(|_| {
        Error::usage(format!("secret `{}` is bytes, which a terminal does not show", args.name))
            .hint("Send it to a file or a command.")
    })
}
