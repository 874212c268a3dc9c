//! The text of a `vault.enc`: canonical, so that one vault has one spelling. `docs/vault-format.md` describes it.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::VaultError;
use super::crypto::{self, NONCE, TAG};
use super::slot::Slot;
use super::value::BLOCK;

/// RFC 4648 section 5, without padding. The decoder refuses spellings that the encoder would not write.
pub(crate) const BASE64: base64::engine::GeneralPurpose = URL_SAFE_NO_PAD;

const MAGIC: &str = "pirun-vault";
const VERSION: &str = "1";
/// Bytes of a whole file.
pub const MAX_FILE: usize = 4 << 20;
pub const MAX_SLOTS: usize = 16;
const MAX_NAME: usize = 128;

/// Whether `name` can be the name of a secret: 1 to 128 of `A-Z a-z 0-9 . _ / -`.
pub fn name_is_valid(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._/-".contains(&byte))
}

/// Whether `label` can be the label of a slot. The same rule as for names.
pub fn label_is_valid(label: &str) -> bool {
    name_is_valid(label)
}

/// A file that is well formed. Whether it is genuine, only the vault key can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Document {
    /// Random, kept for life: binds values and slots to this vault.
    pub id: [u8; 16],
    pub slots: Vec<Slot>,
    /// Name to nonce, ciphertext and tag.
    pub secrets: BTreeMap<String, Vec<u8>>,
    pub mac: [u8; 32],
}

impl Document {
    /// Reads a file. All that can be told without a password is told here.
    pub fn parse(bytes: &[u8]) -> Result<Self, VaultError> {
        if bytes.len() > MAX_FILE {
            return Err(VaultError::TooLarge { bytes: bytes.len() });
        }
        check_magic(bytes)?;
        check_conflict(bytes)?;
        let text = as_text(bytes)?;
        let document = parse_lines(text)?;
        match first_difference(text, &document.print()) {
            Some(line) => Err(damaged(line, "it is not written the way pirun writes it")),
            None => Ok(document),
        }
    }

    /// Everything before the `mac` line: what the MAC covers.
    pub fn body(&self) -> String {
        let mut text = format!("{MAGIC} {VERSION}\nid {}\n", crypto::hex(&self.id));
        for slot in &self.slots {
            text += &slot.print();
            text.push('\n');
        }
        for (name, sealed) in &self.secrets {
            text += "secret ";
            text += name;
            text.push(' ');
            BASE64.encode_string(sealed, &mut text);
            text.push('\n');
        }
        text
    }

    pub fn print(&self) -> String {
        format!("{}mac {}\n", self.body(), BASE64.encode(self.mac))
    }
}

fn damaged(line: usize, why: &'static str) -> VaultError {
    VaultError::Damaged { line, why }
}

fn check_magic(bytes: &[u8]) -> Result<(), VaultError> {
    let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let wanted = format!("{MAGIC} {VERSION}");
    if first == wanted.as_bytes() {
        return Ok(());
    }
    if is_conflict_marker(first) {
        return Err(VaultError::GitConflict { line: 1 });
    }
    if first.strip_suffix(b"\r") == Some(wanted.as_bytes()) {
        return Err(damaged(1, "its line ends were changed to CR LF"));
    }
    if !first.is_empty() && wanted.as_bytes().starts_with(first) {
        return Err(damaged(1, "the file is cut off"));
    }
    let version =
        std::str::from_utf8(first).ok().and_then(|line| line.strip_prefix("pirun-vault "));
    match version {
        Some(version) if version.parse::<u32>().is_ok_and(|version| version > 1) => {
            Err(VaultError::NewerVersion(version.to_owned()))
        }
        Some(_) => Err(damaged(1, "the version is not a number")),
        None => Err(VaultError::NotAVault),
    }
}

fn is_conflict_marker(line: &[u8]) -> bool {
    [b"<<<<<<<", b"|||||||", b"=======", b">>>>>>>"].iter().any(|marker| line.starts_with(*marker))
}

fn check_conflict(bytes: &[u8]) -> Result<(), VaultError> {
    match bytes.split(|byte| *byte == b'\n').position(is_conflict_marker) {
        Some(index) => Err(VaultError::GitConflict { line: index + 1 }),
        None => Ok(()),
    }
}

fn as_text(bytes: &[u8]) -> Result<&str, VaultError> {
    std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        damaged(line, "it is not text")
    })
}

fn parse_lines(text: &str) -> Result<Document, VaultError> {
    let mut lines =
        text.lines().enumerate().skip(1).map(|(index, line)| (index + 1, line)).peekable();
    let cut_off = || damaged(text.lines().count(), "the file is cut off after it");

    let (number, line) = lines.next().ok_or_else(cut_off)?;
    let id = parse_id(line).ok_or(damaged(number, "it is not the vault's id"))?;

    let mut slots = Vec::new();
    while let Some((number, line)) = lines.next_if(|(_, line)| line.starts_with("slot ")) {
        slots.push(Slot::parse(line).map_err(|why| damaged(number, why))?);
    }
    if slots.is_empty() || slots.len() > MAX_SLOTS {
        return Err(damaged(2 + slots.len(), "a vault has 1 to 16 slots"));
    }

    let mut secrets = BTreeMap::<String, Vec<u8>>::new();
    while let Some((number, line)) = lines.next_if(|(_, line)| line.starts_with("secret ")) {
        let (name, sealed) = parse_secret(line).map_err(|why| damaged(number, why))?;
        if secrets.last_key_value().is_some_and(|(last, _)| *last >= name) {
            return Err(damaged(number, "the names are not in order"));
        }
        secrets.insert(name, sealed);
    }

    let (number, line) = lines.next().ok_or_else(cut_off)?;
    let mac = parse_mac(line).map_err(|why| damaged(number, why))?;
    match lines.next() {
        Some((number, _)) => Err(damaged(number, "nothing may follow the mac line")),
        None => Ok(Document { id, slots, secrets, mac }),
    }
}

fn parse_id(line: &str) -> Option<[u8; 16]> {
    crypto::unhex(line.strip_prefix("id ")?.as_bytes())?.try_into().ok()
}

fn parse_secret(line: &str) -> Result<(String, Vec<u8>), &'static str> {
    let mut words = line.split(' ').skip(1);
    let (Some(name), Some(sealed), None) = (words.next(), words.next(), words.next()) else {
        return Err("a secret is a name and one word");
    };
    if !name_is_valid(name) {
        return Err("the secret's name has a character that names do not have");
    }
    let sealed = BASE64.decode(sealed).map_err(|_| "the secret is not base64")?;
    match sealed.len().checked_sub(NONCE + TAG) {
        Some(length) if length > 0 && length.is_multiple_of(BLOCK) => Ok((name.to_owned(), sealed)),
        _ => Err("the secret has a length that no secret has"),
    }
}

fn parse_mac(line: &str) -> Result<[u8; 32], &'static str> {
    let Some(mac) = line.strip_prefix("mac ") else {
        return Err("it is no line of a vault");
    };
    BASE64
        .decode(mac)
        .ok()
        .and_then(|mac| mac.try_into().ok())
        .ok_or("the mac is not base64 of 32 bytes")
}

/// The number of the first line in which the texts differ.
fn first_difference(left: &str, right: &str) -> Option<usize> {
    if left == right {
        return None;
    }
    let same = left.split('\n').zip(right.split('\n')).take_while(|(left, right)| left == right);
    Some(same.count() + 1)
}
