//! Directory trees: writing files with all that leads to them, and copying.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use anyhow::{Context, Result};

use crate::files::ImageFile;

/// Writes files below `root`, making the directories on the way.
pub fn write_files(root: &Path, files: &[ImageFile]) -> Result<()> {
    files.iter().try_for_each(|file| write(&root.join(file.path), file.text, file.mode))
}

/// Writes one file with its mode, replacing whatever is there (also a link), and makes the directories on the way.
pub fn write(path: &Path, text: impl AsRef<[u8]>, mode: u32) -> Result<()> {
    make_way(path)?;
    fs::write(path, text).with_context(|| format!("write {}", path.display()))?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(mode))?)
}

/// Makes a symbolic link, replacing whatever is there.
pub fn link(target: &str, path: &Path) -> Result<()> {
    make_way(path)?;
    symlink(target, path).with_context(|| format!("link {}", path.display()))
}

fn make_way(path: &Path) -> Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).with_context(|| format!("create {}", parent.display()))?;
    }
    remove(path)
}

/// Removes a file, link or whole directory, if there is one.
pub fn remove(path: &Path) -> Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(_) => Ok(()),
    };
    removed.with_context(|| format!("remove {}", path.display()))
}

/// Copies what is in `from` over what is in `to`; files and links there are replaced, not followed.
pub fn overlay(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let place = to.join(entry.file_name());
        if entry.file_type()?.is_dir() && place.is_dir() {
            overlay(&entry.path(), &place)?;
        } else {
            remove(&place)?;
            copy(&entry.path(), &place)?;
        }
    }
    Ok(())
}

/// Copies directories, files and links with modes and owners; `to` may exist. What is none of these is left out.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    let found =
        fs::symlink_metadata(from).with_context(|| format!("look at {}", from.display()))?;
    if found.is_symlink() {
        return symlink(fs::read_link(from)?, to).with_context(|| format!("link {}", to.display()));
    }
    if found.is_dir() {
        if !to.exists() {
            fs::create_dir(to).with_context(|| format!("create {}", to.display()))?;
        }
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
    } else if found.is_file() {
        fs::copy(from, to).with_context(|| format!("copy to {}", to.display()))?;
    } else {
        return Ok(());
    }
    if found.uid() != 0 || found.gid() != 0 {
        std::os::unix::fs::chown(to, Some(found.uid()), Some(found.gid()))?;
    }
    Ok(fs::set_permissions(to, found.permissions())?)
}
