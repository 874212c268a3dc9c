//! What opens a vault: a password or the content of a key file.

use std::fmt;

use secrecy::{ExposeSecret, SecretSlice};
use zeroize::Zeroizing;

use super::VaultError;
use super::crypto::Key;
use super::words;

/// What is tried on the slots.
pub enum Credential {
    Password(Password),
    KeyFile(Key),
}

impl Credential {
    /// # Errors
    /// [`VaultError::EmptyPassword`]
    pub fn password(password: &[u8]) -> Result<Self, VaultError> {
        Password::new(password).map(Self::Password)
    }

    pub fn key_file(key: [u8; 32]) -> Self {
        Self::KeyFile(Zeroizing::new(key))
    }

    /// What to call it in a message.
    pub fn what(&self) -> &'static str {
        match self {
            Self::Password(_) => "password",
            Self::KeyFile(_) => "key file",
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.what())
    }
}

/// A password's bytes as they were typed, except that recovery words may be typed in any case and spacing.
/// Never empty; wiped when dropped.
pub struct Password(SecretSlice<u8>);

impl Password {
    /// # Errors
    /// [`VaultError::EmptyPassword`]
    pub fn new(password: &[u8]) -> Result<Self, VaultError> {
        if password.is_empty() {
            return Err(VaultError::EmptyPassword);
        }
        let words = words::as_written(password);
        let bytes = words.as_ref().map_or(password, |words| words.as_bytes());
        Ok(Self(bytes.to_vec().into()))
    }

    pub fn expose(&self) -> &[u8] {
        self.0.expose_secret()
    }
}
