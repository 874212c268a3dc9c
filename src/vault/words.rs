//! Recovery passwords that can be written on paper: twelve words of BIP 39, whose last one holds a checksum.

use bip39::Mnemonic;
use zeroize::Zeroizing;

use super::VaultError;
use super::crypto;

/// Twelve random words, separated by single spaces: 128 bits.
///
/// # Errors
/// [`VaultError::NoRandom`]
pub fn recovery_words() -> Result<Zeroizing<String>, VaultError> {
    let entropy = Zeroizing::new(crypto::random::<16>()?);
    let words = Mnemonic::from_entropy(&entropy[..]).expect("16 bytes make twelve words");
    Ok(Zeroizing::new(words.words().collect::<Vec<_>>().join(" ")))
}

/// What was typed as pirun wrote it, if it is twelve recovery words: in lower case, separated by single spaces.
pub(super) fn as_written(typed: &[u8]) -> Option<Zeroizing<String>> {
    let typed = std::str::from_utf8(typed).ok()?;
    let words: Vec<String> = typed.split_whitespace().map(str::to_lowercase).collect();
    let written = Zeroizing::new(words.join(" "));
    (words.len() == 12 && Mnemonic::parse_normalized(&written).is_ok()).then_some(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_may_be_typed_in_any_case_and_spacing() {
        let words = recovery_words().unwrap();
        let typed = words.to_uppercase().replace(' ', " \n  ");
        assert_eq!(as_written(typed.as_bytes()), Some(words.clone()));
        assert_eq!(as_written(words.as_bytes()), Some(words));
    }

    #[test]
    fn any_other_password_stays_as_it_was_typed() {
        assert_eq!(as_written(b"Correct  Horse"), None);
        assert_eq!(as_written("ABANDON ".repeat(12).as_bytes()), None, "the checksum is wrong");
    }
}
