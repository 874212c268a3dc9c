//! A directory of backups: `NODE_TIME.pbk` files, an index, and marks of what must stay.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::index::{self, Record};
use super::part::Part;
use super::{Stored, exists, stored, wrong};
use crate::error::{Error, Result};

/// Made when the first backup is.
#[derive(Debug, Clone)]
pub struct Directory {
    path: PathBuf,
}

impl Directory {
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    fn names(&self) -> Result<Vec<(String, u64)>> {
        let io = |error: std::io::Error| Error::io(&self.path, &error);
        let entries = match fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(io(error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(io)?;
            let meta = entry.metadata().map_err(io)?;
            if let (Ok(name), true) = (entry.file_name().into_string(), meta.is_file()) {
                names.push((name, meta.len()));
            }
        }
        Ok(names)
    }

    pub(super) fn list(&self) -> Result<Vec<Stored>> {
        let (names, mut records) = (self.names()?, index::read(&self.path)?);
        let mut all: Vec<_> = names.iter().filter_map(|(name, size)| stored(name, *size)).collect();
        for stored in &mut all {
            stored.record = records.remove(&stored.name);
            // One that was changed since is another.
            stored.is_verified =
                stored.record.as_ref().is_some_and(|record| record.size == stored.size);
            let pin = format!("{}.pin", stored.name);
            stored.is_pinned = names.iter().any(|(name, _)| *name == pin);
        }
        Ok(all)
    }

    pub(super) fn leftovers(&self) -> Result<Vec<String>> {
        let is_left =
            |name: &str| name.ends_with(".pbk.bad") || Part::is_left(&self.path.join(name));
        let mut names: Vec<_> =
            self.names()?.into_iter().map(|(name, _)| name).filter(|name| is_left(name)).collect();
        names.sort();
        Ok(names)
    }

    pub(super) fn begin(&self, name: &str) -> Result<Part> {
        let mut builder = fs::DirBuilder::new();
        let made = builder.recursive(true).mode(0o700).create(&self.path);
        made.map_err(|error| Error::io(&self.path, &error))?;
        for (left, _) in self.names()? {
            let path = self.path.join(left);
            if Part::is_left(&path) {
                fs::remove_file(&path).map_err(|error| Error::io(&path, &error))?;
            }
        }
        if self.path.join(name).exists() {
            return Err(exists(name));
        }
        Part::create(&self.path, name)
    }

    pub(super) fn keep(&self, part: Part, record: &Record) -> Result<()> {
        let path = self.path.join(&record.name);
        part.sync()?;
        part.rename(&path).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => exists(&record.name),
            _ => Error::io(&path, &error),
        })?;
        let synced = File::open(&self.path).and_then(|directory| directory.sync_all());
        synced.map_err(|error| Error::io(&self.path, &error))?;
        self.note(record)
    }

    pub(super) fn note(&self, record: &Record) -> Result<()> {
        index::append(&self.path, record)
    }

    pub(super) fn read(&self, name: &str) -> Result<Box<dyn Read + Send>> {
        let path = self.path.join(name);
        let file = File::open(&path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => wrong(format!("there is no backup {}", path.display())),
            _ => Error::io(&path, &error),
        })?;
        Ok(Box::new(file))
    }

    pub(super) fn read_begin(&self, name: &str, count: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = self.read(name)?.take(count).read_to_end(&mut bytes);
        read.map_err(|error| Error::io(self.path.join(name), &error))?;
        Ok(bytes)
    }

    pub(super) fn remove(&self, name: &str) -> Result<()> {
        let path = self.path.join(name);
        fs::remove_file(&path).map_err(|error| Error::io(&path, &error))
    }
}
