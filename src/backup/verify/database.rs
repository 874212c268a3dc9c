//! A server's datastore, opened in memory: kine's table in an SQLite database.

use std::io::Read;

use rusqlite::{Connection, OptionalExtension as _};

use super::wal::{Merged, Wal};
use super::wrong;
use crate::error::{Error, Result};

/// A datastore that belongs to nobody else.
pub struct Database(Connection);

impl Database {
    /// Reads a database file of `size` bytes, with what its log has of it.
    pub fn read(source: &mut dyn Read, size: u64, wal: Option<Wal>) -> Result<Self> {
        let merged = Merged::new(source, size, wal)?;
        let size = merged.size();
        let mut connection = Connection::open_in_memory().map_err(unreadable)?;
        connection.deserialize_read_exact("main", merged, size, true).map_err(unreadable)?;
        Ok(Self(connection))
    }

    pub fn check_integrity(&self) -> Result<()> {
        let said: String = self
            .0
            .query_row("PRAGMA integrity_check(3)", [], |row| row.get(0))
            .map_err(unreadable)?;
        match said.as_str() {
            "ok" => Ok(()),
            _ => Err(wrong("SQLite finds its datastore damaged").detail(said)),
        }
    }

    /// The last revision that was committed.
    pub fn max_id(&self) -> Result<i64> {
        let last = self.0.query_row("SELECT max(id) FROM kine", [], |row| row.get(0));
        let last: Option<i64> =
            last.map_err(|error| wrong(format!("its datastore has no table of kine: {error}")))?;
        last.ok_or_else(|| wrong("its datastore is empty"))
    }

    /// The newest value of a key; `None` where there is none, or it was deleted.
    pub fn value(&self, key: &str) -> Result<Option<Vec<u8>>> {
        let sql = "SELECT value, deleted FROM kine WHERE name = ?1 ORDER BY id DESC LIMIT 1";
        let found: Option<(Vec<u8>, i64)> = self
            .0
            .query_row(sql, [key], |row| Ok((row.get_ref(0)?.as_bytes()?.to_vec(), row.get(1)?)))
            .optional()
            .map_err(unreadable)?;
        Ok(found.filter(|(_, deleted)| *deleted == 0).map(|(value, _)| value))
    }
}

fn unreadable(error: rusqlite::Error) -> Error {
    wrong(format!("its datastore cannot be read: {error}"))
}
