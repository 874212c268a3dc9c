//! Whether a backup can be restored: everything that k3s would trip over is looked at, without k3s and without a file.
//!
//! That SQLite finds the database whole is not enough: a copy of a running server's `state.db` without its log is whole, and
//! lacks the newest writes. So the last revision is compared with what the node said before it copied, and the record that
//! k3s starts from must open with the token in the same backup.

mod bootstrap;
mod database;
mod wal;

use std::collections::BTreeMap;
use std::io::Read;

use zeroize::Zeroizing;

use super::token::Token;
use super::unit::{self, CERTIFICATE, DATABASE, Entry, EntryKind, Info, Kind, TOKEN, Unit, WAL};
use crate::error::{Error, ErrorKind, Result};
use database::Database;
use wal::Wal;

/// Bytes of a file that is kept to be compared: tokens, keys and certificates.
const MAX_KEPT: u64 = 1 << 20;

/// A backup that can be restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    pub unit: Unit,
    /// The datastore's last revision; `None` if there is no datastore in it.
    pub max_id: Option<i64>,
    /// [`Token::fingerprint`] of what the datastore opens with; "" if there is none in it.
    pub token: String,
}

/// Reads a unit to its end and looks into it. Needs as much memory as its datastore has bytes.
///
/// # Errors
/// What keeps it from being restored.
pub fn verify(source: impl Read) -> Result<Verified> {
    let mut parts = Parts::default();
    let unit = unit::read(source, &mut |info, entry, content| parts.take(info, entry, content))?;
    let (max_id, token) = match &unit.info.kind {
        Kind::Paths => Default::default(),
        Kind::Server { cluster, max_id, .. } => {
            let (max_id, token) = parts.check(cluster, *max_id)?;
            (Some(max_id), token.fingerprint())
        }
    };
    Ok(Verified { unit, max_id, token })
}

/// What of a unit is looked into.
#[derive(Default)]
struct Parts {
    wal: Option<Wal>,
    database: Option<Database>,
    /// Small files by name.
    kept: BTreeMap<String, Zeroizing<Vec<u8>>>,
}

impl Parts {
    fn take(&mut self, info: &Info, entry: &Entry, content: &mut dyn Read) -> Result<()> {
        let (Kind::Server { .. }, EntryKind::File(size)) = (&info.kind, &entry.kind) else {
            return Ok(());
        };
        match entry.name.as_str() {
            WAL if self.database.is_some() => {
                Err(wrong("the datastore's log comes behind the datastore"))
            }
            WAL => {
                self.wal = Some(Wal::read(content)?);
                Ok(())
            }
            DATABASE => {
                self.database = Some(Database::read(content, *size, self.wal.take())?);
                Ok(())
            }
            name if *size <= MAX_KEPT && (name == TOKEN || bootstrap::is_compared(name)) => {
                let mut bytes = Zeroizing::new(Vec::new());
                content.read_to_end(&mut bytes).map_err(unit::failed)?;
                self.kept.insert(entry.name.clone(), bytes);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Gives the last revision, and the token that the datastore opens with.
    fn check(self, cluster: &str, expected: i64) -> Result<(i64, Token)> {
        // The reader has seen to it that they are there.
        let missing = || wrong("the datastore, the token or the cluster's certificate is missing");
        let database = self.database.ok_or_else(missing)?;
        let authority = self.kept.get(CERTIFICATE).ok_or_else(missing)?;
        let token = Token::parse(self.kept.get(TOKEN).ok_or_else(missing)?)?;
        token.check_authority(authority, cluster)?;
        database.check_integrity()?;
        let max_id = database.max_id()?;
        if max_id < expected {
            return Err(wrong(format!(
                "its datastore ends at revision {max_id}, and the server was at {expected} before the copy: writes are missing"
            )));
        }
        bootstrap::check(&database, &token, &self.kept)?;
        Ok((max_id, token))
    }
}

pub(super) fn wrong(why: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Backup, format!("the backup could not be restored: {why}"))
}
