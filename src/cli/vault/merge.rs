use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::context::Context;
use super::git;
use crate::cli::unlock;
use crate::error::{Error, Result};
use crate::vault::{self, Prefer, Vault, VaultFile};

/// Merges two versions of the vault, secret by secret.
///
/// Without files: the two sides of a git conflict. With three files: as git's merge driver, the result in OURS. What both
/// sides changed is a conflict: then nothing is written.
#[derive(Debug, Args)]
pub struct MergeArgs {
    #[arg(requires = "theirs")]
    base: Option<PathBuf>,
    ours: Option<PathBuf>,
    theirs: Option<PathBuf>,

    /// Where both sides changed a secret, take the one of this side.
    #[arg(long)]
    take: Option<Side>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Side {
    Ours,
    Theirs,
}

pub fn run(args: MergeArgs, context: &Context<'_>) -> Result<()> {
    let prefer = match args.take {
        Some(Side::Ours) => Prefer::Ours,
        Some(Side::Theirs) => Prefer::Theirs,
        None => Prefer::Neither,
    };
    let (base, ours, theirs) = sides(&args, context)?;
    let unlocked = context.unlock(&ours)?;
    let merged = vault::merge(base.as_ref(), &ours, &theirs, unlocked, prefer)
        .map_err(|error| context.in_file(error))?;
    let target = args.ours.as_deref().unwrap_or(&context.path);
    VaultFile::new(target, merged)
        .and_then(|file| file.remembered_in(unlock::states()).overwrite())
        .map_err(|error| context.in_file(error))?;
    if args.ours.is_none() {
        context.ui.note(&format!("merged; run `git add {}`", context.path.display()));
    }
    Ok(())
}

fn sides(args: &MergeArgs, context: &Context<'_>) -> Result<(Option<Vault>, Vault, Vault)> {
    if let (Some(base), Some(ours), Some(theirs)) = (&args.base, &args.ours, &args.theirs) {
        let read = |path: &Path| vault::read(path).map_err(|error| error.in_file(path));
        // git gives an empty file where the two sides have no common version.
        let is_empty = std::fs::metadata(base).is_ok_and(|metadata| metadata.len() == 0);
        let base = if is_empty { None } else { Some(read(base)?) };
        return Ok((base, read(ours)?, read(theirs)?));
    }
    let stage = |stage: &str, what: &str| {
        let content = git::content(&context.path, stage).map_err(|_| no_conflict(context))?;
        let shown = PathBuf::from(format!("{} ({what})", context.path.display()));
        Vault::parse(&content).map_err(|error| error.in_file(&shown))
    };
    let (ours, theirs) = (stage(":2", "our side")?, stage(":3", "their side")?);
    Ok((stage(":1", "common version").ok(), ours, theirs))
}

fn no_conflict(context: &Context<'_>) -> Error {
    Error::usage(format!("git has no conflict in {}", context.path.display()))
        .hint("`git status` shows the files that have one.")
}
