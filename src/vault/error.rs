//! What can be wrong with a vault. Damage, tampering and a wrong password are told apart.

use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind};
use crate::suggest::did_you_mean;

use super::kdf::Kdf;

/// Everything that vault operations fail with. The hints are in the conversion to [`Error`].
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    // What a file's text tells, without a password.
    #[error("this is not a pirun vault: its first line is not `pirun-vault 1`")]
    NotAVault,
    #[error("this vault has format version {0}, which is newer than this pirun")]
    NewerVersion(String),
    #[error("line {line} is a git conflict marker")]
    GitConflict { line: usize },
    #[error("line {line} is damaged: {why}")]
    Damaged { line: usize, why: &'static str },
    #[error("the vault is too large: {bytes} bytes, of at most 4 MiB")]
    TooLarge { bytes: usize },

    // The cost of a slot, checked before it is paid.
    #[error("slot `{slot}` asks for {kdf}, which is above the limit: not tried")]
    KdfTooExpensive { slot: String, kdf: Kdf },
    #[error("slot `{slot}` asks for {kdf}, which protects no password: not tried")]
    KdfTooWeak { slot: String, kdf: Kdf },
    #[error("slot `{slot}` has a cost that Argon2 does not allow: not tried")]
    KdfInvalid { slot: String },
    #[error("there is not enough memory to check the password: it takes {kdf}")]
    OutOfMemory { kdf: Kdf },

    // What the credential tells.
    #[error("wrong {what}: it opens none of the slots ({}); the file itself is undamaged", .tried.join(", "))]
    WrongCredential { what: String, tried: Vec<String> },
    #[error("the vault has no slot for a {what}")]
    NoMatchingSlot { what: &'static str, labels: Vec<String> },
    #[error("the password is right, but slot `{0}` or the vault's id was altered")]
    SlotAltered(String),
    #[error("secret `{0}` was altered, or moved here from another name or vault")]
    SecretAltered(String),
    #[error("secret `{0}` is sealed by this vault, but in a way this pirun does not know")]
    SecretUnknown(String),
    #[error("every secret is genuine, but the list of them was changed without the password")]
    SetChanged,

    // What the caller asked for.
    #[error("there is no secret `{name}` in the vault")]
    NoSecret { name: String, names: Vec<String> },
    #[error("there is a secret `{0}` already")]
    SecretExists(String),
    #[error("`{0}` cannot be a name")]
    BadName(String),
    #[error("`{0}` is a name that pirun keeps for itself")]
    ReservedName(String),
    #[error("this is not JSON: line {line}, column {column}")]
    NotJson { line: usize, column: usize },
    #[error("there is no slot `{label}`")]
    NoSlot { label: String, labels: Vec<String> },
    #[error("there is a slot `{0}` already")]
    SlotExists(String),
    #[error("`{0}` is the only slot: without it nobody could open the vault")]
    LastSlot(String),
    #[error("a vault has at most 16 slots")]
    TooManySlots,
    #[error("rotating needs the password or key of every slot; missing: {}", .0.join(", "))]
    SlotsNotOpened(Vec<String>),

    // Files.
    #[error("{}", Error::io(.0, .1))]
    Io(PathBuf, std::io::Error),
    #[error("there is no vault here")]
    Missing,
    #[error("there is a vault here already")]
    Exists,
    #[error("another pirun is writing the vault")]
    Busy,
    #[error("another pirun rotated the vault key in the meantime")]
    RotatedMeanwhile,
    #[error("both sides changed: {}", .0.join(", "))]
    MergeConflict(Vec<String>),
    #[error("the versions are not of one vault under one key, or one of them is not genuine")]
    MergeOtherKey,
    #[error("the operating system gives no random numbers")]
    NoRandom,

    // Sources of the password.
    #[error("an empty password protects nothing")]
    EmptyPassword,
    #[error(
        "no password for the vault: there is no terminal to ask on, and no other source is set"
    )]
    NoSource,
    #[error("{} can be read by others (mode {mode:04o})", .path.display())]
    ReadableByOthers { path: PathBuf, mode: u32 },
    #[error("{} is not a key file: it has to hold 32 bytes, or the same as base64", .0.display())]
    NotAKeyFile(PathBuf),
    #[error("{} is a script: pirun reads password files and never runs them", .0.display())]
    PasswordFileIsScript(PathBuf),
    #[error("the password command failed: {0}")]
    PasswordCommand(String),
    #[error("cancelled")]
    Cancelled,
}

impl VaultError {
    /// The error as the user sees it: with the vault's file, where it is about that file.
    pub fn in_file(self, file: &Path) -> Error {
        if self.is_about_the_file() {
            with_prefix(&file.display().to_string(), self)
        } else {
            self.into()
        }
    }

    fn is_about_the_file(&self) -> bool {
        !matches!(
            self,
            Self::NoSecret { .. }
                | Self::BadName(_)
                | Self::ReservedName(_)
                | Self::NotJson { .. }
                | Self::Io(..)
                | Self::NoRandom
                | Self::EmptyPassword
                | Self::NoSource
                | Self::ReadableByOthers { .. }
                | Self::NotAKeyFile(_)
                | Self::PasswordFileIsScript(_)
                | Self::PasswordCommand(_)
                | Self::Cancelled
        )
    }

    /// A vault that would open, but was asked for something that it does not have or do, is a mistake of the caller.
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NoSecret { .. }
            | Self::SecretExists(_)
            | Self::BadName(_)
            | Self::ReservedName(_)
            | Self::NotJson { .. }
            | Self::NoSlot { .. }
            | Self::SlotExists(_)
            | Self::LastSlot(_)
            | Self::TooManySlots
            | Self::Exists
            | Self::EmptyPassword => ErrorKind::Usage,
            _ => ErrorKind::Vault,
        }
    }

    /// Whether another try at the prompt can help.
    pub fn is_wrong_credential(&self) -> bool {
        matches!(self, Self::WrongCredential { .. })
    }

    fn hints(&self) -> Vec<String> {
        let hint: &str = match self {
            Self::NoSecret { name, names } => return no_secret_hints(name, names),
            Self::NoSlot { label, labels } => {
                let near = did_you_mean(label, labels.iter().map(String::as_str));
                return vec![
                    near.unwrap_or_else(|| format!("The slots are: {}.", labels.join(", "))),
                ];
            }
            Self::NoMatchingSlot { labels, .. } => {
                return vec![format!("The slots are: {}.", labels.join(", "))];
            }
            Self::NoSource => return no_source_hints(),
            Self::NewerVersion(_) => "Update pirun.",
            Self::GitConflict { .. } => {
                "Run `pirun vault merge`: it merges both sides secret by secret. \
                 `pirun vault git-setup` makes git do so by itself."
            }
            Self::Damaged { .. }
            | Self::NotAVault
            | Self::SlotAltered(_)
            | Self::SecretAltered(_) => {
                "Take the file from git or a backup, for example with `git checkout vault.enc`."
            }
            Self::SetChanged => {
                "A merge, a deletion or an older copy does this. `pirun vault verify` lists what is there; \
                 `pirun vault verify --accept` keeps it."
            }
            Self::WrongCredential { .. } => {
                "Is this another vault's password? `pirun vault status` shows this vault's slots without one."
            }
            Self::KdfTooExpensive { .. } | Self::KdfTooWeak { .. } | Self::KdfInvalid { .. } => {
                "No pirun writes such a slot. Take the file from git or a backup."
            }
            Self::OutOfMemory { .. } => {
                "Open it on a larger machine and add a slot with `pirun vault passwd add LABEL --kdf small`."
            }
            Self::SecretUnknown(_) => "Update pirun.",
            Self::BadName(_) => "Names are 1 to 128 of the characters A-Z a-z 0-9 . _ / -",
            Self::SecretExists(_) => "Remove it first, or choose another name.",
            Self::SlotExists(_) => "Use `pirun vault passwd replace LABEL` to change it.",
            Self::LastSlot(_) => "Add another slot first: `pirun vault passwd add LABEL`.",
            Self::SlotsNotOpened(_) => {
                "Give them as `--slot-file LABEL=FILE`, or give up those slots with `--drop LABEL`, and add \
                 them again later."
            }
            Self::Missing => "Make one with `pirun vault create`.",
            Self::Exists => "Remove the file first if it is not wanted any more.",
            Self::Busy => {
                "Wait for it to end. If none is running, look with `fuser vault.enc` who holds the file."
            }
            Self::MergeConflict(_) => {
                "Choose with `--take ours` or `--take theirs`, and set what is missing then."
            }
            Self::MergeOtherKey => {
                "Was the key rotated on one side? Take that side, for example with \
                 `git checkout --theirs vault.enc`, and set the other side's secrets again."
            }
            Self::RotatedMeanwhile => "Run the command again.",
            Self::ReadableByOthers { path, .. } => {
                return vec![format!("Run `chmod 600 {}`.", path.display())];
            }
            Self::PasswordFileIsScript(path) => {
                return vec![format!("Run it with `--vault-password-command {}`.", path.display())];
            }
            Self::NotAKeyFile(_) => "Make one with `pirun vault passwd add LABEL --key-file FILE`.",
            _ => return Vec::new(),
        };
        vec![hint.to_owned()]
    }
}

impl From<VaultError> for Error {
    fn from(error: VaultError) -> Self {
        if matches!(error, VaultError::Cancelled) {
            return Self::cancelled();
        }
        let base = Self::new(error.kind(), error.to_string());
        error.hints().into_iter().fold(base, Self::hint)
    }
}

fn with_prefix(file: &str, error: VaultError) -> Error {
    let base = Error::new(error.kind(), format!("{file}: {error}"));
    error.hints().into_iter().fold(base, Error::hint)
}

fn no_secret_hints(name: &str, names: &[String]) -> Vec<String> {
    let near = did_you_mean(name, names.iter().map(String::as_str));
    let set = format!("`pirun vault set {name}` adds it; `pirun vault list` shows all names.");
    near.into_iter().chain([set]).collect()
}

fn no_source_hints() -> Vec<String> {
    vec![
        "Give one of: --vault-password-command CMD, --vault-password-file FILE, --vault-key-file FILE.".into(),
        "Or set one of: PIRUN_VAULT_PASSWORD_COMMAND, PIRUN_VAULT_PASSWORD_FILE, PIRUN_VAULT_KEY_FILE, \
         PIRUN_VAULT_PASSWORD (the weakest: other processes of yours can read it)."
            .into(),
    ]
}
