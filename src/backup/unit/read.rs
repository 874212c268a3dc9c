//! Reads a unit, and lets nothing through that a node or an operator could be hurt with: only files, directories and
//! links that stay within, under known names, each once, none below a link. Every file is as its manifest says.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{self, Read};

use sha2::{Digest as _, Sha256};
use tar::EntryType;

use super::names::{is_directory, is_file, is_plain, stays_within};
use super::{CERTIFICATE, DATABASE, INFO, Info, Kind, MANIFEST, TOKEN, refused};
use crate::backup::container::ContainerError;
use crate::error::{Error, Result};

/// Entries of a unit. A server has some hundreds.
const MAX_ENTRIES: usize = 1_000_000;
/// Bytes of `INFO`.
const MAX_INFO: u64 = 64 << 10;
/// Bytes of `MANIFEST`: 100 for each of so many files.
const MAX_MANIFEST: u64 = 128 << 20;
/// Bytes of a long name or target, which is an entry of its own.
const MAX_LONG: u64 = 8 << 10;
/// Bytes of all files.
const MAX_TOTAL: u64 = 4 << 40;

/// One entry between `INFO` and `MANIFEST`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Relative, without `..`.
    pub name: String,
    pub kind: EntryKind,
    /// Permission bits.
    pub mode: u32,
    pub uid: u64,
    pub gid: u64,
    /// Seconds since 1970 by the node's clock.
    pub mtime: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    Directory,
    /// With its size in bytes.
    File(u64),
    /// With its target: relative, and within the unit.
    Link(String),
}

/// What a whole unit was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    pub info: Info,
    /// Regular files, without `INFO` and `MANIFEST`.
    pub files: usize,
    /// Bytes of these files.
    pub bytes: u64,
}

/// Reads a unit to its end. `take` is given every entry, in order, with the content of a file; what it leaves of that is
/// skipped. Nothing that `take` was given may be put into place before this has returned without an error: only then is it
/// certain that all of it came, and that it is what the node sent.
///
/// # Errors
/// What is no unit, or holds what none may; a file that is not as the manifest says; an error of `source`, a
/// [`ContainerError`] included; one of `take`.
pub fn read<R: Read>(
    source: R,
    take: &mut dyn FnMut(&Info, &Entry, &mut dyn Read) -> Result<()>,
) -> Result<Unit> {
    let mut archive = tar::Archive::new(source);
    let unit = {
        let mut entries = archive.entries().map_err(failed)?.raw(true);
        let mut next =
            || -> Result<Option<Raw<'_, R>>> { entries.next().transpose().map_err(failed) };
        let (info, hash) = read_info(&mut next)?;
        read_entries(info, hash, &mut next, take)?
    };
    expect_end(archive.into_inner())?;
    Ok(unit)
}

type Raw<'a, R> = tar::Entry<'a, R>;

/// What an error of the source means.
pub(in crate::backup) fn failed(error: io::Error) -> Error {
    match ContainerError::of(error) {
        ContainerError::Io(error) => refused(error),
        error => error.into(),
    }
}

fn text_of(mut source: impl Read, size: u64, limit: u64, what: &str) -> Result<String> {
    if size > limit {
        return Err(refused(format!("{what} has {size} bytes")));
    }
    let mut text = String::new();
    source.read_to_string(&mut text).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData if error.get_ref().is_none_or(|e| !e.is::<ContainerError>()) => {
            refused(format!("{what} is not UTF-8"))
        }
        _ => failed(error),
    })?;
    Ok(text)
}

/// The first entry, and its hash.
fn read_info<'a, R: Read + 'a>(
    next: &mut impl FnMut() -> Result<Option<Raw<'a, R>>>,
) -> Result<(Info, [u8; 32])> {
    let first = next()?.ok_or_else(|| refused("it is empty"))?;
    let is_info = first.path_bytes().as_ref() == INFO.as_bytes()
        && first.header().entry_type() == EntryType::Regular;
    if !is_info {
        return Err(refused("its first entry is not INFO"));
    }
    let size = first.size();
    let text = text_of(first, size, MAX_INFO, INFO)?;
    Ok((Info::parse(&text)?, Sha256::digest(&text).into()))
}

fn read_entries<'a, R: Read + 'a>(
    info: Info,
    hash: [u8; 32],
    next: &mut impl FnMut() -> Result<Option<Raw<'a, R>>>,
    take: &mut dyn FnMut(&Info, &Entry, &mut dyn Read) -> Result<()>,
) -> Result<Unit> {
    let mut seen = Seen::default();
    seen.hashes.insert(INFO.to_owned(), hash);
    let mut long = Long::default();
    while let Some(mut raw) = next()? {
        if long.take(&mut raw)? {
            continue;
        }
        let entry = entry_of(&raw, std::mem::take(&mut long))?;
        if entry.name == MANIFEST {
            let EntryKind::File(size) = entry.kind else {
                return Err(refused("its MANIFEST is no file"));
            };
            let manifest = text_of(&mut raw, size, MAX_MANIFEST, MANIFEST)?;
            if next()?.is_some() {
                return Err(refused("something follows its MANIFEST"));
            }
            return seen.finish(info, &manifest);
        }
        seen.admit(&info.kind, &entry)?;
        let mut content = Hashing { source: &mut raw, hash: Sha256::new() };
        take(&info, &entry, &mut content)?;
        if let EntryKind::File(_) = entry.kind {
            io::copy(&mut content, &mut io::sink()).map_err(failed)?;
            let hash = content.hash.finalize().into();
            seen.hashes.insert(entry.name, hash);
        }
    }
    Err(refused("it ends without a MANIFEST"))
}

/// GNU tar's and busybox' way to say a name or a target of more than 100 bytes: an entry before the one that it is for.
#[derive(Default)]
struct Long {
    name: Option<String>,
    target: Option<String>,
}

impl Long {
    /// Whether `raw` was such an entry.
    fn take<R: Read>(&mut self, raw: &mut Raw<'_, R>) -> Result<bool> {
        let (slot, what) = match raw.header().entry_type() {
            EntryType::GNULongName => (&mut self.name, "a long name"),
            EntryType::GNULongLink => (&mut self.target, "a long target"),
            _ => return Ok(false),
        };
        let size = raw.size();
        let text = text_of(raw, size, MAX_LONG, what)?;
        let text = text.strip_suffix('\0').unwrap_or(&text).to_owned();
        match slot.replace(text) {
            None => Ok(true),
            Some(_) => Err(refused(format!("{what} comes twice"))),
        }
    }
}

fn entry_of<R: Read>(raw: &Raw<'_, R>, long: Long) -> Result<Entry> {
    let utf8 = |bytes: &[u8]| {
        String::from_utf8(bytes.to_vec()).map_err(|_| {
            refused(format!("the name {:?} is not UTF-8", String::from_utf8_lossy(bytes)))
        })
    };
    let header = raw.header();
    let mut name = match long.name {
        Some(name) => name,
        None => utf8(&raw.path_bytes())?,
    };
    let kind = match header.entry_type() {
        EntryType::Regular => EntryKind::File(raw.size()),
        EntryType::Directory => {
            if name.ends_with('/') {
                name.pop();
            }
            EntryKind::Directory
        }
        EntryType::Symlink => EntryKind::Link(match long.target {
            Some(target) => target,
            None => utf8(&raw.link_name_bytes().unwrap_or_default())?,
        }),
        _ => return Err(refused(format!("{name} is neither a file, a directory nor a link"))),
    };
    if raw.size() != 0 && !matches!(kind, EntryKind::File(_)) {
        return Err(refused(format!("{name} has content, and is no file")));
    }
    Ok(Entry {
        name,
        kind,
        mode: header.mode().map_err(failed)? & 0o7777,
        uid: header.uid().map_err(failed)?,
        gid: header.gid().map_err(failed)?,
        mtime: header.mtime().map_err(failed)?,
    })
}

/// What came so far.
#[derive(Default)]
struct Seen {
    /// All names, and whether they are directories: said so, or because something is below them.
    names: HashMap<String, bool>,
    hashes: BTreeMap<String, [u8; 32]>,
    bytes: u64,
}

impl Seen {
    fn admit(&mut self, kind: &Kind, entry: &Entry) -> Result<()> {
        let Entry { name, .. } = entry;
        let is_known = is_plain(name)
            && match &entry.kind {
                EntryKind::Directory => is_directory(kind, name),
                EntryKind::File(_) | EntryKind::Link(_) => is_file(kind, name),
            };
        if !is_known {
            return Err(refused(format!("no such backup has an entry {name:?}")));
        }
        match &entry.kind {
            EntryKind::File(size) => {
                self.bytes = self.bytes.saturating_add(*size);
                if self.bytes > MAX_TOTAL {
                    return Err(refused("it has more than 4 TiB"));
                }
            }
            EntryKind::Link(target) if !stays_within(name, target) => {
                return Err(refused(format!("the link {name} leads out of it, to {target:?}")));
            }
            EntryKind::Link(_) | EntryKind::Directory => {}
        }
        self.place(name, entry.kind == EntryKind::Directory)
    }

    fn place(&mut self, name: &str, is_directory: bool) -> Result<()> {
        let parents: Vec<&str> = name.match_indices('/').map(|(at, _)| &name[..at]).collect();
        for parent in parents.into_iter().rev() {
            match self.names.get(parent) {
                Some(true) => break,
                Some(false) => {
                    return Err(refused(format!(
                        "{name} lies below {parent}, which is no directory"
                    )));
                }
                None => drop(self.names.insert(parent.to_owned(), true)),
            }
        }
        match self.names.insert(name.to_owned(), is_directory) {
            // A directory may be told after what is in it.
            Some(true) if is_directory => {}
            Some(_) => return Err(refused(format!("{name} comes twice"))),
            None => {}
        }
        if self.names.len() > MAX_ENTRIES {
            return Err(refused(format!("it has more than {MAX_ENTRIES} entries")));
        }
        Ok(())
    }

    /// Compares the files with the manifest.
    fn finish(self, info: Info, manifest: &str) -> Result<Unit> {
        let mut listed = HashSet::new();
        for line in manifest.lines() {
            let (hash, name) = parse_line(line)
                .ok_or_else(|| refused(format!("its MANIFEST has the line {line:?}")))?;
            match self.hashes.get(&name) {
                None => return Err(refused(format!("{name} is missing"))),
                Some(found) if *found != hash => {
                    return Err(refused(format!("{name} is not as its MANIFEST says")));
                }
                Some(_) if !listed.insert(name.clone()) => {
                    return Err(refused(format!("its MANIFEST names {name} twice")));
                }
                Some(_) => {}
            }
        }
        if let Some(name) = self.hashes.keys().find(|name| !listed.contains(*name)) {
            return Err(refused(format!("its MANIFEST does not name {name}")));
        }
        if let Kind::Server { .. } = info.kind
            && let Some(name) =
                [DATABASE, TOKEN, CERTIFICATE].iter().find(|name| !self.hashes.contains_key(**name))
        {
            return Err(refused(format!("a server's backup has {name}, and this one does not")));
        }
        // INFO is one of the hashed ones.
        Ok(Unit { info, files: self.hashes.len() - 1, bytes: self.bytes })
    }
}

/// A line of `sha256sum`: the hash, two blanks, the name. A name with a backslash is written with a backslash in front of
/// the line by coreutils, and as it is by busybox.
fn parse_line(line: &str) -> Option<([u8; 32], String)> {
    let (line, is_escaped) = match line.strip_prefix('\\') {
        Some(rest) => (rest, true),
        None => (line, false),
    };
    let (hex, name) = line.split_at_checked(64)?;
    let name = name.strip_prefix("  ")?.trim_start_matches("./");
    let name = if is_escaped { name.replace("\\\\", "\\") } else { name.to_owned() };
    let mut hash = [0; 32];
    for (byte, pair) in hash.iter_mut().zip(hex.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some((hash, name))
}

/// Behind the archive's end come zeros only. Reading them to their end tells whether the container is whole.
fn expect_end(mut rest: impl Read) -> Result<()> {
    let mut chunk = [0; 4096];
    loop {
        match rest.read(&mut chunk).map_err(failed)? {
            0 => return Ok(()),
            read if chunk[..read].iter().all(|byte| *byte == 0) => {}
            _ => return Err(refused("something follows the end of the archive")),
        }
    }
}

/// Hashes what is read through it.
struct Hashing<R> {
    source: R,
    hash: Sha256,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.hash.update(&buffer[..read]);
        Ok(read)
    }
}
