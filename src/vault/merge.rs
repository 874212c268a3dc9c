//! A three-way merge of vaults, secret by secret.

use std::collections::{BTreeMap, BTreeSet};

use super::VaultError;
use super::open::OpenVault;
use super::sealed::{Unlocked, Vault};
use super::slot::Slot;

/// Which side wins where both changed the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prefer {
    Ours,
    Theirs,
    /// Neither: it is a conflict.
    Neither,
}

/// Merges what `theirs` changed since `base` into `ours`.
///
/// All three have to be versions of one vault under one key, and genuine. Without a base, whatever differs is a conflict.
///
/// # Errors
/// [`VaultError::MergeConflict`] names what both sides changed; [`VaultError::MergeOtherKey`]; those of [`OpenVault::new`].
pub fn merge(
    base: Option<&Vault>,
    ours: &Vault,
    theirs: &Vault,
    unlocked: Unlocked,
    prefer: Prefer,
) -> Result<OpenVault, VaultError> {
    let mut merged = OpenVault::new(ours.clone(), unlocked.clone())?;
    let genuine = |vault: &Vault| merged.clone().renew(vault.clone()).is_ok();
    if !genuine(theirs) || !base.is_none_or(genuine) {
        return Err(VaultError::MergeOtherKey);
    }
    let theirs_open = OpenVault::new(theirs.clone(), unlocked)?;
    let same_value = |name: &str| {
        let values = (merged.get(name), theirs_open.get(name));
        matches!(values, (Ok(ours), Ok(theirs)) if ours == theirs)
    };

    let empty = BTreeMap::new();
    let secrets = three_way(
        base.map_or(&empty, |base| &base.document.secrets),
        &ours.document.secrets,
        &theirs.document.secrets,
        same_value,
        prefer,
    );
    let base_slots = base.map(slots_by_label).unwrap_or_default();
    let slots =
        three_way(&base_slots, &slots_by_label(ours), &slots_by_label(theirs), |_| false, prefer);
    match (secrets, slots) {
        (Ok(secrets), Ok(slots)) if !slots.is_empty() => {
            let slots = in_order(slots, ours, theirs);
            merged.take(slots, secrets);
            Ok(merged)
        }
        (secrets, slots) => {
            let names = secrets.err().unwrap_or_default();
            let labels =
                slots.err().unwrap_or_default().into_iter().map(|label| format!("slot {label}"));
            Err(VaultError::MergeConflict(names.into_iter().chain(labels).collect()))
        }
    }
}

fn slots_by_label(vault: &Vault) -> BTreeMap<String, Slot> {
    vault.slots().iter().map(|slot| (slot.label().to_owned(), slot.clone())).collect()
}

/// Our order first, then what they added.
fn in_order(mut slots: BTreeMap<String, Slot>, ours: &Vault, theirs: &Vault) -> Vec<Slot> {
    let labels = ours.slots().iter().chain(theirs.slots()).map(Slot::label);
    labels.filter_map(|label| slots.remove(label)).collect()
}

/// The merged map, or the keys of the conflicts.
fn three_way<T: Clone + PartialEq>(
    base: &BTreeMap<String, T>,
    ours: &BTreeMap<String, T>,
    theirs: &BTreeMap<String, T>,
    same: impl Fn(&str) -> bool,
    prefer: Prefer,
) -> Result<BTreeMap<String, T>, Vec<String>> {
    let keys: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    let (mut merged, mut conflicts) = (BTreeMap::new(), Vec::new());
    for key in keys {
        let (base, our, their) = (base.get(key), ours.get(key), theirs.get(key));
        let winner = match prefer {
            _ if our == their || their == base || same(key) => our,
            _ if our == base => their,
            Prefer::Ours => our,
            Prefer::Theirs => their,
            Prefer::Neither => {
                conflicts.push(key.clone());
                our
            }
        };
        if let Some(winner) = winner {
            merged.insert(key.clone(), winner.clone());
        }
    }
    if conflicts.is_empty() { Ok(merged) } else { Err(conflicts) }
}
