//! What a sealed container holds: one node's state as a tar archive, which says of itself what it is.
//!
//! A server's unit is enough to start its control plane on another card; a unit of paths holds what its user named. The
//! first entry, `INFO`, tells which it is and where it comes from; the last, `MANIFEST`, has the hash of every file. What is
//! between has known names only: `docs/backup-format.md` lists them.

mod info;
mod names;
mod read;
#[cfg(test)]
mod tests;

pub use info::{Info, Kind, Method};
pub use names::{CERTIFICATE, DATABASE, TOKEN, WAL};
pub(in crate::backup) use read::failed;
pub use read::{Entry, EntryKind, Unit, read};

use crate::error::{Error, ErrorKind};

/// The name of the first entry.
pub const INFO: &str = "INFO";
/// The name of the last entry.
pub const MANIFEST: &str = "MANIFEST";

/// What is wrong with a unit.
fn refused(why: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Backup, format!("what the backup holds is refused: {why}"))
}
