//! From a tree to mkext4's layout.

use std::collections::BTreeMap;

use mkext4::{FsBuilder, InodeHandle, Layout, Meta, Options, ROOT, SpecialKind};

use super::{BLOCK, refused, wrong};
use crate::error::Result;
use crate::image::tree::{Content, Entry, Kind, Tree};

/// A file's content and where its parts go, as (offset in the file system, bytes).
pub(super) type Placed = (Content, Vec<(u64, u64)>);

/// mkext4's builder with all of a tree declared.
pub(super) struct Builder {
    inside: FsBuilder,
    contents: Vec<(InodeHandle, Content)>,
}

/// About how many bytes the tree takes: no more than a few per cent above it.
pub(super) fn estimate(tree: &Tree) -> u64 {
    let blocks = |entry: &Entry| match &entry.kind {
        Kind::File(content) => content.len().div_ceil(BLOCK),
        Kind::Directory | Kind::Link(_) => 1,
        _ => 0,
    };
    tree.iter().map(|(_, entry)| blocks(entry) * BLOCK + 512).sum()
}

/// The files that take blocks, in the order of their paths, each with their number.
pub(super) fn files(tree: &Tree) -> Vec<(&str, u64)> {
    tree.iter()
        .filter(|(_, entry)| is_filled(entry))
        .filter_map(|(path, _)| Some((path, tree.content(path)?.len().div_ceil(BLOCK))))
        .collect()
}

/// The blocks that files got, in the order in which they got them, as (first, blocks).
pub(super) fn data(placed: &[Placed]) -> Vec<(u64, u64)> {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for (offset, len) in placed.iter().flat_map(|(_, places)| places) {
        let (first, blocks) = (offset / BLOCK, len.div_ceil(BLOCK));
        match runs.last_mut().filter(|(start, len)| start + len == first) {
            Some((_, len)) => *len += blocks,
            None => runs.push((first, blocks)),
        }
    }
    runs
}

fn is_filled(entry: &Entry) -> bool {
    matches!(&entry.kind, Kind::File(content) if !content.is_empty())
}

impl Builder {
    /// Declares all of the tree; files in the order of `files`.
    pub fn of(tree: &Tree, files: &[&str], options: Options) -> Result<Self> {
        let mut inside = FsBuilder::new(options).map_err(|error| refused("ext4", &error))?;
        let mut handles: BTreeMap<&str, InodeHandle> = BTreeMap::from([("", ROOT)]);
        let mut contents = Vec::new();
        for (path, entry) in tree.iter().filter(|(_, entry)| !is_filled(entry)) {
            // Every file system of mkext4's has its own `lost+found`; other names come when what they name is there.
            let is_own = path == "lost+found" && entry.kind == Kind::Directory;
            if !is_own && !matches!(entry.kind, Kind::Hard(_)) {
                handles.insert(path, declare(&mut inside, &handles, path, entry)?);
            }
        }
        for path in files {
            let Some((entry, content)) = tree.get(path).zip(tree.content(path)) else { continue };
            let handle = declare(&mut inside, &handles, path, entry)?;
            handles.insert(path, handle);
            contents.push((handle, content.clone()));
        }
        for (path, entry) in tree.iter() {
            link(&mut inside, &handles, path, entry)?;
        }
        Ok(Self { inside, contents })
    }

    /// Decides where everything goes.
    pub fn seal(self) -> Result<(Layout, Vec<Placed>)> {
        let layout = self
            .inside
            .seal()
            .map_err(|error| refused("the files cannot be laid out as ext4", &error))?;
        let placed = self
            .contents
            .into_iter()
            .map(|(handle, content)| (content, layout.extents(handle)))
            .collect();
        Ok((layout, placed))
    }
}

fn declare(
    inside: &mut FsBuilder,
    handles: &BTreeMap<&str, InodeHandle>,
    path: &str,
    entry: &Entry,
) -> Result<InodeHandle> {
    let cannot =
        |error: mkext4::Error| refused(&format!("/{path} cannot be laid out as ext4"), &error);
    let handle = match path {
        "" => inside.set_meta(ROOT, meta(entry)).map(|()| ROOT),
        _ => {
            let (parent, name) = place(handles, path)?;
            make(inside, parent, name, entry)
        }
    };
    let handle = handle.map_err(cannot)?;
    for (name, value) in &entry.xattrs {
        inside.set_xattr(handle, name, value).map_err(cannot)?;
    }
    Ok(handle)
}

fn make(
    inside: &mut FsBuilder,
    parent: InodeHandle,
    name: &str,
    entry: &Entry,
) -> mkext4::Result<InodeHandle> {
    let meta = meta(entry);
    let kind = match &entry.kind {
        Kind::Directory => return inside.mkdir(parent, name, meta),
        Kind::File(content) => return inside.file(parent, name, meta, content.len()),
        Kind::Link(target) => return inside.symlink(parent, name, target, meta),
        Kind::Hard(target) => {
            return Err(mkext4::Error::Invalid(format!("/{target} is not there yet")));
        }
        Kind::Character { major, minor } => SpecialKind::Char { major: *major, minor: *minor },
        Kind::Block { major, minor } => SpecialKind::Block { major: *major, minor: *minor },
        Kind::Fifo => SpecialKind::Fifo,
    };
    inside.mknod(parent, name, meta, kind)
}

fn link(
    inside: &mut FsBuilder,
    handles: &BTreeMap<&str, InodeHandle>,
    path: &str,
    entry: &Entry,
) -> Result<()> {
    let Kind::Hard(target) = &entry.kind else { return Ok(()) };
    let Some(handle) = handles.get(target.trim_matches('/')) else {
        return Err(wrong(format!("/{path} is another name of /{target}, which is not there")));
    };
    let (parent, name) = place(handles, path)?;
    inside
        .hardlink(parent, name, *handle)
        .map_err(|error| refused(&format!("/{path} cannot be laid out as ext4"), &error))
}

fn meta(entry: &Entry) -> Meta {
    Meta::new(entry.mode & 0o7777, entry.uid, entry.gid, (entry.mtime, 0))
}

/// The directory that `path` is in, and its name there.
fn place<'a>(
    handles: &BTreeMap<&str, InodeHandle>,
    path: &'a str,
) -> Result<(InodeHandle, &'a str)> {
    let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
    match handles.get(parent) {
        Some(handle) => Ok((*handle, name)),
        None => Err(wrong(format!("/{path} is in no directory"))),
    }
}
