//! The record that a k3s server starts from: its keys and certificates, sealed with the token's password.
//! Source: k3s, `pkg/cluster/storage.go`, `encrypt.go` and `pkg/daemons/config/types.go`.

use std::collections::BTreeMap;

use aes_gcm::aead::{Aead as _, KeyInit as _};
use aes_gcm::{Aes256Gcm, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::database::Database;
use super::wrong;
use crate::backup::token::Token;
use crate::error::Result;

/// Rounds of PBKDF2.
const ROUNDS: u32 = 4096;
const NONCE: usize = 12;

/// The record's fields, and the files of which they are copies.
const FILES: [(&str, &str); 7] = [
    ("ServerCA", "server/tls/server-ca.crt"),
    ("ServerCAKey", "server/tls/server-ca.key"),
    ("ClientCA", "server/tls/client-ca.crt"),
    ("ClientCAKey", "server/tls/client-ca.key"),
    ("RequestHeaderCA", "server/tls/request-header-ca.crt"),
    ("RequestHeaderCAKey", "server/tls/request-header-ca.key"),
    ("ServiceKey", "server/tls/service.key"),
];

/// Whether the file of this name is in the record too.
pub fn is_compared(name: &str) -> bool {
    FILES.iter().any(|(_, file)| *file == name)
}

/// Opens the record with the token's password, and compares it with the files.
pub fn check(
    database: &Database,
    token: &Token,
    files: &BTreeMap<String, Zeroizing<Vec<u8>>>,
) -> Result<()> {
    let sealed = database.value(&key(token.password()))?.ok_or_else(|| {
        wrong("its datastore has no record that its token opens").hint(
            "Was the token changed, and k3s not restarted since? k3s could start from neither of them.",
        )
    })?;
    let opened = open(&sealed, token.password())
        .ok_or_else(|| wrong("its token does not open the record in its datastore"))?;
    let record: serde_json::Value = serde_json::from_slice(&opened)
        .map_err(|_| wrong("the record in its datastore is not JSON"))?;
    for (field, name) in FILES {
        // A server need not have all of them, and has the authority's certificate in any case.
        let kept = content(&record[field]);
        match (kept, files.get(name)) {
            (Some(kept), Some(file)) if kept != **file => {
                return Err(wrong(format!("{name} is not the one in its datastore's record")));
            }
            (None, _) if field == FILES[0].0 => {
                return Err(wrong("the record in its datastore has no certificate authority"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The key under which kine has the record.
fn key(password: &str) -> String {
    let hash = Sha256::digest(password);
    let hex: String = hash.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    format!("/bootstrap/{hex}")
}

/// `salt:base64(nonce ‖ ciphertext)`; the salt is text and used as such.
fn open(sealed: &[u8], password: &str) -> Option<Zeroizing<Vec<u8>>> {
    let (salt, rest) = std::str::from_utf8(sealed).ok()?.split_once(':')?;
    let rest = STANDARD.decode(rest).ok()?;
    let (nonce, text) = rest.split_at_checked(NONCE)?;
    let mut derived = Zeroizing::new([0; 32]);
    pbkdf2::pbkdf2_hmac::<sha1::Sha1>(password.as_bytes(), salt.as_bytes(), ROUNDS, &mut *derived);
    let cipher = Aes256Gcm::new(&(*derived).into());
    let nonce: [u8; NONCE] = nonce.try_into().ok()?;
    cipher.decrypt(&Nonce::from(nonce), text).ok().map(Zeroizing::new)
}

/// A field's content: since k3s 1.22 with a time beside it, before that alone.
fn content(field: &serde_json::Value) -> Option<Vec<u8>> {
    let text = field.get("Content").unwrap_or(field).as_str().filter(|text| !text.is_empty())?;
    STANDARD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_a_record_of_another_implementation() {
        // Made with Python's hashlib and cryptography.
        let sealed =
            b"0123456789abcdef:AAECAwQFBgcICQoLiSZECgSTFC5MLYEsy98qcCcUlyAOGaijtsIq67EJQw==";
        assert_eq!(&**open(sealed, "secret").unwrap(), br#"{"ServerCA":{}}"#);
        assert!(open(sealed, "secrets").is_none());
        assert!(open(b"no colon", "secret").is_none());
        assert_eq!(key("secret"), "/bootstrap/2bb80d537b1d");
    }
}
