//! What is known of the backups in a directory: a line of JSON for each verification. A cut or damaged line counts as none.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The file's name.
pub const FILE: &str = "index.jsonl";

/// One verification of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub name: String,
    /// Of the sealed file, in lower-case hexadecimal.
    pub sha256: String,
    /// Bytes of the sealed file.
    pub size: u64,
    pub node: String,
    /// `server` or `paths`.
    pub kind: String,
    /// `v1.34.2+k3s1`; empty in a backup of paths.
    pub k3s: String,
    /// SHA-256 of the cluster's authority; empty in a backup of paths.
    pub cluster: String,
    /// The datastore's last revision; 0 in a backup of paths.
    pub max_id: i64,
    /// Files in it, and their bytes.
    pub files: usize,
    pub bytes: u64,
    /// The vault that opens it.
    pub vault: String,
    /// When it was verified: `2026-11-27T10:42:26Z`.
    pub verified: String,
}

/// The last record of each name.
pub fn read(directory: &Path) -> Result<HashMap<String, Record>> {
    let path = directory.join(FILE);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        Err(error) => return Err(Error::io(&path, &error)),
    };
    let records = text.lines().filter_map(|line| serde_json::from_str::<Record>(line).ok());
    Ok(records.map(|record| (record.name.clone(), record)).collect())
}

/// Adds a record.
pub fn append(directory: &Path, record: &Record) -> Result<()> {
    let path = directory.join(FILE);
    let io = |error: std::io::Error| Error::io(&path, &error);
    let line = serde_json::to_string(record).map_err(|error| Error::bug(error.to_string()))?;
    // A line that was cut ends here, so that it spoils no other.
    let is_cut = fs::read(&path).is_ok_and(|text| text.last().is_some_and(|byte| *byte != b'\n'));
    let mut file = OpenOptions::new().append(true).create(true).open(&path).map_err(io)?;
    let begin = if is_cut { "\n" } else { "" };
    file.write_all(format!("{begin}{line}\n").as_bytes()).map_err(io)?;
    file.sync_all().map_err(io)
}
