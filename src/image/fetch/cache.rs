//! What was downloaded, kept under the hash of its content. Several builds may use and fill one cache at a time.

use std::fs::{self, File, TryLockError};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::image::apk::Package;
use crate::image::output;

/// How often a build looks whether another one has finished with a file.
const PAUSE: Duration = Duration::from_millis(20);

/// A directory of packages and indexes.
#[derive(Debug, Clone)]
pub struct Cache {
    dir: PathBuf,
    /// Another cache, which is only read.
    below: Option<PathBuf>,
    /// Keeps `dir` for as long as somebody has the cache, where it is a temporary one.
    _temporary: Option<Arc<TempDir>>,
}

/// The beginning of a download. Whoever has it may write it, and nobody else does.
pub(super) struct Part {
    pub file: File,
    pub path: PathBuf,
}

impl Cache {
    /// The user's: `$XDG_CACHE_HOME/pirun/apk`, or the same in `~/.cache`.
    ///
    /// # Errors
    /// When there is neither, or it cannot be made.
    pub fn open() -> Result<Self> {
        Self::at(&user_dir()?)
    }

    /// The user's, for a dry run: it is read, and what is downloaded besides is gone afterwards.
    ///
    /// # Errors
    /// When there is neither, or no temporary directory can be made.
    pub fn open_dry() -> Result<Self> {
        let temporary =
            tempfile::tempdir().map_err(|error| Error::io(std::env::temp_dir(), &error))?;
        let below = Some(user_dir()?);
        let cache = Self::at(temporary.path())?;
        Ok(Self { below, _temporary: Some(Arc::new(temporary)), ..cache })
    }

    /// The cache in that directory, which is made if it is missing.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn at(dir: &Path) -> Result<Self> {
        let indexes = dir.join("index");
        fs::create_dir_all(&indexes).map_err(|error| Error::io(&indexes, &error))?;
        Ok(Self { dir: dir.to_owned(), below: None, _temporary: None })
    }

    /// The package's file, if it is there.
    pub fn package(&self, package: &Package) -> Option<PathBuf> {
        let dirs = [Some(&self.dir), self.below.as_ref()];
        dirs.into_iter().flatten().find_map(|dir| {
            let path = dir.join(file_name(package));
            let found = fs::metadata(&path).ok()?;
            (found.len() == package.size).then_some(path)
        })
    }

    fn package_path(&self, package: &Package) -> PathBuf {
        self.dir.join(file_name(package))
    }

    /// The beginning of the package's file, as far as it was downloaded before. Waits while somebody else is at it;
    /// `None` if they have completed it.
    pub(super) fn begin(&self, package: &Package, cancel: &Cancel) -> Result<Option<Part>> {
        let path = self.package_path(package).with_extension("apk.part");
        let io = |error: &std::io::Error| Error::io(&path, error);
        loop {
            if self.package(package).is_some() {
                return Ok(None);
            }
            let file = File::options()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path)
                .map_err(|error| io(&error))?;
            loop {
                match file.try_lock() {
                    Ok(()) => break,
                    Err(TryLockError::WouldBlock) if cancel.is_cancelled() => {
                        return Err(Error::cancelled());
                    }
                    Err(TryLockError::WouldBlock) => thread::sleep(PAUSE),
                    Err(TryLockError::Error(error)) => return Err(io(&error)),
                }
            }
            // Whoever had the lock has perhaps completed the file and so given it another name.
            let mine = file.metadata().map_err(|error| io(&error))?;
            if fs::metadata(&path).is_ok_and(|found| found.ino() == mine.ino()) {
                return Ok(Some(Part { file, path }));
            }
        }
    }

    /// Gives a complete and verified download its name.
    pub(super) fn complete(&self, part: Part, package: &Package) -> Result<PathBuf> {
        let path = self.package_path(package);
        part.file.sync_all().map_err(|error| Error::io(&part.path, &error))?;
        fs::rename(&part.path, &path).map_err(|error| Error::io(&path, &error))?;
        sync_directory(&self.dir)?;
        Ok(path)
    }

    /// The index that was last downloaded and trusted.
    pub(super) fn index(&self, name: &str) -> Option<Vec<u8>> {
        let here = fs::read(self.index_path(name)).ok();
        here.or_else(|| fs::read(self.below.as_ref()?.join("index").join(name)).ok())
    }

    /// Keeps an index that is trusted.
    pub(super) fn keep_index(&self, name: &str, bytes: &[u8]) -> Result<()> {
        output::write(&self.index_path(name), bytes)
    }

    pub(super) fn index_path(&self, name: &str) -> PathBuf {
        self.dir.join("index").join(name)
    }
}

fn user_dir() -> Result<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| std::env::home_dir().map(|home| home.join(".cache")));
    let base = base.ok_or_else(|| {
        Error::file("there is no place to keep downloaded packages")
            .hint("Set XDG_CACHE_HOME to a directory, or HOME.")
    })?;
    Ok(base.join("pirun/apk"))
}

fn file_name(package: &Package) -> String {
    let hash: String = package.checksum.0.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}.{hash}.apk", package.full_name())
}

fn sync_directory(dir: &Path) -> Result<()> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|error| Error::io(dir, &error))
}
