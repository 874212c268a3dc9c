//! A vault whose key is known: values can be read and changed. Nothing here touches a file.

use std::collections::BTreeMap;

use super::credential::Credential;
use super::crypto::{self, Key};
use super::format::{Document, MAX_FILE, MAX_SLOTS, name_is_valid};
use super::kdf::Kdf;
use super::key::VaultKey;
use super::sealed::{Unlocked, Vault};
use super::secret::Secret;
use super::slot::Slot;
use super::value::SecretValue;
use super::{RESERVED, VaultError};

/// A vault that was opened and found genuine, or a new one.
#[derive(Debug, Clone)]
pub struct OpenVault {
    document: Document,
    key: VaultKey,
    /// Label of the slot that opened it.
    slot: String,
}

impl OpenVault {
    /// An empty vault with one slot.
    ///
    /// # Errors
    /// [`VaultError::BadName`] for the label; no random numbers; no memory.
    pub fn create(label: &str, credential: &Credential, kdf: Kdf) -> Result<Self, VaultError> {
        let (id, key) = (crypto::random()?, VaultKey::random()?);
        let slots = vec![Slot::new(&id, label, credential, kdf, key.root())?];
        let document = Document { id, slots, secrets: BTreeMap::new(), mac: [0; 32] };
        Ok(Self { document, key, slot: label.to_owned() })
    }

    /// Takes an unlocked vault after verifying every value and the set of them.
    ///
    /// # Errors
    /// [`VaultError::SecretAltered`], [`VaultError::SecretUnknown`], [`VaultError::SetChanged`].
    pub fn new(vault: Vault, unlocked: Unlocked) -> Result<Self, VaultError> {
        let open = Self::accept_set(vault, unlocked)?;
        match open.key.mac_is(&open.document.body(), &open.document.mac) {
            true => Ok(open),
            false => Err(VaultError::SetChanged),
        }
    }

    /// Like [`new`](Self::new), but takes a set that was changed without the password. Every value is still verified.
    ///
    /// # Errors
    /// [`VaultError::SecretAltered`], [`VaultError::SecretUnknown`].
    pub fn accept_set(vault: Vault, unlocked: Unlocked) -> Result<Self, VaultError> {
        let Unlocked { key, slot } = unlocked;
        let open = Self { document: vault.document, key, slot };
        for (name, sealed) in &open.document.secrets {
            open.key.open(&open.document.id, name, sealed)?;
        }
        Ok(open)
    }

    /// Takes a newer version of this vault, whose key is known already: no password, no key derivation.
    ///
    /// # Errors
    /// [`VaultError::RotatedMeanwhile`] if it is not sealed with this key, and those of [`new`](Self::new).
    pub(super) fn renew(&mut self, vault: Vault) -> Result<(), VaultError> {
        let genuine = vault.document.id == self.document.id
            && self.key.mac_is(&vault.document.body(), &vault.document.mac);
        if !genuine {
            return Err(VaultError::RotatedMeanwhile);
        }
        self.document = vault.document;
        Ok(())
    }

    /// Takes over merged slots and sealed values.
    pub(super) fn take(&mut self, slots: Vec<Slot>, secrets: BTreeMap<String, Vec<u8>>) {
        self.document.slots = slots;
        self.document.secrets = secrets;
    }

    /// The file's content, with a MAC over what is in it now.
    ///
    /// # Errors
    /// [`VaultError::TooLarge`]
    pub fn print(&mut self) -> Result<String, VaultError> {
        self.document.mac = self.key.mac(&self.document.body());
        let text = self.document.print();
        match text.len() {
            0..=MAX_FILE => Ok(text),
            bytes => Err(VaultError::TooLarge { bytes }),
        }
    }

    /// The vault as it would be written.
    ///
    /// # Errors
    /// [`VaultError::TooLarge`]
    pub fn seal(&mut self) -> Result<Vault, VaultError> {
        self.print()?;
        Ok(Vault { document: self.document.clone() })
    }

    pub fn id(&self) -> String {
        crypto::hex(&self.document.id)
    }

    /// Tells this version of the vault from every other.
    pub(super) fn mac(&self) -> &[u8; 32] {
        &self.document.mac
    }

    pub fn key(&self) -> &VaultKey {
        &self.key
    }

    /// Label of the slot that opened the vault.
    pub fn opened_by(&self) -> &str {
        &self.slot
    }

    /// The vault without its secrets: for the header of a backup, which its password opens too.
    pub fn ways_in(&self) -> Vault {
        let (id, slots) = (self.document.id, self.document.slots.clone());
        Vault { document: Document { id, slots, secrets: BTreeMap::new(), mac: [0; 32] } }
    }

    pub fn slots(&self) -> &[Slot] {
        &self.document.slots
    }

    /// The names of all secrets, sorted, without those that pirun keeps for itself.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.document.secrets.keys().map(String::as_str).filter(|name| !name.starts_with(RESERVED))
    }

    pub fn contains(&self, name: &str) -> bool {
        self.document.secrets.contains_key(name)
    }

    /// # Errors
    /// [`VaultError::NoSecret`]
    pub fn get(&self, name: &str) -> Result<Secret, VaultError> {
        let sealed = self.document.secrets.get(name).ok_or_else(|| self.no_secret(name))?;
        let value = self.key.open(&self.document.id, name, sealed)?;
        Ok(Secret::new(name, value))
    }

    /// Sets a secret, and says whether that changed anything: an equal value keeps its sealed bytes, so that git shows
    /// what really changed.
    ///
    /// # Errors
    /// [`VaultError::BadName`], [`VaultError::ReservedName`].
    pub fn set(&mut self, name: &str, value: &SecretValue) -> Result<bool, VaultError> {
        check_name(name)?;
        if self.contains(name) && self.get(name)?.value() == value {
            return Ok(false);
        }
        let sealed = self.key.seal(&self.document.id, name, value)?;
        self.document.secrets.insert(name.to_owned(), sealed);
        Ok(true)
    }

    /// # Errors
    /// [`VaultError::NoSecret`]
    pub fn remove(&mut self, name: &str) -> Result<(), VaultError> {
        match self.document.secrets.remove(name) {
            Some(_) => Ok(()),
            None => Err(self.no_secret(name)),
        }
    }

    /// # Errors
    /// [`VaultError::NoSecret`], [`VaultError::SecretExists`] and those of [`set`](Self::set).
    pub fn rename(&mut self, old: &str, new: &str) -> Result<(), VaultError> {
        let secret = self.get(old)?;
        if self.contains(new) {
            return Err(VaultError::SecretExists(new.to_owned()));
        }
        self.set(new, secret.value())?;
        self.remove(old)
    }

    /// Adds a way in.
    ///
    /// # Errors
    /// [`VaultError::SlotExists`], [`VaultError::TooManySlots`], [`VaultError::BadName`].
    pub fn add_slot(
        &mut self,
        label: &str,
        credential: &Credential,
        kdf: Kdf,
    ) -> Result<(), VaultError> {
        if self.slots().iter().any(|slot| slot.label() == label) {
            return Err(VaultError::SlotExists(label.to_owned()));
        }
        if self.slots().len() == MAX_SLOTS {
            return Err(VaultError::TooManySlots);
        }
        let slot = Slot::new(&self.document.id, label, credential, kdf, self.key.root())?;
        self.document.slots.push(slot);
        Ok(())
    }

    /// Changes what opens a slot. The secrets are not touched.
    ///
    /// # Errors
    /// [`VaultError::NoSlot`]
    pub fn replace_slot(
        &mut self,
        label: &str,
        credential: &Credential,
        kdf: Kdf,
    ) -> Result<(), VaultError> {
        let index = self.slot_index(label)?;
        self.document.slots[index] =
            Slot::new(&self.document.id, label, credential, kdf, self.key.root())?;
        Ok(())
    }

    /// Removes a way in. That is no revocation: whoever could open the vault knows its key.
    ///
    /// # Errors
    /// [`VaultError::NoSlot`], [`VaultError::LastSlot`].
    pub fn remove_slot(&mut self, label: &str) -> Result<(), VaultError> {
        let index = self.slot_index(label)?;
        if self.slots().len() == 1 {
            return Err(VaultError::LastSlot(label.to_owned()));
        }
        self.document.slots.remove(index);
        Ok(())
    }

    /// Makes a new vault key, seals every value again, and keeps the old key as a secret, so that older backups open.
    ///
    /// `slots` are the ways in to the new key, in their order: label, credential, cost.
    ///
    /// # Errors
    /// No slots, bad labels, no random numbers.
    pub fn rotate(&mut self, slots: &[(String, Credential, Kdf)]) -> Result<(), VaultError> {
        let mut next = Self {
            document: Document {
                slots: Vec::new(),
                secrets: BTreeMap::new(),
                ..self.document.clone()
            },
            key: VaultKey::random()?,
            slot: slots.first().map(|(label, ..)| label.clone()).unwrap_or_default(),
        };
        for (label, credential, kdf) in slots {
            next.add_slot(label, credential, *kdf)?;
        }
        if next.slots().is_empty() {
            return Err(VaultError::LastSlot(self.slot.clone()));
        }
        let old_key = SecretValue::bytes(&self.key.root()[..]);
        next.seal_as(&format!("{RESERVED}{}", self.key.id()), &old_key)?;
        for name in self.document.secrets.keys() {
            next.seal_as(name, self.get(name)?.value())?;
        }
        *self = next;
        Ok(())
    }

    /// The key whose [id](VaultKey::id) is `key_id`: today's, or one from before a rotation.
    pub fn key_of(&self, key_id: &str) -> Option<VaultKey> {
        if self.key.id() == key_id {
            return Some(VaultKey::new(self.key.root().clone()));
        }
        let kept = self.get(&format!("{RESERVED}{key_id}")).ok()?;
        let root: [u8; 32] = kept.expose_bytes().try_into().ok()?;
        Some(VaultKey::new(Key::new(root)))
    }

    fn seal_as(&mut self, name: &str, value: &SecretValue) -> Result<(), VaultError> {
        let sealed = self.key.seal(&self.document.id, name, value)?;
        self.document.secrets.insert(name.to_owned(), sealed);
        Ok(())
    }

    fn slot_index(&self, label: &str) -> Result<usize, VaultError> {
        let labels = || self.slots().iter().map(|slot| slot.label().to_owned()).collect();
        self.slots()
            .iter()
            .position(|slot| slot.label() == label)
            .ok_or_else(|| VaultError::NoSlot { label: label.to_owned(), labels: labels() })
    }

    fn no_secret(&self, name: &str) -> VaultError {
        VaultError::NoSecret {
            name: name.to_owned(),
            names: self.names().map(String::from).collect(),
        }
    }
}

fn check_name(name: &str) -> Result<(), VaultError> {
    if !name_is_valid(name) {
        return Err(VaultError::BadName(name.to_owned()));
    }
    match name.starts_with(RESERVED) {
        true => Err(VaultError::ReservedName(name.to_owned())),
        false => Ok(()),
    }
}
