//! A tree written into a directory, with its owners, modes, devices, attributes and times: for scripts that run in it,
//! and for tests.

use std::fs;
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, symlink};
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags, chmodat, chownat,
    linkat, lsetxattr, makedev, mknodat, utimensat,
};

use super::tree::{Content, Entry, Kind, Tree};
use crate::error::{Error, ErrorKind, Result};

/// Writes `tree` into the empty directory `dir`, which becomes its root.
///
/// # Errors
/// When the user is not root, who alone may give files away; when the directory is not empty, or the disk is full.
pub fn extract(tree: &Tree, dir: &Path) -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        let message = "only root can write files that belong to others";
        return Err(Error::new(ErrorKind::Image, message));
    }
    let mut inside = fs::read_dir(dir).map_err(|error| Error::io(dir, &error))?;
    if inside.next().is_some() {
        return Err(Error::file(format!("{} is not empty", dir.display())));
    }
    // Hard links come after what they name; times of directories after what is in them.
    let is_hard = |entry: &Entry| matches!(entry.kind, Kind::Hard(_));
    let parts = [false, true].map(|hard| tree.iter().filter(move |(_, it)| is_hard(it) == hard));
    for (path, entry) in parts.into_iter().flatten() {
        let place = dir.join(path);
        write(entry, &place, dir).map_err(|error| Error::io(&place, &error))?;
    }
    let directories: Vec<(&str, &Entry)> =
        tree.iter().filter(|(_, entry)| entry.kind == Kind::Directory).collect();
    for (path, entry) in directories.into_iter().rev() {
        let place = dir.join(path);
        set_time(entry, &place).map_err(|error| Error::io(&place, &error))?;
    }
    Ok(())
}

fn write(entry: &Entry, place: &Path, root: &Path) -> io::Result<()> {
    let node = |kind, major, minor| -> io::Result<()> {
        Ok(mknodat(CWD, place, kind, Mode::empty(), makedev(major, minor))?)
    };
    match &entry.kind {
        Kind::Directory if place == root => {}
        Kind::Directory => fs::create_dir(place)?,
        Kind::File(content) => write_file(content, place)?,
        Kind::Link(target) => symlink(target, place)?,
        // Its attributes are those of the file.
        Kind::Hard(target) => {
            return Ok(linkat(CWD, root.join(target), CWD, place, AtFlags::empty())?);
        }
        Kind::Character { major, minor } => node(FileType::CharacterDevice, *major, *minor)?,
        Kind::Block { major, minor } => node(FileType::BlockDevice, *major, *minor)?,
        Kind::Fifo => node(FileType::Fifo, 0, 0)?,
    }
    let owner = (Some(Uid::from_raw(entry.uid)), Some(Gid::from_raw(entry.gid)));
    chownat(CWD, place, owner.0, owner.1, AtFlags::SYMLINK_NOFOLLOW)?;
    if !matches!(entry.kind, Kind::Link(_)) {
        // After the owner: the kernel takes set-uid away when that changes.
        chmodat(CWD, place, Mode::from_raw_mode(entry.mode.into()), AtFlags::empty())?;
    }
    for (name, value) in &entry.xattrs {
        lsetxattr(place, name, value, XattrFlags::empty())?;
    }
    if entry.kind == Kind::Directory { Ok(()) } else { set_time(entry, place) }
}

fn write_file(content: &Content, place: &Path) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(place)?;
    io::copy(&mut content.reader(), &mut file)?;
    Ok(())
}

fn set_time(entry: &Entry, place: &Path) -> io::Result<()> {
    let time = Timespec { tv_sec: entry.mtime, tv_nsec: 0 };
    let times = Timestamps { last_access: time, last_modification: time };
    Ok(utimensat(CWD, place, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};

    #[test]
    fn writes_everything_as_it_is_in_the_tree() {
        let mut tree = Tree::new();
        let entry = |kind, mode| Entry { kind, ..Entry::directory(mode).at(7).owned_by(5, 6) };
        let file = Kind::File(Content::Bytes(std::sync::Arc::from(*b"text")));
        tree.insert("dir/file", entry(file, 0o4755)).unwrap();
        tree.insert("dir/again", entry(Kind::Hard("dir/file".into()), 0o4755)).unwrap();
        tree.insert("dir/link", entry(Kind::Link("/no/where".into()), 0o777)).unwrap();
        tree.insert("null", entry(Kind::Character { major: 1, minor: 3 }, 0o666)).unwrap();
        tree.insert("pipe", entry(Kind::Fifo, 0o600)).unwrap();
        tree.insert("tmp", entry(Kind::Directory, 0o1777)).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let result = extract(&tree, dir.path());
        if !rustix::process::geteuid().is_root() {
            assert_eq!(
                result.unwrap_err().message(),
                "only root can write files that belong to others"
            );
            return;
        }
        result.unwrap();
        let stat = |path: &str| fs::symlink_metadata(dir.path().join(path)).unwrap();
        let file = stat("dir/file");
        assert_eq!((file.uid(), file.gid(), file.mode() & 0o7777), (5, 6, 0o4755));
        assert_eq!((file.mtime(), file.nlink()), (7, 2));
        assert_eq!(stat("dir").mtime(), 7);
        assert_eq!((stat("dir/link").uid(), stat("dir/link").mtime()), (5, 7));
        assert_eq!(stat("null").rdev(), makedev(1, 3));
        assert!(stat("pipe").file_type().is_fifo());
        assert_eq!(stat("tmp").mode() & 0o7777, 0o1777);
        assert!(extract(&tree, dir.path()).unwrap_err().message().ends_with("is not empty"));
    }
}
