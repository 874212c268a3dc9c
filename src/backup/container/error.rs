//! What can be wrong with a container.

use std::io;

use crate::error::{Error, ErrorKind};
use crate::vault::VaultError;

/// Damage, an altered file, a cut one, and a key that does not fit are told apart.
#[derive(Debug, thiserror::Error)]
pub enum ContainerError {
    #[error("this is not a pirun backup: its first line is not `pirun-backup 1`")]
    NotABackup,
    #[error("this backup has format version {0}, which is newer than this pirun")]
    NewerVersion(String),
    #[error("line {line} of the header is damaged: {why}")]
    Damaged { line: usize, why: &'static str },
    #[error(transparent)]
    Slots(#[from] VaultError),
    #[error("it was sealed under the key {key}, which this vault does not have")]
    OtherVault { key: String },
    #[error("the key is right, but the header was altered")]
    HeaderAltered,
    #[error("the backup is cut off: its header is not whole")]
    CutInHeader,
    #[error("the backup is cut off after {chunks} whole chunks")]
    Cut { chunks: u64 },
    #[error("chunk {chunk} was altered, or the backup is cut off in it")]
    Altered { chunk: u64 },
    #[error("something stands behind the end of the compressed data")]
    TrailingData,
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<ContainerError> for io::Error {
    fn from(error: ContainerError) -> Self {
        match error {
            ContainerError::Io(error) => error,
            error => Self::new(io::ErrorKind::InvalidData, error),
        }
    }
}

impl ContainerError {
    /// The error behind an `io::Error` of a [`Reader`](super::Reader).
    pub fn of(error: io::Error) -> Self {
        match error.downcast::<Self>() {
            Ok(error) => error,
            Err(error) => Self::Io(error),
        }
    }

    fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::NewerVersion(_) => "Update pirun.",
            Self::OtherVault { .. } => {
                "Is it another cluster's? Its own password opens it without any vault: the one that the vault had then."
            }
            Self::Cut { .. } | Self::CutInHeader | Self::Altered { .. } => {
                "Take another copy of it, or an older backup."
            }
            _ => return None,
        })
    }
}

impl From<ContainerError> for Error {
    fn from(error: ContainerError) -> Self {
        if let ContainerError::Slots(error) = error {
            return error.into();
        }
        let base = Self::new(ErrorKind::Backup, error.to_string());
        match error.hint() {
            Some(hint) => base.hint(hint),
            None => base,
        }
    }
}
