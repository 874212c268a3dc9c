//! What has changed in a directory since a tree was [extracted](super::extract) into it, taken back into the tree.

use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use super::tree::{Content, Entry, Kind, Tree};
use crate::error::{Error, ErrorKind, Result};

/// Makes `tree` what `dir` has become. What is new or changed gets the time `now`; what is not stays as it is.
///
/// # Errors
/// When the directory cannot be read, or has a socket or a name that is not UTF-8.
pub fn collect(tree: &mut Tree, dir: &Path, now: i64) -> Result<()> {
    let mut seen = BTreeSet::new();
    let mut todo = vec![String::new()];
    while let Some(parent) = todo.pop() {
        let place = dir.join(&parent);
        for entry in fs::read_dir(&place).map_err(|error| Error::io(&place, &error))? {
            let entry = entry.map_err(|error| Error::io(&place, &error))?;
            let name = entry.file_name().into_string().map_err(|name| {
                let message = format!("a script made a file whose name is not UTF-8: {name:?}");
                Error::new(ErrorKind::Image, message)
            })?;
            let path = if parent.is_empty() { name } else { format!("{parent}/{name}") };
            let stat = entry.metadata().map_err(|error| Error::io(entry.path(), &error))?;
            if stat.is_dir() {
                todo.push(path.clone());
            }
            update(tree, dir, &path, &stat, now)?;
            seen.insert(path);
        }
    }
    let gone: Vec<String> =
        tree.iter().map(|(path, _)| path.to_owned()).filter(|path| !seen.contains(path)).collect();
    for path in gone.iter().filter(|path| !path.is_empty()) {
        tree.remove(path);
    }
    Ok(())
}

fn update(tree: &mut Tree, dir: &Path, path: &str, stat: &Metadata, now: i64) -> Result<()> {
    let place = dir.join(path);
    let read = |error: io::Error| Error::io(&place, &error);
    let old = tree.get(path).cloned();
    let kind = stat.file_type();
    let new = match () {
        () if kind.is_dir() => Kind::Directory,
        () if kind.is_symlink() => {
            let target = fs::read_link(&place).map_err(read)?;
            Kind::Link(target.to_string_lossy().into_owned())
        }
        () if kind.is_file() => match &old {
            Some(old) if is_untouched(tree, old, dir, stat) => old.kind.clone(),
            _ => Kind::File(Content::Bytes(fs::read(&place).map_err(read)?.into())),
        },
        () if kind.is_char_device() || kind.is_block_device() => {
            let (major, minor) = (rustix::fs::major(stat.rdev()), rustix::fs::minor(stat.rdev()));
            match kind.is_char_device() {
                true => Kind::Character { major, minor },
                false => Kind::Block { major, minor },
            }
        }
        () if kind.is_fifo() => Kind::Fifo,
        () => {
            let message = format!("a script made /{path}, which cannot be in an image");
            return Err(Error::new(ErrorKind::Image, message));
        }
    };
    // Twelve bits of the mode are permissions.
    let mode = u16::try_from(stat.mode() & 0o7777).unwrap_or_default();
    let mode = if matches!(new, Kind::Link(_)) { 0o777 } else { mode };
    match old {
        Some(old) if old.kind == new => {
            if (old.uid, old.gid, old.mode) != (stat.uid(), stat.gid(), mode) {
                let entry = Entry { uid: stat.uid(), gid: stat.gid(), mode, ..old };
                tree.insert(path, entry)?;
            }
            Ok(())
        }
        old => {
            // What was below a directory that is none any more goes.
            if old.is_some_and(|old| old.kind == Kind::Directory) {
                tree.remove(path);
            }
            let entry = Entry { kind: new, mode, ..Entry::link("").at(now) };
            tree.insert(path, entry.owned_by(stat.uid(), stat.gid()))
        }
    }
}

/// By size and time, which extracting set to a full second.
fn is_untouched(tree: &Tree, old: &Entry, dir: &Path, stat: &Metadata) -> bool {
    match &old.kind {
        Kind::File(content) => {
            (content.len(), old.mtime, 0) == (stat.len(), stat.mtime(), stat.mtime_nsec())
        }
        Kind::Hard(target) => {
            let same =
                fs::symlink_metadata(dir.join(target)).map(|other| other.ino() == stat.ino());
            let original = tree.get(target).cloned();
            same.unwrap_or(false)
                && original.is_some_and(|original| is_untouched(tree, &original, dir, stat))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::extract::extract;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    #[test]
    fn takes_back_what_changed_and_only_that() {
        if !rustix::process::geteuid().is_root() {
            // Only root can extract, of which the other test speaks.
            return;
        }
        let mut tree = Tree::new();
        for path in ["a/same", "a/changed", "a/mode", "gone/below", "b"] {
            tree.insert(path, Entry::file(*b"12345", 0o644).at(7).owned_by(3, 4)).unwrap();
        }
        tree.insert(
            "a/hard",
            Entry { kind: Kind::Hard("a/same".into()), ..Entry::file(*b"", 0o644) },
        )
        .unwrap();
        let before = tree.clone();
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        extract(&tree, dir.path()).unwrap();
        collect(&mut tree, dir.path(), 9).unwrap();
        let kinds = |tree: &Tree| {
            tree.iter()
                .map(|(path, it)| (path.to_owned(), it.kind.clone(), it.mtime))
                .collect::<Vec<_>>()
        };
        assert_eq!(kinds(&tree), kinds(&before));

        fs::write(at("a/changed"), "54321").unwrap();
        fs::set_permissions(at("a/mode"), fs::Permissions::from_mode(0o4755)).unwrap();
        fs::remove_dir_all(at("gone")).unwrap();
        symlink("/x", at("gone")).unwrap();
        fs::create_dir(at("new")).unwrap();
        fs::write(at("new/file"), "new").unwrap();
        collect(&mut tree, dir.path(), 9).unwrap();
        let about = |path: &str| tree.get(path).map(|it| (it.mode, it.uid, it.mtime)).unwrap();
        assert_eq!(about("a/same"), (0o644, 3, 7));
        assert_eq!(about("a/changed"), (0o644, 3, 9));
        assert_eq!(about("a/mode"), (0o4755, 3, 7));
        assert_eq!(tree.read("a/changed").unwrap().unwrap(), b"54321");
        assert_eq!(tree.get("gone").unwrap().kind, Kind::Link("/x".into()));
        assert_eq!(tree.read("new/file").unwrap().unwrap(), b"new");
        assert_eq!(tree.get("a/hard").unwrap().kind, Kind::Hard("a/same".into()));
        assert!(tree.get("gone/below").is_none());
    }
}
