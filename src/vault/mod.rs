//! The vault: `vault.enc`, where a cluster's secrets are sealed one by one.
//!
//! [`Vault`] is the sealed text, [`OpenVault`] a vault whose key is known, [`VaultFile`] an open vault that lies in a
//! file, [`ProjectVault`] the handle that a run shares: it opens the file when a secret is first asked for. [`Secret`]
//! is what comes out, and [`Redactor`] keeps it out of every output. `docs/vault-format.md` describes the file.

pub mod ansible;
mod credential;
pub(crate) mod crypto;
mod error;
mod file;
mod format;
mod history;
mod kdf;
mod key;
mod memory;
mod merge;
mod open;
mod password;
mod project;
mod random;
mod redact;
#[cfg(test)]
mod rfc_vectors;
mod sealed;
mod secret;
mod slot;
mod value;
mod words;
pub mod yaml;

pub use credential::{Credential, Password};
pub use error::VaultError;
pub use file::{VaultFile, read};
pub(crate) use format::BASE64;
pub use format::name_is_valid;
pub use history::History;
pub use kdf::{Kdf, Limits};
pub use key::VaultKey;
pub use merge::{Prefer, merge};
pub use open::OpenVault;
pub use password::{Ask, KeyFile, Source, Sources};
pub use project::{ProjectVault, Watch, went_back};
pub use random::random_text;
pub use redact::{RedactStream, Redactor};
pub use sealed::{Unlocked, Vault, fingerprint};
pub use secret::{Secret, placeholder};
pub use slot::{Slot, SlotKind};
pub use value::{SecretValue, ValueKind};
pub use words::recovery_words;

/// Names that start so are pirun's own: vault keys from before a rotation.
const RESERVED: &str = "_old/";

/// The vault's name in a project's directory.
pub const FILE_NAME: &str = "vault.enc";
