//! A vault as it lies in the file: names and slots can be seen, values cannot.

use super::credential::Credential;
use super::format::Document;
use super::kdf::Limits;
use super::key::VaultKey;
use super::open::OpenVault;
use super::slot::Slot;
use super::{RESERVED, VaultError};

/// A well-formed vault that nobody has opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vault {
    pub(super) document: Document,
}

impl Vault {
    /// Reads a file's content, and says what is wrong with it as far as that can be told without a password.
    ///
    /// # Errors
    /// The first group of [`VaultError`].
    pub fn parse(content: &[u8]) -> Result<Self, VaultError> {
        Document::parse(content).map(|document| Self { document })
    }

    /// The file's content: the same bytes that [`parse`](Self::parse) read.
    pub fn print(&self) -> String {
        self.document.print()
    }

    /// 32 hexadecimal digits, given at creation and kept for life.
    pub fn id(&self) -> String {
        super::crypto::hex(&self.document.id)
    }

    pub fn slots(&self) -> &[Slot] {
        &self.document.slots
    }

    /// The names of all secrets, sorted, without those that pirun keeps for itself.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.document.secrets.keys().map(String::as_str).filter(|name| !name.starts_with(RESERVED))
    }

    /// Names and sealed values, to be compared with those of another version of the same vault: a value that was not
    /// changed keeps its bytes. Sorted by name.
    pub fn sealed_values(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.document.secrets.iter().map(|(name, sealed)| (name.as_str(), sealed.as_slice()))
    }

    /// Tries the slots in their order; `slot` names the only one to try. Costs one key derivation a password slot.
    ///
    /// # Errors
    /// The second and third group of [`VaultError`], but nothing about values: see [`OpenVault::new`].
    pub fn unlock(
        &self,
        credential: &Credential,
        slot: Option<&str>,
        limits: &Limits,
    ) -> Result<Unlocked, VaultError> {
        let tried = self.slots_for(credential, slot)?;
        for slot in &tried {
            slot.check_cost(limits)?;
        }
        for slot in &tried {
            if let Some(root) = slot.open(&self.document.id, credential)? {
                return Ok(Unlocked { key: VaultKey::new(root), slot: slot.label().to_owned() });
            }
        }
        let tried = tried.iter().map(|slot| slot.label().to_owned()).collect();
        Err(VaultError::WrongCredential { what: credential.what().to_owned(), tried })
    }

    /// [Unlocks](Self::unlock) and verifies everything.
    ///
    /// # Errors
    /// The first three groups of [`VaultError`].
    pub fn open(self, credential: &Credential, limits: &Limits) -> Result<OpenVault, VaultError> {
        let unlocked = self.unlock(credential, None, limits)?;
        OpenVault::new(self, unlocked)
    }

    /// The names of all secrets that were altered, or moved here from elsewhere.
    pub fn altered(&self, unlocked: &Unlocked) -> Vec<String> {
        let Document { id, secrets, .. } = &self.document;
        let is_altered =
            |(name, sealed): &(&String, &Vec<u8>)| unlocked.key.open(id, name, sealed).is_err();
        secrets.iter().filter(is_altered).map(|(name, _)| name.clone()).collect()
    }

    fn slots_for(
        &self,
        credential: &Credential,
        label: Option<&str>,
    ) -> Result<Vec<&Slot>, VaultError> {
        let labels = || self.slots().iter().map(|slot| slot.label().to_owned()).collect();
        if let Some(label) = label
            && !self.slots().iter().any(|slot| slot.label() == label)
        {
            return Err(VaultError::NoSlot { label: label.to_owned(), labels: labels() });
        }
        let wanted = |slot: &&Slot| label.is_none_or(|label| slot.label() == label);
        let slots: Vec<_> =
            self.slots().iter().filter(wanted).filter(|slot| slot.takes(credential)).collect();
        if slots.is_empty() {
            return Err(VaultError::NoMatchingSlot { what: credential.what(), labels: labels() });
        }
        Ok(slots)
    }
}

/// The vault key, and the slot that gave it.
#[derive(Debug, Clone)]
pub struct Unlocked {
    pub(super) key: VaultKey,
    pub(super) slot: String,
}

impl Unlocked {
    pub fn key(&self) -> &VaultKey {
        &self.key
    }

    pub fn slot(&self) -> &str {
        &self.slot
    }
}

/// Eight hexadecimal digits that tell one sealed text from another, for diffs. They say nothing about the value.
pub fn fingerprint(sealed: &[u8]) -> String {
    super::crypto::hex(&super::crypto::blake2b(&[0; 32], &[b"fingerprint", sealed])[..4])
}
