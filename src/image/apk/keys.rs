//! The public keys that may have signed packages and indexes.

use std::collections::BTreeMap;
use std::fmt;

use rsa::PublicKey;
use rsa::pkcs8::DecodePublicKey as _;
use rust_embed::Embed;

use crate::error::{Error, ErrorKind, Result};

/// Public keys by file name: a signature names the file of its key.
#[derive(Clone, Default)]
pub struct Keys(BTreeMap<String, PublicKey>);

/// Alpine's own keys, one directory an architecture, as its package `alpine-keys` of release 3.23 has them.
#[derive(Embed)]
#[folder = "src/image/apk/keys"]
struct Pinned;

impl Keys {
    /// Alpine's own keys for packages of `arch`.
    ///
    /// # Errors
    /// When pirun has none for that architecture.
    pub fn alpine(arch: &str) -> Result<Self> {
        let mut keys = Self::default();
        for path in Pinned::iter() {
            let Some((_, name)) = path.split_once('/').filter(|(dir, _)| *dir == arch) else {
                continue;
            };
            if let Some(file) = Pinned::get(&path) {
                keys.add(name, &String::from_utf8_lossy(&file.data))?;
            }
        }
        if keys.0.is_empty() {
            return Err(Error::new(
                ErrorKind::Image,
                format!("pirun has no keys of Alpine's for the architecture `{arch}`"),
            )
            .hint("It has those for aarch64, armv7, armhf and x86_64."));
        }
        Ok(keys)
    }

    /// Trusts one more key: a PEM text, and the file name that signatures call it by.
    ///
    /// # Errors
    /// When the text is not an RSA public key.
    pub fn add(&mut self, name: &str, pem: &str) -> Result<()> {
        let key = PublicKey::from_public_key_pem(pem.trim()).map_err(|_| {
            Error::new(ErrorKind::Image, format!("{name} is not an RSA public key"))
                .hint("Alpine's keys begin with `-----BEGIN PUBLIC KEY-----`.")
        })?;
        self.0.insert(name.to_owned(), key);
        Ok(())
    }

    /// The key of that file name.
    pub(super) fn get(&self, name: &str) -> Option<&PublicKey> {
        self.0.get(name)
    }

    /// The file names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alpines_keys_can_be_read() {
        let count = |arch| Keys::alpine(arch).unwrap().names().count();
        assert_eq!(["aarch64", "armv7", "armhf", "x86_64"].map(count), [2, 2, 2, 3]);
        insta::assert_snapshot!(Keys::alpine("mips").unwrap_err().message(), @"pirun has no keys of Alpine's for the architecture `mips`");
    }

    #[test]
    fn refuses_what_is_not_a_public_key() {
        let error = Keys::default().add("me.rsa.pub", "ssh-ed25519 AAAA").unwrap_err();
        insta::assert_snapshot!(error.message(), @"me.rsa.pub is not an RSA public key");
    }
}
