//! The SSH host key that a card is given, so that the first contact needs no trust in the network.

use ssh_key::private::{Ed25519Keypair, Ed25519PrivateKey, KeypairData};
use ssh_key::{LineEnding, PrivateKey};
use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// An Ed25519 key pair.
#[derive(Clone)]
pub struct HostKey(PrivateKey);

impl HostKey {
    /// A new key, called `root@HOST` as `ssh-keygen -A` does on a node.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn generate(host: &str) -> Result<Self> {
        let mut seed = Zeroizing::new([0; Ed25519PrivateKey::BYTE_SIZE]);
        getrandom::fill(&mut *seed)
            .map_err(|error| Error::bug(format!("no random numbers: {error}")))?;
        let pair = Ed25519Keypair::from_seed(&seed);
        PrivateKey::new(KeypairData::Ed25519(pair), format!("root@{host}"))
            .map(Self)
            .map_err(|error| Error::bug(error.to_string()))
    }

    /// Reads what [`HostKey::openssh`] gave.
    ///
    /// # Errors
    /// When it is no Ed25519 key without a passphrase.
    pub fn parse(text: &str) -> Result<Self, String> {
        let key = PrivateKey::from_openssh(text).map_err(|error| error.to_string())?;
        match key.key_data() {
            KeypairData::Ed25519(_) => Ok(Self(key)),
            KeypairData::Encrypted(_) => Err("it has a passphrase".into()),
            _ => Err("it is no Ed25519 key".into()),
        }
    }

    /// The private key as OpenSSH keeps it.
    ///
    /// # Errors
    /// None that can happen.
    pub fn openssh(&self) -> Result<Zeroizing<String>> {
        self.0.to_openssh(LineEnding::LF).map_err(|error| Error::bug(error.to_string()))
    }

    /// The private key as dropbear keeps it: the name of the algorithm, then seed and public key, each with its length
    /// before it (dropbear, `ed25519.c: buf_put_ed25519_priv_key`).
    pub fn dropbear(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(83));
        let mut put = |field: &[&[u8]]| {
            let len: usize = field.iter().map(|part| part.len()).sum();
            bytes.extend_from_slice(&u32::try_from(len).unwrap_or(0).to_be_bytes());
            field.iter().for_each(|part| bytes.extend_from_slice(part));
        };
        put(&[b"ssh-ed25519"]);
        if let KeypairData::Ed25519(pair) = self.0.key_data() {
            put(&[pair.private.as_ref(), pair.public.as_ref()]);
        }
        bytes
    }

    /// Algorithm and public key, as in a line of `known_hosts` behind the name.
    pub fn public(&self) -> String {
        let line = self.0.public_key().to_openssh().unwrap_or_default();
        let words: Vec<&str> = line.split(' ').take(2).collect();
        words.join(" ")
    }

    /// `SHA256:…`
    pub fn fingerprint(&self) -> String {
        self.0.fingerprint(ssh_key::HashAlg::Sha256).to_string()
    }
}

impl std::fmt::Debug for HostKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HostKey({})", self.fingerprint())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survives_being_kept_as_text() {
        let key = HostKey::generate("rpi41").unwrap();
        let again = HostKey::parse(&key.openssh().unwrap()).unwrap();
        assert_eq!((again.public(), again.dropbear()), (key.public(), key.dropbear()));
        assert_ne!(HostKey::generate("rpi41").unwrap().public(), key.public());
        assert!(!format!("{key:?}").contains(&*key.openssh().unwrap()));
    }

    #[test]
    fn refuses_what_is_no_key() {
        assert!(HostKey::parse("raspberry").is_err());
    }
}
