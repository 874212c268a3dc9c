//! A place for plaintext: a file in memory, in a directory of our own, wiped in the end.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FsWord, statfs};
use tempfile::TempDir;
use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// `TMPFS_MAGIC` and `RAMFS_MAGIC` of linux/magic.h.
const IN_MEMORY: [FsWord; 2] = [0x0102_1994, 0x8584_58f6];

/// A directory that only this user can enter. The editor may put its own files beside ours: all are wiped.
pub struct Scratch {
    directory: TempDir,
    file: PathBuf,
}

impl Scratch {
    /// In memory; on the disk only if `disk` allows that and there is no other way.
    pub fn new(disk: bool) -> Result<Self> {
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let places = runtime.into_iter().chain(["/dev/shm".into(), "/run".into()]);
        let place = places.filter(|place| is_in_memory(place)).find_map(|place| make_in(&place));
        let directory = match place {
            Some(directory) => directory,
            None if disk => make_in(&std::env::temp_dir())
                .ok_or_else(|| Error::file("no directory for temporary files can be written"))?,
            None => {
                return Err(Error::usage("there is no tmpfs that the text could be edited in")
                    .hint("Change secrets one by one with `pirun vault set NAME`.")
                    .hint("Or allow the plaintext on the disk with `--disk`."));
            }
        };
        let file = directory.path().join("vault.yaml");
        Ok(Self { directory, file })
    }

    pub fn file(&self) -> &Path {
        &self.file
    }

    pub fn write(&self, text: &str) -> Result<()> {
        let write = || {
            let options = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&self.file);
            options?.write_all(text.as_bytes())
        };
        write().map_err(|error| Error::io(&self.file, &error))
    }

    pub fn read(&self) -> Result<Zeroizing<String>> {
        let mut text = Zeroizing::new(String::with_capacity(64 << 10));
        File::open(&self.file)
            .and_then(|mut file| file.read_to_string(&mut text))
            .map_err(|error| Error::io(&self.file, &error))?;
        Ok(text)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // The directory itself is removed with its `TempDir`.
        wipe_all(self.directory.path());
    }
}

fn is_in_memory(place: &Path) -> bool {
    statfs(place).is_ok_and(|found| IN_MEMORY.contains(&found.f_type))
}

fn make_in(place: &Path) -> Option<TempDir> {
    let private = fs::Permissions::from_mode(0o700);
    tempfile::Builder::new().prefix("pirun-edit-").permissions(private).tempdir_in(place).ok()
}

/// Overwrites all files below. Best effort, as the memory is given back anyway.
fn wipe_all(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => wipe_all(&entry.path()),
            Ok(kind) if kind.is_file() => {
                let _ = wipe(&entry.path());
            }
            _ => {}
        }
    }
}

fn wipe(path: &Path) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    let length = file.metadata()?.len();
    file.rewind()?;
    std::io::copy(&mut std::io::repeat(0).take(length), &mut file)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plaintext_is_in_memory_for_this_user_only_and_goes_away() {
        let scratch = Scratch::new(false).unwrap();
        scratch.write("a: b\n").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert!(is_in_memory(scratch.file()));
        assert_eq!((mode(scratch.file()), mode(scratch.directory.path())), (0o600, 0o700));
        let swap = scratch.directory.path().join(".vault.yaml.swp");
        fs::write(&swap, "a: b").unwrap();
        let held = File::open(&swap).unwrap();
        let directory = scratch.directory.path().to_owned();
        drop(scratch);
        assert!(!directory.exists());
        let mut left = Vec::new();
        (&held).read_to_end(&mut left).unwrap();
        assert_eq!(left, [0; 4], "what a reader still holds is wiped");
    }
}
