//! Random passwords and tokens.

use zeroize::Zeroizing;

use super::VaultError;
use super::crypto;

const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// `length` random letters and digits, each with 5.95 bits of entropy.
///
/// # Errors
/// [`VaultError::NoRandom`]
pub fn random_text(length: usize) -> Result<Zeroizing<String>, VaultError> {
    let mut text = Zeroizing::new(String::with_capacity(length));
    while text.len() < length {
        let [byte] = crypto::random::<1>()?;
        // Taking bytes beyond a multiple of the alphabet would favour its first letters.
        let index = usize::from(byte) % 64;
        if let Some(letter) = ALPHABET.get(index) {
            text.push(char::from(*letter));
        }
    }
    Ok(text)
}
