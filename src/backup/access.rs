//! Opens backups with the project's vault: with its keys, today's and those from before rotations, or with the password
//! alone.

use std::io::Read;

use super::container::{Container, ContainerError, Reader};
use crate::error::Result;
use crate::vault::ProjectVault;

/// Opens a backup: by the vault's key that it was sealed under, or else by its own slots, with the password of this run.
///
/// # Errors
/// It is no backup, it is damaged, or neither opens it.
pub fn open<R: Read>(source: R, vault: &ProjectVault) -> Result<Reader<R>> {
    let container = Container::read(source)?;
    let is_known = vault.path().exists()
        && vault.with(|vault| {
            Ok(vault.id() == container.vault_id() && vault.key_of(container.key_id()).is_some())
        })?;
    match is_known {
        true => vault.with(|vault| Ok(container.open_with(vault)?)),
        false => by_password(container, vault),
    }
}

/// Opens a backup by its own slots only: as it will be opened where the vault is lost.
///
/// # Errors
/// As [`open`].
pub fn open_by_password<R: Read>(source: R, vault: &ProjectVault) -> Result<Reader<R>> {
    by_password(Container::read(source)?, vault)
}

fn by_password<R: Read>(container: Container<R>, vault: &ProjectVault) -> Result<Reader<R>> {
    let unlocked = vault.unlock_slots(container.ways_in())?;
    Ok(container.open_unlocked(&unlocked)?)
}

/// The id of the vault that a backup belongs to, out of its first bytes.
///
/// # Errors
/// It is no backup, or its header is damaged.
pub fn vault_id(begin: &[u8]) -> Result<String, ContainerError> {
    Container::read(begin).map(|container| container.vault_id())
}
