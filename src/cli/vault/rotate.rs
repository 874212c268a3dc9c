use std::path::PathBuf;

use clap::Args;

use super::context::Context;
use super::create::Cost;
use crate::error::Result;
use crate::vault::{Credential, Kdf, Limits, Slot, SlotKind, Sources, Vault, VaultError};

/// Makes a new vault key, and seals all secrets anew.
///
/// For when somebody leaves, or a slot's password was seen. The password of every slot that stays is needed. Older backups
/// still open: their key is kept in the vault. What the old key opened stays readable in git's history, so change the
/// secrets themselves too.
#[derive(Debug, Args)]
pub struct RotateArgs {
    /// Give up this slot. Can be repeated.
    #[arg(long, value_name = "LABEL")]
    drop: Vec<String>,

    /// Give up all slots but the one that opens the vault.
    #[arg(long)]
    drop_others: bool,

    /// The file with the password or key of another slot. Can be repeated. Passwords that are not given so are asked for.
    #[arg(long, value_name = "LABEL=FILE", value_parser = label_and_file)]
    slot_file: Vec<(String, PathBuf)>,
}

pub fn run(args: RotateArgs, context: &Context<'_>) -> Result<()> {
    let vault = context.sealed()?;
    let (unlocked, credential) = context.unlock_and_keep(&vault, &context.sources)?;
    let opened_by = unlocked.slot().to_owned();
    let mut slots = vec![(opened_by.clone(), credential, kdf(&vault, &opened_by))];
    let mut missing = Vec::new();
    for slot in vault.slots().iter().filter(|slot| slot.label() != opened_by && !args.drops(slot)) {
        match args.credential(slot, &vault, context)? {
            Some(credential) => {
                slots.push((slot.label().to_owned(), credential, kdf(&vault, slot.label())));
            }
            None => missing.push(slot.label().to_owned()),
        }
    }
    if !missing.is_empty() {
        return Err(context.in_file(VaultError::SlotsNotOpened(missing)));
    }
    let mut file = context.open_with(vault, unlocked)?;
    file.update(|vault| vault.rotate(&slots)).map_err(|error| context.in_file(error))?;
    let count = file.open().names().count();
    context.ui.note(&format!("the vault key is new, and {count} secrets are sealed anew"));
    context.ui.note(
        "hint: Git's history still holds the old values under the old key: change the secrets themselves too.",
    );
    Ok(())
}

impl RotateArgs {
    fn drops(&self, slot: &Slot) -> bool {
        self.drop_others || self.drop.iter().any(|label| label == slot.label())
    }

    /// The password or key of another slot. `None`: it was not given, and nobody can be asked.
    fn credential(
        &self,
        slot: &Slot,
        vault: &Vault,
        context: &Context<'_>,
    ) -> Result<Option<Credential>> {
        let Some(sources) = self.sources(slot) else { return Ok(None) };
        let ask = crate::cli::unlock::ask(context.ui);
        match sources.unlock_and_keep(vault, &Limits::default(), &*ask) {
            Ok((_, credential)) => Ok(Some(credential)),
            Err(VaultError::NoSource) => Ok(None),
            Err(error) => Err(context.in_file(error)),
        }
    }

    /// Where another slot's password or key is. `None`: a key file that was not given.
    fn sources(&self, slot: &Slot) -> Option<Sources> {
        let given = self.slot_file.iter().find(|(label, _)| label == slot.label());
        let given = given.map(|(_, path)| path.clone());
        let sources = Sources { slot: Some(slot.label().to_owned()), ..Sources::default() };
        match slot.kind() {
            SlotKind::KeyFile => Some(Sources { key_file: Some(given?), ..sources }),
            SlotKind::Password { .. } if given.is_some() => {
                Some(Sources { password_file: given, ..sources })
            }
            SlotKind::Password { .. } => Some(Sources { ask: true, ..sources }),
        }
    }
}

fn label_and_file(text: &str) -> Result<(String, PathBuf), String> {
    let (label, path) = text.split_once('=').ok_or("it has to be LABEL=FILE")?;
    Ok((label.to_owned(), path.into()))
}

/// What the slot costs today, so that it costs the same tomorrow.
fn kdf(vault: &Vault, label: &str) -> Kdf {
    let slot = vault.slots().iter().find(|slot| slot.label() == label);
    match slot.map(Slot::kind) {
        Some(SlotKind::Password { kdf, .. }) => kdf,
        _ => Cost::Default.kdf(),
    }
}
