//! The vault key and what is derived from it.

use std::fmt;

use super::VaultError;
use super::crypto::{self, Key};
use super::value::SecretValue;

/// The random key behind all slots, with its subkeys.
#[derive(Clone)]
pub struct VaultKey {
    root: Key,
    secret: Key,
    mac: Key,
}

impl VaultKey {
    pub(super) fn random() -> Result<Self, VaultError> {
        Ok(Self::new(Key::new(crypto::random()?)))
    }

    pub(super) fn new(root: Key) -> Self {
        let secret = crypto::blake2b(&root, &[b"pirun-vault/1 secret"]);
        let mac = crypto::blake2b(&root, &[b"pirun-vault/1 mac"]);
        Self { root, secret, mac }
    }

    pub(super) fn root(&self) -> &Key {
        &self.root
    }

    /// 16 hexadecimal digits that name this key and say nothing about it.
    pub fn id(&self) -> String {
        crypto::hex(&crypto::blake2b(&self.root, &[b"pirun-vault/1 key id"])[..8])
    }

    /// The key from which backups derive theirs.
    pub fn backup_key(&self) -> Key {
        crypto::blake2b(&self.root, &[b"pirun-vault/1 backup"])
    }

    pub(super) fn mac(&self, body: &str) -> [u8; 32] {
        *crypto::blake2b(&self.mac, &[body.as_bytes()])
    }

    pub(super) fn mac_is(&self, body: &str, mac: &[u8; 32]) -> bool {
        crypto::blake2b_is(&self.mac, &[body.as_bytes()], mac)
    }

    pub(super) fn seal(
        &self,
        id: &[u8; 16],
        name: &str,
        value: &SecretValue,
    ) -> Result<Vec<u8>, VaultError> {
        crypto::seal(&self.secret, &value.encode(), &aad(id, name))
    }

    pub(super) fn open(
        &self,
        id: &[u8; 16],
        name: &str,
        sealed: &[u8],
    ) -> Result<SecretValue, VaultError> {
        let plain = crypto::open(&self.secret, sealed, &aad(id, name))
            .ok_or_else(|| VaultError::SecretAltered(name.to_owned()))?;
        SecretValue::decode(&plain).ok_or_else(|| VaultError::SecretUnknown(name.to_owned()))
    }
}

/// Binds a value to its name and its vault.
fn aad(id: &[u8; 16], name: &str) -> Vec<u8> {
    [b"pirun-vault/1\0secret\0", &id[..], name.as_bytes()].concat()
}

impl fmt::Debug for VaultKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<vault key {}>", self.id())
    }
}
