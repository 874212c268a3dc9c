use clap::{Args, ValueEnum};

use zeroize::Zeroizing;

use super::context::Context;
use super::passwd::make_key_file;
use super::recovery;
use crate::error::Result;
use crate::vault::{Kdf, OpenVault, Source, VaultError, VaultFile};

/// Makes a new, empty vault.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// The name of the first slot. Everybody who can read the file sees it.
    #[arg(long, default_value = "main")]
    label: String,

    /// What a try at the password costs.
    #[arg(long, default_value = "default")]
    pub kdf: Cost,

    /// Add a second slot for twelve recovery words, and show them once. Asked for on a terminal.
    #[arg(long, overrides_with = "no_recovery")]
    recovery: bool,

    /// Add no recovery slot, and do not ask.
    #[arg(long)]
    no_recovery: bool,
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
        return Err(context.in_file(VaultError::Exists));
    }
    let source = context.sources.source(|name| std::env::var_os(name));
    if let Source::KeyFile(path) = &source {
        make_key_file(path, context)?;
    }
    let credential = context.new_credential(&source, "the vault")?;
    let mut open = OpenVault::create(&args.label, &credential, args.kdf.kdf())?;
    let words = match wants_recovery(&args, &source, context) {
        true => Some(add_recovery(&mut open, &args)?),
        false => None,
    };
    VaultFile::create(&context.path, open).map_err(|error| context.in_file(error))?;
    context.ui.note(&format!("created {} with slot `{}`", context.path.display(), args.label));
    match words {
        Some(words) => recovery::show(context.ui, &words),
        None => context.ui.note(
            "hint: Whoever loses the password loses the secrets: `pirun vault passwd add recovery --words`.",
        ),
    }
    Ok(())
}

fn wants_recovery(args: &CreateArgs, source: &Source, context: &Context<'_>) -> bool {
    let ask = || {
        let question = "Add a recovery slot, with words to be printed or written down?";
        *source == Source::Terminal && context.ui.offer(question).unwrap_or(false)
    };
    args.recovery || (!args.no_recovery && ask())
}

fn add_recovery(open: &mut OpenVault, args: &CreateArgs) -> Result<Zeroizing<String>> {
    let (credential, words) = recovery::make()?;
    open.add_slot("recovery", &credential, args.kdf.kdf())?;
    Ok(words)
}
