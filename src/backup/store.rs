//! Where backups are kept: a directory, or a bucket of an S3 server.
//!
//! A backup appears under its name whole or not at all, and never takes the place of another. What is not finished is
//! called `….part`, what could not be restored `….bad`; neither counts as a backup.

mod directory;
mod http;
mod index;
mod part;
mod s3;

use std::io::Read;
use std::path::{Path, PathBuf};

use jiff::civil::DateTime;

use super::retention;
use crate::cancel::Cancel;
use crate::error::{Error, ErrorKind, Result};
pub use directory::Directory;
pub use index::Record;
pub use part::Part;
pub use s3::{S3, S3Options};

/// A store that was opened.
pub struct Store {
    place: Place,
}

enum Place {
    Directory(Directory),
    S3 {
        s3: S3,
        /// Where a backup is sealed and verified before it is sent.
        spool: Directory,
    },
}

/// A backup in a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    pub name: String,
    pub node: String,
    /// When it was taken, in UTC.
    pub taken: DateTime,
    /// Bytes.
    pub size: u64,
    /// The user has put a file beside it that says so: the same name with `.pin`.
    pub is_pinned: bool,
    pub is_verified: bool,
    /// What the index says of it.
    pub record: Option<Record>,
}

/// Where a store is, and what opens it.
#[derive(Debug, Clone, Default)]
pub struct Address {
    /// `s3://bucket/prefix`, or a directory.
    pub url: String,
    pub s3: S3Options,
}

impl Store {
    /// Opens a store. A directory need not exist yet. `work`: where a backup may lie, sealed, before it is sent on.
    ///
    /// # Errors
    /// An address that names nothing, missing keys.
    pub fn open(address: &Address, project: &Path, work: &Path, cancel: &Cancel) -> Result<Self> {
        let url = address.url.as_str();
        let place = match (url.strip_prefix("s3://"), url.split_once("://")) {
            (Some(bucket), _) => Place::S3 {
                s3: S3::open(bucket, &address.s3, cancel)?,
                spool: Directory::new(work.to_owned()),
            },
            (None, Some((scheme, _))) if scheme != "file" => {
                return Err(wrong(format!("backups cannot be kept in `{scheme}://`"))
                    .hint("A store is a directory, or `s3://bucket/prefix`."));
            }
            (None, other) => {
                let path = other.map_or(url, |(_, path)| path);
                if path.is_empty() {
                    return Err(wrong("the store has no name")
                        .hint("A store is a directory, or `s3://bucket/prefix`."));
                }
                Place::Directory(Directory::new(directory(project, path)))
            }
        };
        Ok(Self { place })
    }

    /// All backups, of one node or of all, newest first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn list(&self, node: Option<&str>) -> Result<Vec<Stored>> {
        let mut all = match &self.place {
            Place::Directory(directory) => directory.list()?,
            Place::S3 { s3, .. } => s3.list()?,
        };
        all.retain(|stored| node.is_none_or(|node| stored.node == node));
        all.sort_by(|one, other| (other.taken, &other.name).cmp(&(one.taken, &one.name)));
        Ok(all)
    }

    /// What is left of runs that were cut, and what could not be restored.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn leftovers(&self) -> Result<Vec<String>> {
        self.local().leftovers()
    }

    /// Makes the file that a backup is sealed into, and removes what runs that were cut have left there.
    ///
    /// # Errors
    /// It cannot be written, or there is a backup of this name.
    pub fn begin(&self, name: &str) -> Result<Part> {
        if let Place::S3 { s3, .. } = &self.place {
            s3.refuse_existing(name)?;
        }
        self.local().begin(name)
    }

    /// Gives a verified part its name. `check`: what was sent away is read back and compared.
    ///
    /// # Errors
    /// It cannot be written or sent, or there is a backup of this name.
    pub fn keep(
        &self,
        part: Part,
        record: &Record,
        check: bool,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<()> {
        match &self.place {
            Place::Directory(directory) => directory.keep(part, record),
            Place::S3 { s3, .. } => s3.send(&part, record, check, progress),
        }
    }

    /// The bytes of a backup.
    ///
    /// # Errors
    /// There is none of that name, or it cannot be read.
    pub fn read(&self, name: &str) -> Result<Box<dyn Read + Send + '_>> {
        match &self.place {
            Place::Directory(directory) => directory.read(name),
            Place::S3 { s3, .. } => s3.read(name),
        }
    }

    /// The first bytes of a backup, which hold its header.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_begin(&self, name: &str, count: u64) -> Result<Vec<u8>> {
        match &self.place {
            Place::Directory(directory) => directory.read_begin(name, count),
            Place::S3 { s3, .. } => s3.read_begin(name, count),
        }
    }

    /// Notes that a backup was verified again.
    ///
    /// # Errors
    /// The index cannot be written.
    pub fn note(&self, record: &Record) -> Result<()> {
        match &self.place {
            Place::Directory(directory) => directory.note(record),
            Place::S3 { .. } => Ok(()),
        }
    }

    /// Removes a backup.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn remove(&self, name: &str) -> Result<()> {
        match &self.place {
            Place::Directory(directory) => directory.remove(name),
            Place::S3 { s3, .. } => s3.remove(name),
        }
    }

    fn local(&self) -> &Directory {
        match &self.place {
            Place::Directory(directory) | Place::S3 { spool: directory, .. } => directory,
        }
    }
}

/// A directory as the user names it: in the project, unless it is absolute or in the home directory.
fn directory(project: &Path, path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => project.join(path),
    }
}

/// A file of a store, if its name is that of a backup.
fn stored(name: &str, size: u64) -> Option<Stored> {
    let (node, _) = name.rsplit_once('_')?;
    let taken = retention::taken(node, name)?;
    Some(Stored {
        name: name.to_owned(),
        node: node.to_owned(),
        taken,
        size,
        is_pinned: false,
        is_verified: false,
        record: None,
    })
}

fn wrong(why: impl Into<String>) -> Error {
    Error::new(ErrorKind::Backup, why)
}

fn exists(name: &str) -> Error {
    wrong(format!("there is a backup called {name} already")).hint("Run it again in a second.")
}
