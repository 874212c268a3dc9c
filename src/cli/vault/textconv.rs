use std::path::PathBuf;

use clap::Args;

use super::context::Context;
use crate::error::Result;
use crate::vault::{self, fingerprint};

/// Prints a vault for `git diff`: names, and a fingerprint of each sealed value. Needs no password.
#[derive(Debug, Args)]
pub struct TextconvArgs {
    file: PathBuf,
}

pub fn run(args: TextconvArgs, context: &Context<'_>) -> Result<()> {
    let vault = match vault::read(&args.file) {
        Ok(vault) => vault,
        // git shows this in place of a diff, and goes on.
        Err(error) => {
            context.ui.out(&format!("not a readable vault: {error}"));
            return Ok(());
        }
    };
    for slot in vault.slots() {
        context.ui.out(&format!(
            "slot {}  sealed as {}",
            slot.label(),
            fingerprint(slot.print().as_bytes())
        ));
    }
    for (name, sealed) in vault.sealed_values() {
        context.ui.out(&format!("secret {name}  sealed as {}", fingerprint(sealed)));
    }
    Ok(())
}
