//! One way into the vault: a password or a key file that unwraps the vault key.

use base64::Engine as _;
use zeroize::Zeroizing;

use super::crypto::{self, Key, NONCE, TAG};
use super::format::{BASE64, label_is_valid};
use super::kdf::{Kdf, Limits};
use super::{Credential, VaultError};

/// Nonce, sealed vault key, tag.
const WRAP: usize = NONCE + 32 + TAG;

/// A `slot` line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    label: String,
    kind: SlotKind,
    /// Commits to the key that encrypts: tells a wrong password from a right one.
    check: [u8; 32],
    /// The vault key, sealed.
    wrap: [u8; WRAP],
}

/// What opens a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotKind {
    Password {
        kdf: Kdf,
        salt: [u8; 16],
    },
    /// 32 random bytes in a file. They need no slow derivation.
    KeyFile,
}

impl Slot {
    /// A new slot for `vault_key` in the vault `id`.
    pub(super) fn new(
        id: &[u8; 16],
        label: &str,
        credential: &Credential,
        kdf: Kdf,
        vault_key: &Key,
    ) -> Result<Self, VaultError> {
        if !label_is_valid(label) {
            return Err(VaultError::BadName(label.to_owned()));
        }
        let kind = match credential {
            Credential::Password(_) => SlotKind::Password { kdf, salt: crypto::random()? },
            Credential::KeyFile(_) => SlotKind::KeyFile,
        };
        let mut slot = Self { label: label.to_owned(), kind, check: [0; 32], wrap: [0; WRAP] };
        let Some(key) = slot.key(credential)? else {
            return Err(VaultError::KdfInvalid { slot: label.to_owned() });
        };
        slot.check = *crypto::blake2b(&key, &[CHECK]);
        let sealed = crypto::seal(&wrapping_key(&key), &vault_key[..], &slot.aad(id))?;
        slot.wrap.copy_from_slice(&sealed);
        Ok(slot)
    }

    pub fn label(&self) -> &str {
        &self.label
    }

    pub fn kind(&self) -> SlotKind {
        self.kind
    }

    /// Whether this kind of slot can be tried with `credential`.
    pub(super) fn takes(&self, credential: &Credential) -> bool {
        matches!(
            (self.kind, credential),
            (SlotKind::Password { .. }, Credential::Password(_))
                | (SlotKind::KeyFile, Credential::KeyFile(_))
        )
    }

    pub(super) fn check_cost(&self, limits: &Limits) -> Result<(), VaultError> {
        match self.kind {
            SlotKind::Password { kdf, .. } => kdf.check(&self.label, limits),
            SlotKind::KeyFile => Ok(()),
        }
    }

    /// The vault key. `None`: this credential is not for this slot.
    pub(super) fn open(
        &self,
        id: &[u8; 16],
        credential: &Credential,
    ) -> Result<Option<Key>, VaultError> {
        let Some(key) = self.key(credential)? else { return Ok(None) };
        if !crypto::blake2b_is(&key, &[CHECK], &self.check) {
            return Ok(None);
        }
        let altered = || VaultError::SlotAltered(self.label.clone());
        let plain =
            crypto::open(&wrapping_key(&key), &self.wrap, &self.aad(id)).ok_or_else(altered)?;
        let mut vault_key = Zeroizing::new([0; 32]);
        vault_key.copy_from_slice(&plain);
        Ok(Some(vault_key))
    }

    /// The key that encrypts the vault key.
    fn key(&self, credential: &Credential) -> Result<Option<Key>, VaultError> {
        match (self.kind, credential) {
            (SlotKind::Password { kdf, salt }, Credential::Password(password)) => {
                kdf.derive(password.expose(), &salt).map(Some)
            }
            (SlotKind::KeyFile, Credential::KeyFile(key)) => {
                Ok(Some(crypto::blake2b(key, &[b"pirun-vault/1 keyfile"])))
            }
            _ => Ok(None),
        }
    }

    /// Binds the wrapped key to this vault and to the cost that is written in the line.
    fn aad(&self, id: &[u8; 16]) -> Vec<u8> {
        [b"pirun-vault/1\0slot\0", &id[..], self.head().as_bytes()].concat()
    }

    fn head(&self) -> String {
        let label = &self.label;
        match self.kind {
            SlotKind::Password { kdf: Kdf { memory, passes, lanes }, salt } => {
                let salt = BASE64.encode(salt);
                format!("slot {label} argon2id m={memory} t={passes} p={lanes} salt={salt}")
            }
            SlotKind::KeyFile => format!("slot {label} keyfile"),
        }
    }

    /// The line, without its line end.
    pub fn print(&self) -> String {
        let (check, wrap) = (BASE64.encode(self.check), BASE64.encode(self.wrap));
        let line = format!("{} check={check} wrap={wrap}", self.head());
        let sum = sum(&line);
        format!("{line} sum={sum}")
    }

    /// Reads a line. The error says what is wrong with it.
    pub fn parse(line: &str) -> Result<Self, &'static str> {
        let (summed, written) = line.rsplit_once(" sum=").ok_or("the slot has no sum")?;
        if sum(summed) != written {
            return Err("the slot's sum does not fit");
        }
        let words: Vec<&str> = summed.split(' ').collect();
        let (label, kind, rest) = match words[..] {
            ["slot", label, "argon2id", memory, passes, lanes, salt, ref rest @ ..] => {
                let kdf = Kdf {
                    memory: number(memory, "m=")?,
                    passes: number(passes, "t=")?,
                    lanes: number(lanes, "p=")?,
                };
                (label, SlotKind::Password { kdf, salt: array(salt, "salt=")? }, rest)
            }
            ["slot", label, "keyfile", ref rest @ ..] => (label, SlotKind::KeyFile, rest),
            _ => return Err("the slot is of an unknown kind"),
        };
        let [check, wrap] = *rest else { return Err("the slot has other fields than expected") };
        if !label_is_valid(label) {
            return Err("the slot's label is none");
        }
        let (check, wrap) = (array(check, "check=")?, array(wrap, "wrap=")?);
        Ok(Self { label: label.to_owned(), kind, check, wrap })
    }
}

const CHECK: &[u8] = b"pirun-vault/1 check";

fn wrapping_key(key: &Key) -> Key {
    crypto::blake2b(key, &[b"pirun-vault/1 wrap"])
}

/// Unkeyed, so it defends against nobody: it tells a damaged line from a wrong password.
fn sum(line: &str) -> String {
    crypto::hex(&crypto::blake2b(&[0; 32], &[b"sum", line.as_bytes()])[..4])
}

fn number(word: &str, name: &str) -> Result<u32, &'static str> {
    word.strip_prefix(name)
        .and_then(|digits| digits.parse().ok())
        .ok_or("the slot's cost is not written as numbers")
}

fn array<const N: usize>(word: &str, name: &str) -> Result<[u8; N], &'static str> {
    word.strip_prefix(name)
        .and_then(|text| BASE64.decode(text).ok())
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or("a field of the slot is not base64 of the right length")
}
