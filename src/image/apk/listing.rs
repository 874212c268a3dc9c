//! The paths in a package's data part: a tar with the hash of each file beside it. What no package may hold is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;

use sha1::{Digest as _, Sha1};
use tar::EntryType;

use super::archive::unreadable;
use crate::image::tree::{Content, Entry, Kind, Spool};

/// What Linux allows a path to have, with some room for where it will be.
const MAX_PATH: usize = 4000;
/// What Linux allows a component to have.
const MAX_NAME: usize = 255;

/// One path of a package.
#[derive(Debug, Clone, PartialEq)]
pub struct File {
    /// Without a leading or trailing slash.
    pub path: String,
    /// With the numbers of owner and group that the package has. Its names for them count first, where the image
    /// knows them.
    pub entry: Entry,
    /// May be empty.
    pub owner: String,
    /// May be empty.
    pub group: String,
    /// The SHA-1 of a file's content, or of what a symbolic link says; none for what has no content.
    pub sha1: Option<[u8; 20]>,
}

/// The paths of a package so far, and what they are.
pub(super) struct Listing<'a> {
    files: Vec<File>,
    /// Where in the spool the tar is.
    place: Range<u64>,
    spool: &'a Arc<Spool>,
    kinds: BTreeMap<String, Place>,
    /// Directories above paths of the package, whether they are paths of it or not.
    parents: BTreeSet<String>,
}

#[derive(Clone, Copy, PartialEq)]
enum Place {
    Directory,
    File,
    Other,
}

impl<'a> Listing<'a> {
    /// For a tar that is at `place` of the spool.
    pub fn new(spool: &'a Arc<Spool>, place: Range<u64>) -> Self {
        Self { files: Vec::new(), place, spool, kinds: BTreeMap::new(), parents: BTreeSet::new() }
    }

    /// Adds all entries of a tar.
    ///
    /// # Errors
    /// With the path, and what is wrong there.
    pub fn read<R: Read>(&mut self, entries: tar::Entries<'_, R>) -> Result<(), String> {
        for entry in entries {
            let mut entry = entry.map_err(unreadable)?;
            let Some(path) = path_of(&entry.path_bytes())? else { continue };
            let at_path = |why: String| format!("/{path}: {why}");
            let file = self.file(&mut entry, &path).map_err(at_path)?;
            self.note(&file).map_err(at_path)?;
            self.files.push(file);
        }
        Ok(())
    }

    /// What was read, in its order.
    pub fn into_files(self) -> Vec<File> {
        self.files
    }

    fn file<R: Read>(&self, entry: &mut tar::Entry<'_, R>, path: &str) -> Result<File, String> {
        let pax = Pax::of(entry)?;
        let (kind, sha1) = self.kind(entry, pax.sha1)?;
        let header = entry.header();
        let number = |value: io::Result<u64>| {
            value.map_err(unreadable).and_then(|value| {
                u32::try_from(value).map_err(|_| format!("{value} is too large a number"))
            })
        };
        let mode = header.mode().map_err(unreadable)?;
        Ok(File {
            path: path.to_owned(),
            entry: Entry {
                kind,
                mode: (mode & 0o7777) as u16,
                uid: number(header.uid())?,
                gid: number(header.gid())?,
                mtime: i64::try_from(header.mtime().map_err(unreadable)?).unwrap_or(i64::MAX),
                xattrs: pax.xattrs,
            },
            owner: header.username().ok().flatten().unwrap_or_default().to_owned(),
            group: header.groupname().ok().flatten().unwrap_or_default().to_owned(),
            sha1,
        })
    }

    fn kind<R: Read>(
        &self,
        entry: &mut tar::Entry<'_, R>,
        known: Option<[u8; 20]>,
    ) -> Result<(Kind, Option<[u8; 20]>), String> {
        let header = entry.header();
        let device = || {
            let part = |value: io::Result<Option<u32>>| {
                value.map_err(unreadable)?.ok_or("it has no device number".to_owned())
            };
            Ok::<_, String>((part(header.device_major())?, part(header.device_minor())?))
        };
        Ok(match header.entry_type() {
            EntryType::Regular | EntryType::Continuous => {
                let (offset, len) = (self.place.start + entry.raw_file_position(), entry.size());
                if offset.checked_add(len).is_none_or(|end| end > self.place.end) {
                    return Err(format!("its {len} bytes are not all there"));
                }
                let sha1 = known.map_or_else(|| hash_of(entry), Ok)?;
                let spool = Arc::clone(self.spool);
                (Kind::File(Content::Spooled { spool, offset, len }), Some(sha1))
            }
            EntryType::Directory => (Kind::Directory, None),
            EntryType::Symlink => {
                let target = link_target(entry)?;
                let sha1 = known.unwrap_or_else(|| Sha1::digest(&target).into());
                (Kind::Link(target), Some(sha1))
            }
            EntryType::Link => {
                let target = path_of(link_target(entry)?.as_bytes())?;
                let target = target.ok_or("it is a hard link to a hidden file")?;
                if self.kinds.get(&target) != Some(&Place::File) {
                    return Err(format!(
                        "it is a hard link to /{target}, which is no file in front of it"
                    ));
                }
                let first = self.files.iter().rfind(|file| file.path == target);
                let sha1 = first.and_then(|file| file.sha1);
                (Kind::Hard(target), sha1)
            }
            EntryType::Char => {
                let (major, minor) = device()?;
                (Kind::Character { major, minor }, None)
            }
            EntryType::Block => {
                let (major, minor) = device()?;
                (Kind::Block { major, minor }, None)
            }
            EntryType::Fifo => (Kind::Fifo, None),
            other => {
                return Err(format!("it is of the unknown kind {:?}", other.as_byte() as char));
            }
        })
    }

    /// Refuses a second entry for a path, and paths that would lead through something that is no directory.
    fn note(&mut self, file: &File) -> Result<(), String> {
        let place = match file.entry.kind {
            Kind::Directory => Place::Directory,
            Kind::File(_) | Kind::Hard(_) => Place::File,
            _ => Place::Other,
        };
        for (at, _) in file.path.match_indices('/') {
            let parent = &file.path[..at];
            if !matches!(self.kinds.get(parent), None | Some(Place::Directory)) {
                return Err(format!("it lies below /{parent}, which is not a directory"));
            }
            if !self.parents.contains(parent) {
                self.parents.insert(parent.to_owned());
            }
        }
        if place != Place::Directory && self.parents.contains(&file.path) {
            return Err("other paths lie below it, but it is not a directory".into());
        }
        match self.kinds.insert(file.path.clone(), place) {
            None => Ok(()),
            Some(_) => Err("the package has it twice".into()),
        }
    }
}

/// What a tar's extended header says that is of use here.
#[derive(Default)]
struct Pax {
    sha1: Option<[u8; 20]>,
    xattrs: BTreeMap<String, Vec<u8>>,
}

impl Pax {
    fn of<R: Read>(entry: &mut tar::Entry<'_, R>) -> Result<Self, String> {
        let mut pax = Self::default();
        let Some(fields) = entry.pax_extensions().map_err(unreadable)? else { return Ok(pax) };
        for field in fields {
            let field = field.map_err(unreadable)?;
            let key = String::from_utf8_lossy(field.key_bytes());
            if key == "APK-TOOLS.checksum.SHA1" {
                pax.sha1 = sha1_from_hex(field.value_bytes());
            } else if let Some(name) = key.strip_prefix("SCHILY.xattr.") {
                pax.xattrs.insert(name.to_owned(), field.value_bytes().to_owned());
            }
        }
        Ok(pax)
    }
}

fn sha1_from_hex(hex: &[u8]) -> Option<[u8; 20]> {
    let digit = |byte: u8| (byte as char).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut hash = [0; 20];
    if hex.len() != 40 {
        return None;
    }
    for (byte, pair) in hash.iter_mut().zip(hex.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(hash)
}

fn hash_of(content: &mut impl Read) -> Result<[u8; 20], String> {
    let mut hash = Sha1::new();
    let mut chunk = vec![0; 1 << 16];
    loop {
        match content.read(&mut chunk).map_err(unreadable)? {
            0 => return Ok(hash.finalize().into()),
            read => hash.update(&chunk[..read]),
        }
    }
}

fn link_target<R: Read>(entry: &tar::Entry<'_, R>) -> Result<String, String> {
    let target = entry.link_name_bytes().unwrap_or_default().into_owned();
    let target = String::from_utf8(target).map_err(|_| "its target is not UTF-8")?;
    if target.is_empty() || target.len() > MAX_PATH || target.contains('\0') {
        return Err("its target is empty, too long, or has a NUL".into());
    }
    Ok(target)
}

/// The path without slashes around it, or `None` for one that `apk` skips: all names that begin with a dot.
fn path_of(bytes: &[u8]) -> Result<Option<String>, String> {
    let shown = String::from_utf8_lossy(bytes);
    let refuse = |why: &str| Err(format!("the path {shown:?} {why}"));
    let Ok(path) = std::str::from_utf8(bytes) else { return refuse("is not UTF-8") };
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.split('/').any(|name| name == "..") {
        return refuse("leads out of the image");
    }
    if path.starts_with('.') {
        return Ok(None);
    }
    if path.split('/').any(|name| matches!(name, "" | ".")) || path.contains('\0') {
        return refuse("is absolute, or has an empty component, `.` or a NUL");
    }
    if path.len() > MAX_PATH || path.split('/').any(|name| name.len() > MAX_NAME) {
        return refuse("is too long");
    }
    Ok(Some(path.to_owned()))
}
