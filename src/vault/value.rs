//! What a secret can be, and the plaintext that gets sealed: type byte, content, padding.

use std::fmt;

use secrecy::{ExposeSecret, SecretSlice};
use zeroize::Zeroizing;

use super::VaultError;
use super::crypto;

/// The sealed plaintext is a multiple of this, so that a short secret does not show its length.
pub const BLOCK: usize = 64;
/// Ends the content; zeros follow up to the next multiple of [`BLOCK`].
const END: u8 = 0x80;

/// What a secret's content is. The letter stands in front of the sealed content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueKind {
    /// UTF-8 text.
    Text,
    /// Any bytes.
    Bytes,
    /// A JSON text (RFC 8259).
    Json,
}

impl ValueKind {
    fn letter(self) -> u8 {
        match self {
            Self::Text => b's',
            Self::Bytes => b'b',
            Self::Json => b'j',
        }
    }

    fn of_letter(letter: u8) -> Option<Self> {
        [Self::Text, Self::Bytes, Self::Json].into_iter().find(|kind| kind.letter() == letter)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Bytes => "bytes",
            Self::Json => "json",
        }
    }
}

/// The content of a secret, wiped when dropped.
pub struct SecretValue {
    kind: ValueKind,
    content: SecretSlice<u8>,
}

impl SecretValue {
    pub fn text(text: &str) -> Self {
        Self::new(ValueKind::Text, text.as_bytes())
    }

    pub fn bytes(bytes: &[u8]) -> Self {
        Self::new(ValueKind::Bytes, bytes)
    }

    /// A JSON text, kept as it is written.
    ///
    /// # Errors
    /// [`VaultError::NotJson`], which says where, and shows none of it.
    pub fn json(text: &str) -> Result<Self, VaultError> {
        match serde_json::from_str::<serde::de::IgnoredAny>(text) {
            Ok(_) => Ok(Self::new(ValueKind::Json, text.as_bytes())),
            Err(error) => Err(VaultError::NotJson { line: error.line(), column: error.column() }),
        }
    }

    /// Text where the bytes are UTF-8, else bytes.
    pub fn text_or_bytes(content: &[u8]) -> Self {
        match std::str::from_utf8(content) {
            Ok(text) => Self::text(text),
            Err(_) => Self::bytes(content),
        }
    }

    fn new(kind: ValueKind, content: &[u8]) -> Self {
        // Exactly as long as needed: growing would leave unwiped copies behind.
        Self { kind, content: content.to_vec().into() }
    }

    pub fn kind(&self) -> ValueKind {
        self.kind
    }

    pub fn expose_bytes(&self) -> &[u8] {
        self.content.expose_secret()
    }

    /// The content, unless it is bytes.
    pub fn expose_text(&self) -> Option<&str> {
        match self.kind {
            ValueKind::Bytes => None,
            ValueKind::Text | ValueKind::Json => std::str::from_utf8(self.expose_bytes()).ok(),
        }
    }

    /// Type byte, content, `0x80`, zeros up to a multiple of [`BLOCK`].
    pub(super) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let content = self.expose_bytes();
        let length = (content.len() + 2).next_multiple_of(BLOCK);
        let mut plain = Zeroizing::new(Vec::with_capacity(length));
        plain.push(self.kind.letter());
        plain.extend_from_slice(content);
        plain.push(END);
        plain.resize(length, 0);
        plain
    }

    /// The inverse of `encode`. `None`: no writer of version 1 makes such a plaintext.
    pub(super) fn decode(plain: &[u8]) -> Option<Self> {
        let end = plain.iter().rposition(|byte| *byte != 0)?;
        let (letter, content) = plain[..end].split_first()?;
        let padded = (content.len() + 2).next_multiple_of(BLOCK) == plain.len();
        if plain[end] != END || !padded {
            return None;
        }
        let value = Self::new(ValueKind::of_letter(*letter)?, content);
        let valid = match value.kind {
            ValueKind::Bytes => true,
            ValueKind::Text => value.expose_text().is_some(),
            ValueKind::Json => Self::json(value.expose_text()?).is_ok(),
        };
        valid.then_some(value)
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

impl PartialEq for SecretValue {
    fn eq(&self, other: &Self) -> bool {
        // Comparing digests takes the same time wherever the contents differ.
        let digest = crypto::blake2b(&[0; 32], &[other.expose_bytes()]);
        self.kind == other.kind && crypto::blake2b_is(&[0; 32], &[self.expose_bytes()], &digest)
    }
}

impl Eq for SecretValue {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plaintext_starts_with_its_type_and_fills_whole_blocks() {
        let plain = SecretValue::text("abc").encode();
        assert_eq!(plain[..6], *b"sabc\x80\0");
        assert_eq!(plain.len(), 64);
        assert_eq!(SecretValue::bytes(&[0; 62]).encode().len(), 64);
        assert_eq!(SecretValue::bytes(&[0; 63]).encode().len(), 128);
        assert_eq!(SecretValue::json("{}").unwrap().encode()[0], b'j');
    }

    #[test]
    fn contents_that_look_like_padding_survive() {
        for content in [&b""[..], b"\x80", b"\0", b"a\x80\0\0", b"\x80\0\x80", &[0; 200]] {
            let value = SecretValue::bytes(content);
            assert_eq!(SecretValue::decode(&value.encode()), Some(value));
        }
    }

    #[test]
    fn a_plaintext_that_no_writer_makes_is_refused() {
        let mut padded = vec![0; 64];
        for (start, what) in [
            (&b"xabc\x80"[..], "unknown type"),
            (b"s\xff\x80", "a text that is not UTF-8"),
            (b"j{\x80", "JSON that is none"),
            (b"\x80", "no type"),
            (b"sabc", "no end"),
            (b"", "nothing"),
        ] {
            padded.fill(0);
            padded[..start.len()].copy_from_slice(start);
            assert_eq!(SecretValue::decode(&padded), None, "{what}");
        }
        padded.resize(128, 0);
        padded[..3].copy_from_slice(b"sa\x80");
        assert_eq!(SecretValue::decode(&padded), None, "more padding than needed");
    }
}
