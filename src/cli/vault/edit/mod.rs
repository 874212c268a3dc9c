//! `pirun vault edit`: all text secrets in an editor, without ever touching a disk.

mod editor;
mod scratch;
pub mod text;

use std::collections::BTreeMap;

use clap::Args;
use zeroize::Zeroizing;

use super::context::Context;
use crate::error::{Error, Result};
use crate::vault::{OpenVault, SecretValue, ValueKind, VaultError, VaultFile};

use scratch::Scratch;

/// Opens all text secrets in your editor.
///
/// Each is `name: value`. What you do not touch keeps its sealed bytes, so git shows only what you changed. The text lies
/// in memory (tmpfs) and is wiped afterwards. `$VISUAL`, `$EDITOR` or `vi` is the editor.
#[derive(Debug, Args)]
pub struct EditArgs {
    /// If there is no tmpfs, put the text on the disk after all.
    #[arg(long)]
    disk: bool,
}

/// Names and texts. The texts are wiped.
pub type Texts = BTreeMap<String, Zeroizing<String>>;

pub fn run(args: EditArgs, context: &Context<'_>) -> Result<()> {
    let mut file = context.open()?;
    let mut base = texts(file.open()).map_err(|error| context.in_file(error))?;
    let scratch = Scratch::new(args.disk)?;
    scratch.write(&text::print(&base, &hidden(file.open()), &[]))?;
    loop {
        let before = scratch.read()?;
        editor::open(scratch.file())?;
        let after = scratch.read()?;
        let complaint = match text::parse(&after) {
            Ok(None) => return nothing_changed(context),
            Ok(Some(edited)) => match save(&mut file, &base, &edited, context)? {
                Saved::Yes => return Ok(()),
                Saved::ChangedMeanwhile(names) => {
                    let now = texts(file.open()).map_err(|error| context.in_file(error))?;
                    take_over(&mut base, now, &names);
                    format!(
                        "another pirun changed {} meanwhile; saving again replaces that",
                        names.join(", ")
                    )
                }
            },
            Err(_) if after == before => {
                return Err(Error::usage("the text was left with a mistake in it")
                    .hint("Nothing was changed."));
            }
            Err(complaint) => complaint,
        };
        context.ui.note(&format!("{complaint}: opening the editor again"));
        scratch.write(&text::with_complaint(&after, &complaint))?;
    }
}

/// The user knows now that these were changed. What else was changed was never shown, so it must not look removed.
fn take_over(base: &mut Texts, mut now: Texts, names: &[String]) {
    for name in names {
        match now.remove(name) {
            Some(text) => base.insert(name.clone(), text),
            None => base.remove(name),
        };
    }
}

fn nothing_changed(context: &Context<'_>) -> Result<()> {
    context.ui.note("nothing was changed");
    Ok(())
}

/// The secrets that can be edited.
fn texts(vault: &OpenVault) -> Result<Texts, VaultError> {
    let mut texts = Texts::new();
    for name in vault.names() {
        let secret = vault.get(name)?;
        if let (ValueKind::Text, Some(content)) = (secret.kind(), secret.expose_text()) {
            texts.insert(name.to_owned(), Zeroizing::new(content.to_owned()));
        }
    }
    Ok(texts)
}

/// The names of the others.
fn hidden(vault: &OpenVault) -> Vec<String> {
    let is_other =
        |name: &&str| vault.get(name).is_ok_and(|secret| secret.kind() != ValueKind::Text);
    vault.names().filter(is_other).map(str::to_owned).collect()
}

enum Saved {
    Yes,
    /// These were changed in the file since `base` was read, and by the user too.
    ChangedMeanwhile(Vec<String>),
}

fn save(
    file: &mut VaultFile,
    base: &Texts,
    edited: &Texts,
    context: &Context<'_>,
) -> Result<Saved> {
    let changes: Vec<&String> = base
        .keys()
        .chain(edited.keys().filter(|name| !base.contains_key(*name)))
        .filter(|name| base.get(*name) != edited.get(*name))
        .collect();
    if changes.is_empty() {
        nothing_changed(context)?;
        return Ok(Saved::Yes);
    }
    let saved = file.update(|vault| -> Result<Saved> {
        let now = texts(vault)?;
        let meanwhile: Vec<String> = changes
            .iter()
            .filter(|name| now.get(**name) != base.get(**name))
            .map(|name| (*name).clone())
            .collect();
        if !meanwhile.is_empty() {
            return Ok(Saved::ChangedMeanwhile(meanwhile));
        }
        for name in &changes {
            match edited.get(*name) {
                Some(content) => vault.set(name, &SecretValue::text(content)).map(|_| ())?,
                None => vault.remove(name)?,
            }
        }
        Ok(Saved::Yes)
    })?;
    if matches!(saved, Saved::Yes) {
        let names: Vec<&str> = changes.iter().map(|name| name.as_str()).collect();
        context.ui.note(&format!("changed {}", names.join(", ")));
    }
    Ok(saved)
}
