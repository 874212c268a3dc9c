//! Signatures of manifests: minisign's format (Ed25519 over a BLAKE2b hash), so that `minisign -V` checks them too.

use std::io::Cursor;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minisign::{KeyPair, PublicKey, PublicKeyBox, SecretKey, SecretKeyBox, SignatureBox};
use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};

/// A key that signs. It has no password of its own: it lives in the vault.
pub struct SigningKey(SecretKey);

/// A key that checks signatures.
#[derive(Debug, Clone, PartialEq)]
pub struct VerifyingKey(PublicKey);

impl SigningKey {
    /// A new key.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn generate() -> Result<Self> {
        let pair = KeyPair::generate_unencrypted_keypair();
        pair.map(|pair| Self(pair.sk))
            .map_err(|error| wrong(format!("no key can be made: {error}")))
    }

    /// Reads a secret key file's text, as [`SigningKey::text`] and `minisign -G -W` write it.
    ///
    /// # Errors
    /// When it is none, or it has a password.
    pub fn parse(text: &str) -> Result<Self> {
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        let key = match *lines {
            [_, key] => without_checksum(key).or_else(|| {
                let text = SecretKeyBox::from_string(text).ok()?;
                text.into_unencrypted_secret_key().ok()
            }),
            _ => None,
        };
        key.map(Self).ok_or_else(|| {
            wrong("the secret key for signing images is not an unencrypted minisign key".into())
                .hint("`minisign -G -W` makes one. In the vault it needs no password of its own.")
        })
    }

    /// The secret key file's text.
    ///
    /// # Errors
    /// Never, as far as is known.
    pub fn text(&self) -> Result<Zeroizing<String>> {
        let text = self.0.to_box(Some("pirun image signing key"));
        text.map(|text| Zeroizing::new(text.into_string()))
            .map_err(|error| wrong(format!("the key cannot be written: {error}")))
    }

    /// The key that checks this one's signatures.
    ///
    /// # Errors
    /// Never, as far as is known.
    pub fn verifying(&self) -> Result<VerifyingKey> {
        PublicKey::from_secret_key(&self.0)
            .map(VerifyingKey)
            .map_err(|error| wrong(format!("the key is not usable: {error}")))
    }

    /// The text of a `.minisig` file. The comment is signed as well: one line.
    ///
    /// # Errors
    /// When the comment has several lines, or the system gives no random bytes.
    pub fn sign(&self, bytes: &[u8], comment: &str) -> Result<String> {
        if comment.contains(['\n', '\r']) {
            return Err(wrong("a signature's comment cannot contain a line break".into()));
        }
        let signed = minisign::sign(
            None,
            &self.0,
            Cursor::new(bytes),
            Some(comment),
            Some("signature of a pirun image"),
        );
        signed
            .map(SignatureBox::into_string)
            .map_err(|error| wrong(format!("the image cannot be signed: {error}")))
    }
}

/// An unencrypted key as minisign 0.11 writes it: where the checksum belongs, there are zeros.
fn without_checksum(key: &str) -> Option<SecretKey> {
    let bytes = Zeroizing::new(STANDARD.decode(key.trim()).ok()?);
    let (rest, checksum) = bytes.split_last_chunk::<32>()?;
    let is_unencrypted = rest.get(..4)? == b"Ed\0\0";
    (is_unencrypted && *checksum == [0; 32]).then(|| SecretKey::from_bytes(&bytes).ok())?
}

impl VerifyingKey {
    /// Reads a public key: the text of a `.pub` file, or only the line with the key.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self> {
        let lines: Vec<&str> =
            text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let key = match *lines {
            [line] => PublicKey::from_base64(line).ok(),
            [_, _] => PublicKeyBox::from_string(text).and_then(PublicKeyBox::into_public_key).ok(),
            _ => None,
        };
        key.map(Self).ok_or_else(|| {
            wrong("the public key for images is not a minisign key".into())
                .hint("It is the second line of a `minisign.pub` and starts with RW.")
        })
    }

    /// The key in one line, for an inventory or `minisign -P`.
    pub fn line(&self) -> String {
        self.0.to_base64()
    }

    /// Checks a signature; gives the comment that was signed with it.
    ///
    /// # Errors
    /// When it is not a signature of these bytes by this key.
    pub fn verify(&self, bytes: &[u8], signature: &str) -> Result<String> {
        let malformed = |_| {
            wrong("the signature is not a minisign signature".into())
                .hint("Is the .minisig file complete?")
        };
        let signature = SignatureBox::from_string(signature).map_err(malformed)?;
        if signature.keynum() != self.0.keynum() {
            return Err(wrong("the image is signed with another key than the expected one".into())
                .hint("Was it built in another project, or was the project's key replaced?"));
        }
        minisign::verify(&self.0, &signature, Cursor::new(bytes), true, false, false).map_err(
            |_| {
                wrong("the signature does not fit: manifest or signature were changed".into())
                    .hint("Build the image again, or fetch both files again.")
            },
        )?;
        signature.trusted_comment().map_err(malformed)
    }
}

fn wrong(message: String) -> Error {
    Error::new(ErrorKind::Image, message)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    const MANIFEST: &[u8] = b"pirun-image 1\n";

    #[test]
    fn signs_what_it_verifies_and_nothing_else() {
        let key = SigningKey::generate().unwrap();
        let key = SigningKey::parse(&key.text().unwrap()).unwrap();
        let public = key.verifying().unwrap();
        let signature = key.sign(MANIFEST, "image 7").unwrap();
        assert_eq!(public.verify(MANIFEST, &signature).unwrap(), "image 7");

        let other = SigningKey::generate().unwrap();
        let message = |result: Result<String>| result.unwrap_err().message().to_owned();
        let said = [
            message(public.verify(b"other", &signature)),
            message(public.verify(MANIFEST, &signature.replace("image 7", "image 8"))),
            message(public.verify(MANIFEST, &other.sign(MANIFEST, "image 7").unwrap())),
            message(public.verify(MANIFEST, &signature[..100])),
            message(public.verify(MANIFEST, "")),
            message(key.sign(MANIFEST, "two\nlines")),
        ];
        insta::assert_snapshot!(said.join("\n"), @r"
        the signature does not fit: manifest or signature were changed
        the signature does not fit: manifest or signature were changed
        the image is signed with another key than the expected one
        the signature is not a minisign signature
        the signature is not a minisign signature
        a signature's comment cannot contain a line break
        ");
    }

    #[test]
    fn reads_keys_in_both_spellings_and_says_what_is_none() {
        let public = SigningKey::generate().unwrap().verifying().unwrap();
        let file = format!("untrusted comment: x\n{}\n", public.line());
        assert_eq!(VerifyingKey::parse(&file).unwrap(), public);
        assert_eq!(VerifyingKey::parse(&public.line()).unwrap(), public);
        for text in ["", "RW", "a\nb\nc", "untrusted comment: x\n"] {
            assert!(VerifyingKey::parse(text).is_err(), "{text:?}");
            assert!(SigningKey::parse(text).is_err(), "{text:?}");
        }
    }

    fn minisign(dir: &std::path::Path, arguments: &[&str]) {
        let ran = Command::new("minisign").args(arguments).current_dir(dir).output().unwrap();
        let said = [ran.stdout, ran.stderr].concat();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&said));
    }

    #[test]
    fn is_understood_by_minisign_and_understands_it() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        std::fs::write(dir.join("m"), MANIFEST).unwrap();

        let ours = SigningKey::generate().unwrap();
        std::fs::write(dir.join("m.minisig"), ours.sign(MANIFEST, "image 7").unwrap()).unwrap();
        minisign(dir, &["-V", "-m", "m", "-P", &ours.verifying().unwrap().line()]);
        std::fs::write(dir.join("our.key"), ours.text().unwrap().as_bytes()).unwrap();
        minisign(dir, &["-S", "-m", "m", "-s", "our.key", "-t", "by our key", "-x", "by-our-key"]);
        let signature = std::fs::read_to_string(dir.join("by-our-key")).unwrap();
        let comment = ours.verifying().unwrap().verify(MANIFEST, &signature).unwrap();
        assert_eq!(comment, "by our key");

        minisign(dir, &["-G", "-W", "-p", "their.pub", "-s", "their.key"]);
        minisign(dir, &["-S", "-m", "m", "-s", "their.key", "-t", "theirs", "-x", "by-theirs"]);
        let read = |name: &str| std::fs::read_to_string(dir.join(name)).unwrap();
        let theirs = VerifyingKey::parse(&read("their.pub")).unwrap();
        assert_eq!(theirs.verify(MANIFEST, &read("by-theirs")).unwrap(), "theirs");
        assert_eq!(SigningKey::parse(&read("their.key")).unwrap().verifying().unwrap(), theirs);
    }
}
