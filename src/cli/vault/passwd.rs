use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use zeroize::Zeroizing;

use super::context::Context;
use super::create::Cost;
use super::recovery;
use crate::error::{Error, Result};
use crate::vault::{Credential, KeyFile, Source};

/// Changes who can open the vault. Without a subcommand: a new password for the slot that opens it.
///
/// Each slot is a way in by itself. The secrets are not touched. Whoever once opened the vault may have kept its key:
/// `pirun vault rotate` changes that one.
#[derive(Debug, Args)]
pub struct PasswdArgs {
    #[command(flatten)]
    new: NewArgs,

    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Add a slot.
    Add(SlotArgs),
    /// Change what opens a slot.
    Replace(SlotArgs),
    /// Remove a slot.
    Remove { label: String },
}

#[derive(Debug, Args)]
struct SlotArgs {
    /// The slot's name. Everybody who can read the file sees it.
    label: String,

    #[command(flatten)]
    new: NewArgs,
}

/// What opens the slot from now on. By default a password is asked for.
#[derive(Debug, Clone, Args)]
struct NewArgs {
    /// Read the new password from this file.
    #[arg(long, value_name = "FILE", group = "new")]
    new_password_file: Option<PathBuf>,

    /// Open the slot with this key file, which is made if it is not there.
    #[arg(long, value_name = "FILE", group = "new")]
    key_file: Option<PathBuf>,

    /// Make twelve recovery words, and show them once.
    #[arg(long, group = "new")]
    words: bool,

    /// What a try at the password costs.
    #[arg(long, default_value = "default")]
    kdf: Cost,
}

pub fn run(args: PasswdArgs, context: &Context<'_>) -> Result<()> {
    let mut file = context.open()?;
    let opened_by = file.open().opened_by().to_owned();
    let (label, new, what) = match args.action {
        None => (opened_by, args.new, "replaced"),
        Some(Action::Add(SlotArgs { label, new })) => (label, new, "added"),
        Some(Action::Replace(SlotArgs { label, new })) => (label, new, "replaced"),
        Some(Action::Remove { label }) => {
            file.update(|vault| vault.remove_slot(&label))
                .map_err(|error| context.in_file(error))?;
            context.ui.note(&format!("slot `{label}` is removed"));
            context.ui.note(
                "hint: Who knew it may have kept the vault key: `pirun vault rotate` changes that.",
            );
            return Ok(());
        }
    };
    let (credential, words) = new.credential(&label, context)?;
    let kdf = new.kdf.kdf();
    file.update(|vault| match what {
        "added" => vault.add_slot(&label, &credential, kdf),
        _ => vault.replace_slot(&label, &credential, kdf),
    })
    .map_err(|error| context.in_file(error))?;
    context.ui.note(&format!("slot `{label}` is {what}"));
    if let Some(words) = words {
        recovery::show(context.ui, &words);
    }
    Ok(())
}

impl NewArgs {
    fn credential(
        &self,
        label: &str,
        context: &Context<'_>,
    ) -> Result<(Credential, Option<Zeroizing<String>>)> {
        if self.words {
            let (credential, words) = recovery::make()?;
            return Ok((credential, Some(words)));
        }
        let source = match (&self.new_password_file, &self.key_file) {
            (Some(path), _) => Source::PasswordFile(path.clone()),
            (_, Some(path)) => {
                make_key_file(path, context)?;
                Source::KeyFile(path.clone())
            }
            _ => Source::Terminal,
        };
        let credential = context.new_credential(&source, &format!("slot `{label}`"))?;
        Ok((credential, None))
    }
}

/// Writes a new key file, unless one is there.
pub fn make_key_file(path: &Path, context: &Context<'_>) -> Result<()> {
    let new = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = match new {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return Ok(()),
        Err(error) => return Err(Error::io(path, &error)),
    };
    let key = KeyFile::random()?;
    file.write_all(key.print().as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(|error| Error::io(path, &error))?;
    context.ui.note(&format!("made the key file {}: keep it out of git", path.display()));
    Ok(())
}
