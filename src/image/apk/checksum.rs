//! The name of a package's content.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The SHA-1 of a package's control part as it is compressed: what an index calls a package by, and what the database of
/// installed packages calls it too. Printed as `Q1` and base64.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Checksum(pub [u8; 20]);

impl Checksum {
    /// Reads `Q1…`; `None` if it is none, or of another kind.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text.strip_prefix("Q1")?).ok()?;
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Q1{}", STANDARD.encode(self.0))
    }
}

impl fmt::Debug for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_prints() {
        let text = "Q1KZXO0l8XKbgqYMdY0sCLLRlLDFs=";
        assert_eq!(Checksum::parse(text).unwrap().to_string(), text);
        for wrong in ["", "Q1", "Q2KZXO0l8XKbgqYMdY0sCLLRlLDFs=", "Q1KZXO", "Q1&"] {
            assert_eq!(Checksum::parse(wrong), None, "{wrong}");
        }
    }
}
