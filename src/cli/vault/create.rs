use clap::{Args, ValueEnum};

use super::context::Context;
use crate::error::Result;
use crate::vault::{Kdf, OpenVault, VaultFile};

/// Makes a new, empty vault.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// The name of the first slot. Everybody who can read the file sees it.
    #[arg(long, default_value = "main")]
    label: String,

    /// What a try at the password costs.
    #[arg(long, default_value = "default")]
    pub kdf: Cost,
}

/// What a try at a password costs.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Cost {
    /// 256 MiB of memory, three passes: about a second on a laptop.
    Default,
    /// 64 MiB of memory, three passes: for a vault that is opened on a Pi.
    Small,
}

impl Cost {
    pub fn kdf(self) -> Kdf {
        match self {
            Self::Default => Kdf::DEFAULT,
            Self::Small => Kdf::SMALL,
        }
    }
}

pub fn run(args: CreateArgs, context: &Context<'_>) -> Result<()> {
    if context.path.exists() {
        return Err(context.in_file(crate::vault::VaultError::Exists));
    }
    let source = context.sources.source(|name| std::env::var_os(name));
    let credential = context.new_credential(&source, "the vault")?;
    let open = OpenVault::create(&args.label, &credential, args.kdf.kdf())?;
    let file = VaultFile::create(&context.path, open).map_err(|error| context.in_file(error))?;
    context.ui.note(&format!("created {} with slot `{}`", context.path.display(), args.label));
    drop(file);
    Ok(())
}
