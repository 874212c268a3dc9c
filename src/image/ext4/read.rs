//! From an ext4 file system, ours or one that a kernel has written to, back to a tree.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use mkext4::reader::Fs;
use mkext4::spec::ROOT_INO;
use mkext4::spec::inode::{FileType, Inode};

use super::{refused, wrong};
use crate::error::Result;
use crate::image::tree::{Entry, Kind, Tree};
use crate::image::volume::ReadAt;

/// What is read at the most: data partitions of images, not whole cards.
const MAX_READ: u64 = 512 << 20;
const MAX_PATHS: usize = 1 << 20;

/// Reads the whole file system into memory.
///
/// # Errors
/// When it is no ext4 file system, or a damaged one, one that was not unmounted, or one of more than half a GB
/// of files.
pub fn read(volume: &dyn ReadAt) -> Result<Tree> {
    let system = Fs::open(Source(volume)).map_err(cannot)?;
    if system.superblock().feature_incompat & NEEDS_RECOVERY != 0 {
        return Err(wrong(
            "the ext4 file system was not unmounted: its journal must be replayed first".into(),
        )
        .hint("Mount and unmount it, or run `e2fsck -p` on it."));
    }
    let mut reading = Reading {
        system,
        tree: Tree::new(),
        names: BTreeMap::new(),
        directories: BTreeSet::new(),
        left: MAX_READ,
    };
    reading.put("", ROOT_INO)?;
    let mut todo = vec![(String::new(), ROOT_INO)];
    while let Some((path, number)) = todo.pop() {
        todo.extend(reading.directory(&path, number)?);
    }
    Ok(reading.tree)
}

/// The journal holds changes that the rest of the file system does not have yet.
const NEEDS_RECOVERY: u32 = 4;

pub(super) struct Source<'a>(pub &'a dyn ReadAt);

impl mkext4::reader::ReadAt for Source<'_> {
    fn read_exact_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(bytes, offset)
    }
}

struct Reading<'a> {
    system: Fs<Source<'a>>,
    tree: Tree,
    /// The first name of each file that has several.
    names: BTreeMap<u32, String>,
    directories: BTreeSet<u32>,
    left: u64,
}

impl Reading<'_> {
    /// Puts what is in a directory into the tree; gives the directories in it.
    fn directory(&mut self, path: &str, number: u32) -> Result<Vec<(String, u32)>> {
        if !self.directories.insert(number) {
            return Err(damaged(path, "the directory is in two places"));
        }
        let mut entries = self.system.read_dir(number).map_err(cannot)?;
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        let mut below = Vec::new();
        for entry in entries.into_iter().filter(|entry| entry.inode != 0) {
            let name = String::from_utf8(entry.name)
                .map_err(|_| damaged(path, "a name in it is not UTF-8"))?;
            if matches!(&*name, "." | "..") || (path.is_empty() && name == "lost+found") {
                continue;
            }
            if self.tree.iter().len() >= MAX_PATHS {
                return Err(wrong("the ext4 file system has more than a million paths".into()));
            }
            let path = if path.is_empty() { name } else { format!("{path}/{name}") };
            if self.put(&path, entry.inode)? {
                below.push((path, entry.inode));
            }
        }
        Ok(below)
    }

    /// Puts one inode into the tree; says whether it is a directory.
    fn put(&mut self, path: &str, number: u32) -> Result<bool> {
        let inode = self.system.inode(number).map_err(cannot)?;
        let kind = self.kind(path, number, &inode)?;
        let is_directory = kind == Kind::Directory;
        let mut entry = Entry {
            kind,
            mode: inode.mode & 0o7777,
            uid: inode.uid,
            gid: inode.gid,
            mtime: Inode::timestamp(inode.mtime, inode.mtime_extra).0,
            xattrs: BTreeMap::new(),
        };
        if !matches!(entry.kind, Kind::Hard(_)) {
            for found in self.system.xattrs(number).map_err(cannot)? {
                let name = found.full_name().and_then(|name| String::from_utf8(name).ok());
                let name =
                    name.ok_or_else(|| damaged(path, "an extended attribute has no name"))?;
                entry.xattrs.insert(name, found.value);
            }
        }
        self.tree.insert(path, entry)?;
        Ok(is_directory)
    }

    fn kind(&mut self, path: &str, number: u32, inode: &Inode) -> Result<Kind> {
        let device =
            || inode.dev_numbers().ok_or_else(|| damaged(path, "the device has no number"));
        if inode.file_type() != FileType::Dir && inode.links_count > 1 {
            if let Some(first) = self.names.get(&number) {
                return Ok(Kind::Hard(first.clone()));
            }
            self.names.insert(number, path.to_owned());
        }
        Ok(match inode.file_type() {
            FileType::Dir => Kind::Directory,
            FileType::Regular => {
                self.left = self.left.checked_sub(inode.size).ok_or_else(|| {
                    wrong(format!("the ext4 file system holds more than {} MiB", MAX_READ >> 20))
                })?;
                Kind::File(crate::image::tree::Content::Bytes(
                    self.system.read_file(number).map_err(cannot)?.into(),
                ))
            }
            FileType::Symlink => {
                let target = self.system.symlink_target(number).map_err(cannot)?;
                Kind::Link(
                    String::from_utf8(target)
                        .map_err(|_| damaged(path, "its target is not UTF-8"))?,
                )
            }
            FileType::CharDev => device().map(|(major, minor)| Kind::Character { major, minor })?,
            FileType::BlockDev => device().map(|(major, minor)| Kind::Block { major, minor })?,
            FileType::Fifo => Kind::Fifo,
            FileType::Socket | FileType::Unknown => {
                return Err(damaged(path, "it is neither file, directory, link nor device"));
            }
        })
    }
}

fn cannot(error: mkext4::Error) -> crate::error::Error {
    refused("the ext4 file system cannot be read", &error)
}

fn damaged(path: &str, why: &str) -> crate::error::Error {
    wrong(format!("the ext4 file system cannot be read: /{path}: {why}"))
}
