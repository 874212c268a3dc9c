//! Identifiers that look random and are the same in every build: UUIDs, volume ids and the disk id come from one
//! text, as systemd-repart does it.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The text that all identifiers of an image come from. It should stay the same from image to image: were it to
/// change, so would the checksum of every block of metadata, and an upgrade could not leave any out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seed(String);

impl Seed {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    fn bytes(&self, name: &str) -> [u8; 32] {
        // A key of any length fits.
        let Ok(mac) = Hmac::<Sha256>::new_from_slice(self.0.as_bytes()) else {
            return [0; 32];
        };
        mac.chain_update(name.as_bytes()).finalize().into_bytes().into()
    }

    /// A UUID of version 4 (RFC 9562) for what `name` names.
    pub fn uuid(&self, name: &str) -> [u8; 16] {
        let mut uuid = [0; 16];
        uuid.copy_from_slice(&self.bytes(name)[..16]);
        uuid[6] = uuid[6] & 0x0F | 0x40;
        uuid[8] = uuid[8] & 0x3F | 0x80;
        uuid
    }

    /// A number for what `name` names; never 0, which means "none" to most.
    pub fn id(&self, name: &str) -> u32 {
        let bytes = self.bytes(name);
        u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_each_name_an_identifier_of_its_own_for_ever() {
        let seed = Seed::new("pirun");
        let uuid: String = seed.uuid("root").iter().map(|byte| format!("{byte:02x}")).collect();
        insta::assert_snapshot!(format!("{uuid} {:08x}", seed.id("disk")), @"e43ad0a6ff4749c2a6fd5a4201701a60 4a71bf43");
        assert_ne!(seed.id("disk"), seed.id("boot"));
        assert_ne!(seed.uuid("root"), Seed::new("other").uuid("root"));
    }
}
