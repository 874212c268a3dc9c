//! A root file system before it is written: what packages and verbs have laid out, by path.
//!
//! Only what is small lives in memory. Files of packages stay in a [`Spool`], a nameless file that holds each decoded
//! package once, and a [`Content`] says where. So a root of any size costs a few hundred bytes a path.

use std::collections::BTreeMap;
use std::collections::btree_map;
use std::fs::File;
use std::io::{self, Cursor, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Error, ErrorKind, Result};

/// How many symbolic links are followed before they count as a circle; Linux' own limit.
const MAX_LINKS: usize = 40;

/// All paths of a root file system, sorted bytewise. Paths have no leading slash; the root is "".
#[derive(Debug, Clone, Default)]
pub struct Tree {
    entries: BTreeMap<String, Entry>,
}

/// One path: what it is, and whose.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub kind: Kind,
    /// Permission bits, set-uid, set-gid and sticky included: `0o7777` at the most.
    pub mode: u16,
    pub uid: u32,
    pub gid: u32,
    /// Seconds since 1970.
    pub mtime: i64,
    /// Extended attributes by full name, such as `security.capability`.
    pub xattrs: BTreeMap<String, Vec<u8>>,
}

/// What a path is.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    Directory,
    File(Content),
    /// A symbolic link and what it says.
    Link(String),
    /// Another name of the file at that path of the tree.
    Hard(String),
    Character {
        major: u32,
        minor: u32,
    },
    Block {
        major: u32,
        minor: u32,
    },
    Fifo,
}

/// The bytes of a file: in memory, or in a spool.
#[derive(Debug, Clone)]
pub enum Content {
    Bytes(Arc<[u8]>),
    Spooled { spool: Arc<Spool>, offset: u64, len: u64 },
}

/// A nameless file that decoded packages are put into; gone with its last user, or the process.
#[derive(Debug)]
pub struct Spool {
    file: File,
    end: Mutex<u64>,
}

impl Tree {
    /// A root directory (0755 root:root, the beginning of 1970) and nothing in it.
    pub fn new() -> Self {
        Self { entries: BTreeMap::from([(String::new(), Entry::directory(0o755))]) }
    }

    /// What is at `path` itself: a symbolic link is not followed.
    pub fn get(&self, path: &str) -> Option<&Entry> {
        self.entries.get(&*clean(path).ok()?)
    }

    /// As [`Tree::get`], to be changed.
    pub fn get_mut(&mut self, path: &str) -> Option<&mut Entry> {
        self.entries.get_mut(&*clean(path).ok()?)
    }

    /// Puts `entry` at `path`, in place of what was there, and makes missing parents (0755 root:root, with the
    /// entry's time). The parents' links are not followed: [`Tree::resolve`] first where they may be links.
    ///
    /// # Errors
    /// When a parent is something else than a directory, or the path is not a plain one.
    pub fn insert(&mut self, path: &str, entry: Entry) -> Result<()> {
        let path = clean(path)?;
        self.make_parents(&path, entry.mtime)?;
        self.entries.insert(path, entry);
        Ok(())
    }

    fn make_parents(&mut self, path: &str, mtime: i64) -> Result<()> {
        for (at, _) in path.match_indices('/') {
            let parent = &path[..at];
            match self.entries.get(parent) {
                Some(Entry { kind: Kind::Directory, .. }) => {}
                Some(_) => {
                    return Err(bad_path(path, &format!("/{parent} is not a directory")));
                }
                None => {
                    let made = Entry { mtime, ..Entry::directory(0o755) };
                    self.entries.insert(parent.to_owned(), made);
                }
            }
        }
        Ok(())
    }

    /// Takes `path` away, and what is below it. Gives what was at the path itself.
    pub fn remove(&mut self, path: &str) -> Option<Entry> {
        let path = clean(path).ok()?;
        let below: Vec<String> = self.below(&path).map(|(path, _)| path.to_owned()).collect();
        for path in below {
            self.entries.remove(&path);
        }
        self.entries.remove(&path)
    }

    /// Moves what is below a directory into a tree of its own, and leaves the directory empty: where another file
    /// system is mounted. A missing one is made (0755 root:root) with the time `mtime`.
    ///
    /// # Errors
    /// When the path, or a parent, is something else than a directory.
    pub fn take(&mut self, path: &str, mtime: i64) -> Result<Self> {
        let path = clean(path)?;
        let top = match self.entries.get(&path) {
            Some(entry) if entry.kind == Kind::Directory => entry.clone(),
            Some(_) => return Err(bad_path(&path, "it is not a directory")),
            None => Entry::directory(0o755).at(mtime),
        };
        let below: Vec<String> = self.below(&path).map(|(path, _)| path.to_owned()).collect();
        let mut taken = Self { entries: BTreeMap::from([(String::new(), top.clone())]) };
        for name in below {
            if let Some(mut entry) = self.entries.remove(&name) {
                if let Kind::Hard(target) = &mut entry.kind {
                    *target = target.strip_prefix(&format!("{path}/")).unwrap_or(target).to_owned();
                }
                taken.entries.insert(name[path.len() + 1..].to_owned(), entry);
            }
        }
        self.insert(&path, top)?;
        Ok(taken)
    }

    /// Everything below a directory, at any depth, sorted; not the directory itself.
    pub fn below<'a>(&'a self, path: &str) -> impl Iterator<Item = (&'a str, &'a Entry)> {
        let prefix = match path.trim_matches('/') {
            "" => String::new(),
            path => format!("{path}/"),
        };
        let inside = prefix.clone();
        self.entries
            .range(prefix..)
            .take_while(move |(path, _)| path.starts_with(&inside))
            .filter(|(path, _)| !path.is_empty())
            .map(|(path, entry)| (&**path, entry))
    }

    /// All paths, sorted bytewise: a directory comes before what is in it.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Entry)> {
        self.entries.iter().map(|(path, entry)| (&**path, entry))
    }

    /// As [`Tree::iter`], with entries that can be changed.
    pub fn iter_mut(&mut self) -> btree_map::IterMut<'_, String, Entry> {
        self.entries.iter_mut()
    }

    /// Where `path` leads when symbolic links are followed, as the booted system would: absolute links start at the
    /// tree's root, and `..` of the root is the root. The last component may be missing; it is followed if it is a
    /// link.
    ///
    /// # Errors
    /// When links go in a circle.
    pub fn resolve(&self, path: &str) -> Result<String> {
        let mut todo: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
        let mut done: Vec<String> = Vec::new();
        let mut links = 0;
        while let Some(name) = todo.pop() {
            match &*name {
                "" | "." => continue,
                ".." => {
                    done.pop();
                    continue;
                }
                _ => done.push(name),
            }
            let here = done.join("/");
            let Some(Entry { kind: Kind::Link(target), .. }) = self.entries.get(&here) else {
                continue;
            };
            links += 1;
            if links > MAX_LINKS {
                return Err(bad_path(path, "its symbolic links go in a circle"));
            }
            done.pop();
            if target.starts_with('/') {
                done.clear();
            }
            todo.extend(target.split('/').rev().map(str::to_owned));
        }
        Ok(done.join("/"))
    }

    /// The content of the file that `path` leads to; `None` if there is no file.
    ///
    /// # Errors
    /// When links go in a circle, or the spool cannot be read.
    pub fn read(&self, path: &str) -> Result<Option<Vec<u8>>> {
        match self.content(&self.resolve(path)?) {
            Some(content) => content.bytes().map(Some),
            None => Ok(None),
        }
    }

    /// Where the bytes of the file at `path` are; for a hard link, those of its target.
    pub fn content(&self, path: &str) -> Option<&Content> {
        match &self.get(path)?.kind {
            Kind::File(content) => Some(content),
            Kind::Hard(target) => match &self.get(target)?.kind {
                Kind::File(content) => Some(content),
                _ => None,
            },
            _ => None,
        }
    }
}

impl Entry {
    fn of(kind: Kind, mode: u16) -> Self {
        Self { kind, mode, uid: 0, gid: 0, mtime: 0, xattrs: BTreeMap::new() }
    }

    /// A directory of root's, of the beginning of 1970.
    pub fn directory(mode: u16) -> Self {
        Self::of(Kind::Directory, mode)
    }

    /// A file of root's, of the beginning of 1970.
    pub fn file(bytes: impl Into<Arc<[u8]>>, mode: u16) -> Self {
        Self::of(Kind::File(Content::Bytes(bytes.into())), mode)
    }

    /// A symbolic link of root's, of the beginning of 1970.
    pub fn link(target: impl Into<String>) -> Self {
        Self::of(Kind::Link(target.into()), 0o777)
    }

    /// The same with another time, in seconds since 1970.
    #[must_use]
    pub fn at(self, mtime: i64) -> Self {
        Self { mtime, ..self }
    }

    /// The same with another owner and group.
    #[must_use]
    pub fn owned_by(self, uid: u32, gid: u32) -> Self {
        Self { uid, gid, ..self }
    }
}

impl Content {
    /// Size in bytes.
    pub fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Spooled { len, .. } => *len,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All bytes.
    ///
    /// # Errors
    /// When the spool cannot be read.
    pub fn bytes(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.reader()
            .read_to_end(&mut bytes)
            .map_err(|error| Error::io(Path::new("the spool of decoded packages"), &error))?;
        Ok(bytes)
    }

    /// Fills `bytes` with what is at `offset`.
    ///
    /// # Errors
    /// Also when the content ends earlier.
    pub fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        if offset.checked_add(bytes.len() as u64).is_none_or(|end| end > self.len()) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match self {
            Self::Bytes(all) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX);
                bytes.copy_from_slice(&all[start..start + bytes.len()]);
                Ok(())
            }
            Self::Spooled { spool, offset: start, .. } => {
                spool.file.read_exact_at(bytes, start + offset)
            }
        }
    }

    /// The bytes from the beginning, as a stream.
    pub fn reader(&self) -> Box<dyn Read + Send> {
        match self {
            Self::Bytes(bytes) => Box::new(Cursor::new(Arc::clone(bytes))),
            Self::Spooled { spool, offset, len } => {
                Box::new(SpoolReader { spool: Arc::clone(spool), at: *offset, end: offset + len })
            }
        }
    }
}

impl PartialEq for Content {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len()
            && matches!((self.bytes(), other.bytes()), (Ok(a), Ok(b)) if a == b)
    }
}

impl Spool {
    /// An empty spool in the directory `dir`, without a name there.
    ///
    /// # Errors
    /// When the directory cannot be written to.
    pub fn create_in(dir: &Path) -> Result<Arc<Self>> {
        let file = tempfile::tempfile_in(dir).map_err(|error| Error::io(dir, &error))?;
        Ok(Arc::new(Self { file, end: Mutex::new(0) }))
    }

    /// Puts `bytes` behind what is there, and gives their offset. Several threads may do so at a time.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn append(&self, bytes: &[u8]) -> Result<u64> {
        let offset = self.reserve(bytes.len() as u64);
        self.write_at(bytes, offset)?;
        Ok(offset)
    }

    /// Sets `len` bytes aside behind what is there, to be written piece by piece, and gives their offset.
    pub fn reserve(&self, len: u64) -> u64 {
        let mut end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        let offset = *end;
        *end += len;
        offset
    }

    /// Writes into what was reserved.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn write_at(&self, bytes: &[u8], offset: u64) -> Result<()> {
        self.file
            .write_all_at(bytes, offset)
            .map_err(|error| Error::io(Path::new("the spool of decoded packages"), &error))
    }

    /// Reads from `offset`: fewer bytes than asked for only at the end.
    pub fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(bytes, offset)
    }
}

struct SpoolReader {
    spool: Arc<Spool>,
    at: u64,
    end: u64,
}

impl Read for SpoolReader {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX).min(bytes.len());
        let read = self.spool.read_at(&mut bytes[..left], self.at)?;
        if read == 0 && left > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += read as u64;
        Ok(read)
    }
}

/// The path without leading and trailing slashes, or an error for one with `..` and the like.
fn clean(path: &str) -> Result<String> {
    let path = path.trim_matches('/');
    let plain = |name: &str| !matches!(name, "" | "." | "..") && !name.contains('\0');
    if path.is_empty() || path.split('/').all(plain) {
        return Ok(path.to_owned());
    }
    Err(bad_path(path, "it has an empty component, `.`, `..` or a NUL"))
}

fn bad_path(path: &str, why: &str) -> Error {
    Error::new(ErrorKind::Image, format!("/{path} cannot be laid out in the image: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(links: &[(&str, &str)]) -> Tree {
        let mut tree = Tree::new();
        for (path, target) in links {
            tree.insert(path, Entry::link(*target)).unwrap();
        }
        tree
    }

    #[test]
    fn follows_links_as_the_booted_system_would() {
        let tree = tree(&[("etc/hostname", "/data/etc/hostname"), ("data", "srv/../mnt")]);
        assert_eq!(tree.resolve("/etc/hostname").unwrap(), "mnt/etc/hostname");
        assert_eq!(tree.resolve("etc/../../../x").unwrap(), "x");
    }

    #[test]
    fn notices_links_that_go_in_a_circle() {
        let error = tree(&[("a", "b"), ("b", "a")]).resolve("a").unwrap_err();
        assert_eq!(
            error.message(),
            "/a cannot be laid out in the image: its symbolic links go in a circle"
        );
    }

    #[test]
    fn makes_parents_and_refuses_files_as_parents() {
        let mut tree = Tree::new();
        tree.insert("/usr/bin/true", Entry::file(*b"x", 0o755).at(7)).unwrap();
        assert_eq!(tree.get("usr/bin").map(|dir| (dir.mode, dir.mtime)), Some((0o755, 7)));
        assert!(tree.insert("usr/bin/true/x", Entry::directory(0o755)).is_err());
        assert!(tree.insert("usr/../x", Entry::directory(0o755)).is_err());
    }

    #[test]
    fn removes_what_is_below_too() {
        let mut tree = Tree::new();
        for path in ["a/b/c", "a.b", "ab"] {
            tree.insert(path, Entry::file(*b"", 0o644)).unwrap();
        }
        assert!(tree.remove("/a").is_some());
        assert_eq!(tree.iter().map(|(path, _)| path).collect::<Vec<_>>(), ["", "a.b", "ab"]);
    }

    #[test]
    fn reads_spooled_files() {
        let spool = Spool::create_in(&std::env::temp_dir()).unwrap();
        spool.append(b"before").unwrap();
        let offset = spool.append(b"content").unwrap();
        spool.append(b"behind").unwrap();
        let content = Content::Spooled { spool, offset, len: 7 };
        assert_eq!(content.bytes().unwrap(), b"content");
        assert_eq!(content, Content::Bytes(Arc::from(*b"content")));
    }
}
