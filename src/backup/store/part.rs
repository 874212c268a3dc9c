//! A backup that is being made: a file that only its maker can use.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

const ENDING: &str = ".part";

/// Removed when it is dropped, unless it was [given its name](Part::rename) or [set aside](Part::set_aside). While it is
/// there it is locked: a part that is not is left from a run that was cut.
#[derive(Debug)]
pub struct Part {
    path: PathBuf,
    file: File,
    is_kept: bool,
}

impl Part {
    pub(super) fn create(directory: &Path, name: &str) -> Result<Self> {
        let path = directory.join(format!("{name}{ENDING}"));
        let io = |error: std::io::Error| Error::io(&path, &error);
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create_new(true).mode(0o600).open(&path);
        let file = file.map_err(io)?;
        file.try_lock().map_err(|error| match error {
            TryLockError::Error(error) => io(error),
            TryLockError::WouldBlock => io(std::io::ErrorKind::ResourceBusy.into()),
        })?;
        Ok(Self { path, file, is_kept: false })
    }

    /// Whether a file of this name is left from a run that was cut.
    pub(super) fn is_left(path: &Path) -> bool {
        path.extension().is_some_and(|ending| ending == &ENDING[1..])
            && File::open(path).is_ok_and(|file| file.try_lock().is_ok())
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn file(&self) -> &File {
        &self.file
    }

    /// Its content, from the beginning.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(&self) -> Result<File> {
        File::open(&self.path).map_err(|error| Error::io(&self.path, &error))
    }

    /// # Errors
    /// Not all of it can be written to the disk.
    pub fn sync(&self) -> Result<()> {
        self.file.sync_all().map_err(|error| Error::io(&self.path, &error))
    }

    /// Gives it its name, which nothing has yet.
    pub(super) fn rename(mut self, to: &Path) -> std::io::Result<()> {
        rename_new(&self.path, to)?;
        self.is_kept = true;
        Ok(())
    }

    /// Leaves it, for somebody to look at, as `….bad`. It is never taken for a backup.
    ///
    /// # Errors
    /// It cannot be renamed.
    pub fn set_aside(mut self) -> Result<PathBuf> {
        let to = self.path.with_extension("bad");
        fs::rename(&self.path, &to).map_err(|error| Error::io(&self.path, &error))?;
        self.is_kept = true;
        Ok(to)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.is_kept {
            // The next run removes it otherwise.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Renames without ever taking another file's place.
fn rename_new(from: &Path, to: &Path) -> std::io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Some network file systems cannot do that; a link is as good.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
            fs::hard_link(from, to)?;
            fs::remove_file(from)
        }
        done => Ok(done?),
    }
}
