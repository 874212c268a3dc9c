//! Applies a [policy](super::retention) to one node's backups in a store.

use super::access;
use super::make::HEADER;
use super::retention::{self, Backup, Policy, Verdict};
use super::store::Store;
use crate::error::Result;

/// What happens to each backup of `node`, newest first. One that cannot be read as a backup, or belongs to another vault
/// than `vault`, stays.
///
/// # Errors
/// The store cannot be read.
pub fn plan(
    store: &Store,
    node: &str,
    vault: &str,
    policy: &Policy,
) -> Result<Vec<(Backup, Verdict)>> {
    let mut backups = Vec::new();
    for stored in store.list(Some(node))? {
        let begin = store.read_begin(&stored.name, HEADER)?;
        backups.push(Backup {
            own: access::vault_id(&begin).is_ok_and(|id| id == vault),
            taken: stored.taken,
            verified: stored.is_verified,
            pinned: stored.is_pinned,
            name: stored.name,
        });
    }
    Ok(retention::plan(backups, policy))
}

/// Removes what the plan says, and gives the names.
///
/// # Errors
/// One cannot be removed; the others before it are.
pub fn apply<'a>(store: &Store, plan: &'a [(Backup, Verdict)]) -> Result<Vec<&'a str>> {
    let removed = plan.iter().filter(|(_, verdict)| *verdict == Verdict::Remove);
    removed.map(|(backup, _)| store.remove(&backup.name).map(|()| &*backup.name)).collect()
}
