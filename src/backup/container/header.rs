//! The text at the beginning of a container: who can open it, and its sealed key.

use std::io::{BufRead, Read as _};

use base64::Engine as _;
use zeroize::Zeroizing;

use super::ContainerError;
use crate::vault::crypto::{self, Key, NONCE, TAG};
use crate::vault::{BASE64, OpenVault, Vault, VaultError, VaultKey};

const MAGIC: &str = "pirun-backup";
const VERSION: &str = "1";
/// Bytes of a whole header: sixteen slots with the longest labels are below half of it.
const MAX_HEADER: usize = 16 << 10;
const SALT: usize = 32;
const WRAPPED: usize = NONCE + 32 + TAG;

/// What one container is sealed with: random, and never in two files.
pub struct FileKey {
    key: Key,
    /// Public, and for life: binds the wrapped key to its file, and the chunks to it.
    salt: [u8; SALT],
}

impl FileKey {
    pub fn random() -> Result<Self, ContainerError> {
        Ok(Self { key: Zeroizing::new(crypto::random()?), salt: crypto::random()? })
    }

    /// The key of the chunks.
    pub fn chunks(&self) -> Key {
        crypto::blake2b(&self.key, &[b"pirun-backup/1 chunks", &self.salt])
    }

    fn header(&self) -> Key {
        crypto::blake2b(&self.key, &[b"pirun-backup/1 header"])
    }
}

/// A header that is well formed. Whether it is genuine, only the key can tell.
pub struct Header {
    /// The vault's id and slots, without any secret.
    ways_in: Vault,
    key_id: String,
    wrapped: [u8; WRAPPED],
    salt: [u8; SALT],
    mac: [u8; 32],
}

impl Header {
    /// A header for `file_key` with the slots and the key that `vault` has now.
    pub fn new(vault: &OpenVault, file_key: &FileKey) -> Result<Self, ContainerError> {
        let sealed = crypto::seal(&wrapping(vault.key()), &file_key.key[..], &aad(&file_key.salt))?;
        let wrapped = sealed.try_into().expect("a sealed key has one length");
        let mut header = Self {
            ways_in: vault.ways_in(),
            key_id: vault.key().id(),
            wrapped,
            salt: file_key.salt,
            mac: [0; 32],
        };
        header.mac = *crypto::blake2b(&file_key.header(), &[header.body().as_bytes()]);
        Ok(header)
    }

    pub fn ways_in(&self) -> &Vault {
        &self.ways_in
    }

    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The container's key, if `key` is the vault's and nothing was altered.
    pub fn file_key(&self, key: &VaultKey) -> Result<FileKey, ContainerError> {
        let altered = || ContainerError::HeaderAltered;
        let plain =
            crypto::open(&wrapping(key), &self.wrapped, &aad(&self.salt)).ok_or_else(altered)?;
        let mut file_key = FileKey { key: Zeroizing::new([0; 32]), salt: self.salt };
        file_key.key.copy_from_slice(&plain);
        let genuine = crypto::blake2b_is(&file_key.header(), &[self.body().as_bytes()], &self.mac);
        genuine.then_some(file_key).ok_or_else(altered)
    }

    /// Reads up to the line of the MAC, which is the last.
    pub fn read(mut source: impl BufRead) -> Result<Self, ContainerError> {
        let mut text = Vec::new();
        loop {
            let start = text.len();
            let limit = (MAX_HEADER - start) as u64 + 1;
            let read = source.by_ref().take(limit).read_until(b'\n', &mut text)?;
            check_magic(&text)?;
            if text.len() > MAX_HEADER {
                return Err(ContainerError::Damaged { line: 1, why: "it has no end" });
            }
            if read == 0 || !text.ends_with(b"\n") {
                return Err(ContainerError::CutInHeader);
            }
            if text[start..].starts_with(b"mac ") {
                return Self::parse(&text);
            }
        }
    }

    fn parse(bytes: &[u8]) -> Result<Self, ContainerError> {
        let damaged = |line, why| ContainerError::Damaged { line, why };
        let text = std::str::from_utf8(bytes).map_err(|_| damaged(1, "it is no text"))?;
        let lines: Vec<&str> = text.lines().collect();
        let [_, ways_in @ .., key, wrapped, salt, mac] = &lines[..] else {
            return Err(damaged(1, "lines are missing"));
        };
        // The vault's parser checks the slots, and counts lines from the same first one.
        let zeros = BASE64.encode([0; 32]);
        let ways_in = format!("pirun-vault 1\n{}\nmac {zeros}\n", ways_in.join("\n"));
        let ways_in = Vault::parse(ways_in.as_bytes()).map_err(|error| match error {
            VaultError::Damaged { line, why } => damaged(line, why),
            other => other.into(),
        })?;
        let at = |from_end: usize| lines.len() - from_end;
        let key_id =
            key.strip_prefix("key ").ok_or_else(|| damaged(at(3), "it is not the key's"))?;
        let header = Self {
            ways_in,
            key_id: key_id.to_owned(),
            wrapped: field(wrapped, "fk ").ok_or_else(|| damaged(at(2), "it is no sealed key"))?,
            salt: field(salt, "salt ").ok_or_else(|| damaged(at(1), "it is no salt"))?,
            mac: field(mac, "mac ").ok_or_else(|| damaged(at(0), "it is no MAC"))?,
        };
        let canonical = header.print() == text && is_key_id(key_id);
        canonical
            .then_some(header)
            .ok_or_else(|| damaged(1, "it is not written the way pirun writes it"))
    }

    /// The header's text.
    pub fn print(&self) -> String {
        format!("{}mac {}\n", self.body(), BASE64.encode(self.mac))
    }

    /// Everything before the MAC's line.
    fn body(&self) -> String {
        let vault = self.ways_in.print();
        let ways_in =
            vault.lines().filter(|line| line.starts_with("id ") || line.starts_with("slot "));
        let ways_in: String = ways_in.map(|line| format!("{line}\n")).collect();
        let (wrapped, salt) = (BASE64.encode(self.wrapped), BASE64.encode(self.salt));
        let key_id = &self.key_id;
        format!("{MAGIC} {VERSION}\n{ways_in}key {key_id}\nfk {wrapped}\nsalt {salt}\n")
    }
}

fn check_magic(text: &[u8]) -> Result<(), ContainerError> {
    const WHOLE: &[u8] = b"pirun-backup 1";
    let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let version = std::str::from_utf8(first)
        .ok()
        .and_then(|line| line.strip_prefix(MAGIC))
        .and_then(|rest| rest.strip_prefix(' '));
    match version {
        // The beginning of the line, and then nothing.
        _ if first.len() == text.len() && !first.is_empty() && WHOLE.starts_with(first) => {
            Err(ContainerError::CutInHeader)
        }
        Some(VERSION) => Ok(()),
        Some(other) if other.parse::<u32>().is_ok_and(|number| number > 1) => {
            Err(ContainerError::NewerVersion(other.to_owned()))
        }
        _ => Err(ContainerError::NotABackup),
    }
}

fn wrapping(key: &VaultKey) -> Key {
    crypto::blake2b(&key.backup_key(), &[b"pirun-backup/1 file key"])
}

fn aad(salt: &[u8; SALT]) -> Vec<u8> {
    [b"pirun-backup/1\0file key\0", &salt[..]].concat()
}

fn is_key_id(text: &str) -> bool {
    text.len() == 16
        && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

fn field<const N: usize>(line: &str, name: &str) -> Option<[u8; N]> {
    BASE64.decode(line.strip_prefix(name)?).ok()?.try_into().ok()
}
