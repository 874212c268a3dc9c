//! The boot partition: a tree laid out as FAT32, and read back.
//!
//! The Pi's boot ROM goes by the partition's type, U-Boot and Linux by the number of clusters: below 65525 a volume is
//! FAT16, whatever its table says. So there are always more.

mod format;
mod names;
mod time;

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom, Write};

use fatfs::{FileSystem, FsOptions};

use super::tree::{Content, Entry, Tree};
use super::volume::{ReadAt, Volume, Window};
use crate::error::{Error, ErrorKind, Result};

/// The smallest volume with enough clusters, of 512 bytes each, and its tables.
pub const MIN_SIZE: u64 = 34 << 20;
/// What is read back at the most; a boot partition has some tens of MB.
const MAX_READ: u64 = 512 << 20;

/// How to lay a volume out.
#[derive(Debug, Clone)]
pub struct Fat32 {
    /// Bytes, whole sectors of 512, at least [`MIN_SIZE`].
    pub size: u64,
    /// Up to 11 of `A-Z 0-9 _ -`.
    pub label: String,
    pub volume_id: u32,
}

impl Fat32 {
    /// Lays the tree's files and directories out. Owners and modes are lost: FAT has none.
    ///
    /// # Errors
    /// When the tree has what FAT cannot hold (symbolic links, devices, two names that differ in case only), or does
    /// not fit.
    pub fn volume(&self, tree: &Tree) -> Result<Volume> {
        self.check()?;
        check_names(tree)?;
        format::format(self, tree)
    }

    fn check(&self) -> Result<()> {
        if self.size < MIN_SIZE || self.size > 32 << 30 || !self.size.is_multiple_of(512) {
            return Err(wrong(format!("{} bytes cannot be the size of a FAT32 file system", self.size))
                .hint("It takes whole sectors of 512 bytes, at least 34 MiB and at most 32 GiB. 100M is usual."));
        }
        let label = &self.label;
        let fits =
            |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
        if label.is_empty() || label.len() > 11 || !label.bytes().all(fits) {
            return Err(wrong(format!("`{label}` cannot be the label of a FAT file system"))
                .hint("It has 1 to 11 of A-Z, 0-9, _ and -."));
        }
        Ok(())
    }
}

/// Reads all files of a FAT volume into memory.
///
/// # Errors
/// When it is none, or it is damaged, or holds more than half a GB.
pub fn read(volume: &dyn ReadAt) -> Result<Tree> {
    let disk = ReadOnly(Window::new(volume, 0, volume.size()));
    let system = FileSystem::new(disk, FsOptions::new().update_accessed_date(false))
        .map_err(|error| unreadable(&error))?;
    let mut tree = Tree::new();
    let mut left = MAX_READ;
    let mut todo = vec![(String::new(), system.root_dir())];
    while let Some((path, dir)) = todo.pop() {
        for entry in dir.iter() {
            let entry = entry.map_err(|error| unreadable(&error))?;
            let name = entry.file_name();
            if matches!(&*name, "." | "..") {
                continue;
            }
            let path = format!("{path}/{name}");
            let time = time::seconds(entry.modified());
            if entry.is_dir() {
                tree.insert(&path, Entry::directory(0o755).at(time))?;
                todo.push((path, entry.to_dir()));
                // A directory that contains itself would never end.
                left = left.saturating_sub(512);
            } else {
                left = left.checked_sub(entry.len()).ok_or_else(too_much)?;
                let mut bytes = Vec::new();
                entry.to_file().read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
                tree.insert(&path, Entry::file(bytes, 0o644).at(time))?;
            }
            if left == 0 {
                return Err(too_much());
            }
        }
    }
    Ok(tree)
}

/// A file's content in a tree that was read; for those who need one file only.
///
/// # Errors
/// When there is no such file.
pub fn file<'a>(tree: &'a Tree, path: &str) -> Result<&'a Content> {
    tree.content(path).ok_or_else(|| wrong(format!("there is no /{path} on the boot partition")))
}

fn check_names(tree: &Tree) -> Result<()> {
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for (path, _) in tree.iter() {
        if let Some(other) = seen.insert(path.to_lowercase(), path) {
            return Err(wrong(format!(
                "/{other} and /{path} are the same name for the boot partition: FAT does not tell case apart"
            )));
        }
    }
    Ok(())
}

/// A volume that fatfs may only read, although it asks for more.
struct ReadOnly<R>(R);

impl<R: Read> Read for ReadOnly<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.read(bytes)
    }
}

impl<R: Seek> Seek for ReadOnly<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

impl<R> Write for ReadOnly<R> {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn wrong(message: String) -> Error {
    Error::new(ErrorKind::Image, message)
}

fn unreadable(error: &io::Error) -> Error {
    wrong(format!("the boot partition cannot be read: {error}"))
}

fn too_much() -> Error {
    wrong(format!("the boot partition holds more than {} MiB", MAX_READ >> 20))
}

#[cfg(test)]
mod tests;
