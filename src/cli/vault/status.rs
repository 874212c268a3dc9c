use clap::Args;

use super::context::Context;
use super::git;
use crate::error::Result;
use crate::vault::{Slot, SlotKind};

/// Shows what can be told about the vault without a password.
#[derive(Debug, Args)]
pub struct StatusArgs {}

pub fn run(_: StatusArgs, context: &Context<'_>) -> Result<()> {
    let vault = context.sealed()?;
    let ui = context.ui;
    ui.out(&format!("{}  version 1, id {}", context.path.display(), vault.id()));
    ui.out(&format!("secrets   {}", vault.names().count()));
    let width = vault.slots().iter().map(|slot| slot.label().len()).max().unwrap_or(0);
    for slot in vault.slots() {
        ui.out(&format!("slot      {:width$}  {}", slot.label(), opened_by(slot)));
    }
    ui.out(&format!("git       {}", git::state(&context.path)));
    if let [only] = vault.slots() {
        ui.note(&format!(
            "warning: `{}` is the only slot; whoever loses it loses the secrets",
            only.label()
        ));
        ui.note("hint: Add another: `pirun vault passwd add recovery --words`.");
    }
    Ok(())
}

fn opened_by(slot: &Slot) -> String {
    match slot.kind() {
        SlotKind::KeyFile => "key file".to_owned(),
        SlotKind::Password { kdf, .. } => {
            format!("password, Argon2id with {kdf}")
        }
    }
}
