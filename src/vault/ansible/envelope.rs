//! The envelope of ansible-vault 1.1 and 1.2, as ansible-core's `VaultAES256` writes it.
//!
//! `$ANSIBLE_VAULT;1.1;AES256`, or `;1.2;AES256;vault-id`; then hexadecimal digits, 80 a line, of three lines that are
//! hexadecimal again: salt, HMAC-SHA256 of the ciphertext, ciphertext. PBKDF2-HMAC-SHA256 with 10 000 rounds gives a key
//! for AES-256-CTR, one for the HMAC, and the first counter block. The plaintext is padded as in PKCS#7.

use aes::cipher::{KeyIvInit, StreamCipher};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{AnsibleError, AnsiblePasswords};
use crate::vault::Password;
use crate::vault::crypto::unhex;

const ROUNDS: u32 = 10_000;
const BLOCK: usize = 16;

/// Whether `text` claims to be an envelope.
pub fn is_envelope(text: &[u8]) -> bool {
    text.trim_ascii_start().starts_with(b"$ANSIBLE_VAULT")
}

/// The plaintext of an envelope.
pub fn open(text: &str, passwords: &AnsiblePasswords) -> Result<Zeroizing<Vec<u8>>, AnsibleError> {
    let (header, body) = text.trim_start().split_once('\n').unwrap_or((text, ""));
    let id = read_header(header)?;
    let sealed = Sealed::parse(body)?;
    for password in passwords.for_id(id) {
        if let Some(plain) = sealed.open(password)? {
            return Ok(plain);
        }
    }
    Err(AnsibleError::WrongPassword { id: id.map(str::to_owned) })
}

/// The vault id of the header, if it has one.
fn read_header(header: &str) -> Result<Option<&str>, AnsibleError> {
    let fields: Vec<&str> = header.split(';').map(str::trim).collect();
    match fields[..] {
        ["$ANSIBLE_VAULT", "1.1", "AES256"] => Ok(None),
        ["$ANSIBLE_VAULT", "1.2", "AES256", id] => Ok(Some(id)),
        ["$ANSIBLE_VAULT", "1.1" | "1.2", ..] => {
            Err(AnsibleError::Damaged("the first line is not whole"))
        }
        ["$ANSIBLE_VAULT", version, ..] => Err(AnsibleError::Version(version.to_owned())),
        _ => Err(AnsibleError::NothingSealed),
    }
}

struct Sealed {
    salt: Vec<u8>,
    mac: Vec<u8>,
    ciphertext: Vec<u8>,
}

impl Sealed {
    fn parse(body: &str) -> Result<Self, AnsibleError> {
        let digits: Vec<u8> = body.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let inner = unhex(&digits)
            .ok_or(AnsibleError::Damaged("there is something else than hexadecimal digits"))?;
        let parts: Vec<&[u8]> = inner.splitn(3, |byte| *byte == b'\n').collect();
        let [salt, mac, ciphertext] = parts[..] else {
            return Err(AnsibleError::Damaged("it is cut off"));
        };
        let field =
            |text| unhex(text).ok_or(AnsibleError::Damaged("a part of it is not hexadecimal"));
        Ok(Self { salt: field(salt)?, mac: field(mac)?, ciphertext: field(ciphertext)? })
    }

    /// `None`: wrong password, or altered; the format cannot tell which.
    fn open(&self, password: &Password) -> Result<Option<Zeroizing<Vec<u8>>>, AnsibleError> {
        let mut keys = Zeroizing::new([0; 32 + 32 + BLOCK]);
        pbkdf2::pbkdf2_hmac::<Sha256>(password.expose(), &self.salt, ROUNDS, &mut keys[..]);
        let (cipher_key, rest) = keys.split_at(32);
        let (mac_key, counter) = rest.split_at(32);

        let mut mac = Hmac::<Sha256>::new_from_slice(mac_key).expect("HMAC takes any key");
        mac.update(&self.ciphertext);
        if mac.verify_slice(&self.mac).is_err() {
            return Ok(None);
        }
        let mut plain = Zeroizing::new(self.ciphertext.clone());
        ctr::Ctr128BE::<aes::Aes256>::new_from_slices(cipher_key, counter)
            .expect("the lengths are those of AES-256-CTR")
            .apply_keystream(&mut plain);
        unpad(plain).map(Some)
    }
}

fn unpad(mut plain: Zeroizing<Vec<u8>>) -> Result<Zeroizing<Vec<u8>>, AnsibleError> {
    let padding = plain.last().map_or(0, |last| usize::from(*last));
    let start = plain.len().checked_sub(padding).filter(|_| (1..=BLOCK).contains(&padding));
    match start {
        Some(start) if plain[start..].iter().all(|byte| usize::from(*byte) == padding) => {
            plain.truncate(start);
            Ok(plain)
        }
        _ => Err(AnsibleError::Damaged("its padding is wrong")),
    }
}
