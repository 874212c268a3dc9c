//! Quoting for busybox ash. Callers hand over arguments; only this file knows how a shell reads them.

/// `text` as one shell word. Every byte but NUL survives; NUL cannot be in a shell word at all.
pub fn sh_quote(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    // A leading `=` or `-` is harmless to the shell, and an empty word needs its quotes.
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// An argument array as one simple command.
pub fn sh_words<S: AsRef<str>>(words: &[S]) -> String {
    words.iter().map(|word| sh_quote(word.as_ref())).collect::<Vec<_>>().join(" ")
}

/// The bytes as one shell word; the second value says that the word is base64 and must be decoded.
///
/// A shell word cannot hold NUL, and text that is not UTF-8 is safer encoded.
pub fn sh_bytes(bytes: &[u8]) -> (String, bool) {
    use base64::Engine as _;
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => (sh_quote(text), false),
        _ => (base64::engine::general_purpose::STANDARD.encode(bytes), true),
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quotes_only_what_needs_it() {
        assert_eq!(sh_words(&["ls", "-l", "/a b", "it's", ""]), r"ls -l '/a b' 'it'\''s' ''");
    }

    proptest! {
        #[test]
        fn every_text_survives_a_shell(text in "[^\0]*") {
            let script = format!("printf %s {}", sh_quote(&text));
            let output = Command::new("sh").arg("-c").arg(script).output().expect("sh runs");
            prop_assert_eq!(output.stdout, text.into_bytes());
        }
    }
}
