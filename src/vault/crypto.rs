//! The two primitives everything else is made of: keyed BLAKE2b-256 (RFC 7693) and
//! XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03).

use blake2::Blake2bMac;
use blake2::digest::consts::U32;
use blake2::digest::{KeyInit as _, Mac as _};
use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use super::VaultError;

/// 32 secret bytes that are wiped when dropped.
pub type Key = Zeroizing<[u8; 32]>;

/// Length of an XChaCha20 nonce in bytes.
pub const NONCE: usize = 24;
/// Length of a Poly1305 tag in bytes.
pub const TAG: usize = 16;

fn keyed_blake2b(key: &[u8; 32], parts: &[&[u8]]) -> Blake2bMac<U32> {
    let mut mac =
        <Blake2bMac<U32>>::new_from_slice(key).expect("BLAKE2b takes keys up to 64 bytes");
    for part in parts {
        mac.update(part);
    }
    mac
}

/// BLAKE2b-256 keyed with `key` over the concatenation of `parts`.
pub fn blake2b(key: &[u8; 32], parts: &[&[u8]]) -> Key {
    let mut out = Zeroizing::new([0; 32]);
    out.copy_from_slice(&keyed_blake2b(key, parts).finalize().into_bytes());
    out
}

/// Whether [`blake2b`] of these gives `expected`, in constant time.
pub fn blake2b_is(key: &[u8; 32], parts: &[&[u8]], expected: &[u8; 32]) -> bool {
    keyed_blake2b(key, parts).verify_slice(expected).is_ok()
}

/// `N` bytes from the operating system's random generator.
pub fn random<const N: usize>() -> Result<[u8; N], VaultError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| VaultError::NoRandom)?;
    Ok(bytes)
}

/// Encrypts `plain` under a fresh random nonce: nonce, ciphertext, tag.
pub fn seal(key: &[u8; 32], plain: &[u8], aad: &[u8]) -> Result<Vec<u8>, VaultError> {
    let nonce = random::<NONCE>()?;
    let sealed = XChaCha20Poly1305::new(&(*key).into())
        .encrypt(&XNonce::from(nonce), Payload { msg: plain, aad })
        .expect("only messages beyond 256 GiB are refused");
    Ok([&nonce[..], &sealed].concat())
}

/// Opens what [`seal`] made. `None`: not made with this key and these associated data.
pub fn open(key: &[u8; 32], sealed: &[u8], aad: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, sealed) = sealed.split_first_chunk::<NONCE>()?;
    XChaCha20Poly1305::new(&(*key).into())
        .decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad })
        .ok()
        .map(Zeroizing::new)
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]])
        .map(char::from)
        .collect()
}

/// The inverse of [`hex`], for either case.
pub fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|value| value as u8);
    if !text.len().is_multiple_of(2) {
        return None;
    }
    text.chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}
