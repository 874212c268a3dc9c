//! A vault that lies in a file: locked while it is written, and replaced in one step.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use tempfile::NamedTempFile;

use super::format::MAX_FILE;
use super::history::History;
use super::open::OpenVault;
use super::sealed::Vault;
use super::{VaultError, memory};

/// How long to wait for another writer. A writer holds the lock for milliseconds.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(20);

/// Reads a vault without opening it.
///
/// # Errors
/// [`VaultError::Missing`], [`VaultError::Io`], and those of [`Vault::parse`].
pub fn read(path: &Path) -> Result<Vault, VaultError> {
    let file = File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => VaultError::Missing,
        _ => VaultError::Io(path.to_owned(), error),
    })?;
    Vault::parse(&content(&file, path)?)
}

/// An open vault and the file it came from.
#[derive(Debug)]
pub struct VaultFile {
    /// Where a symbolic link leads to, so that the link stays.
    path: PathBuf,
    open: OpenVault,
    /// Where the versions of vaults are remembered.
    states: Option<PathBuf>,
}

impl VaultFile {
    /// Ties an opened vault to the file that it was read from.
    ///
    /// # Errors
    /// [`VaultError::Io`] if the file went away.
    pub fn new(path: &Path, open: OpenVault) -> Result<Self, VaultError> {
        memory::forbid_core_dumps();
        let path = path.canonicalize().map_err(|error| VaultError::Io(path.to_owned(), error))?;
        Ok(Self { path, open, states: None })
    }

    /// Writes a new vault.
    ///
    /// # Errors
    /// [`VaultError::Exists`], [`VaultError::Io`].
    pub fn create(path: &Path, mut open: OpenVault) -> Result<Self, VaultError> {
        let temp = write_beside(path, &open.print()?, None)?;
        temp.persist_noclobber(path).map_err(|failed| match failed.error.kind() {
            io::ErrorKind::AlreadyExists => VaultError::Exists,
            _ => VaultError::Io(path.to_owned(), failed.error),
        })?;
        sync_directory(path)?;
        Self::new(path, open)
    }

    /// Remembers each version that is written from now on, in the directory `states`.
    #[must_use]
    pub fn remembered_in(mut self, states: Option<PathBuf>) -> Self {
        self.states = states;
        self
    }

    /// How many versions newer than this one were seen: more than zero if somebody put an older file back.
    pub fn newer_versions_seen(&self) -> usize {
        let newer = |history: History| history.newer_than(self.open.mac()).ok();
        self.history().and_then(newer).unwrap_or(0)
    }

    fn history(&self) -> Option<History> {
        self.states.as_deref().map(|states| History::new(states, &self.open.id(), &self.path))
    }

    /// Best effort: a home directory that cannot be written to is no reason to fail.
    fn remember(&self) {
        let _ = self.history().map(|history| history.remember(self.open.mac()));
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The vault as it was when it was last read or written.
    pub fn open(&self) -> &OpenVault {
        &self.open
    }

    /// The vault in memory only, for a dry run.
    pub fn open_mut(&mut self) -> &mut OpenVault {
        &mut self.open
    }

    /// Applies `change` to the vault as it is in the file now, and writes the result.
    ///
    /// Whoever else writes at the same time waits, so no change gets lost. After an error, and after a crash at any
    /// point, the file holds the old vault or the new one.
    ///
    /// # Errors
    /// [`VaultError::Busy`], [`VaultError::RotatedMeanwhile`], [`VaultError::Io`], those of [`Vault::parse`], and
    /// what `change` fails with.
    pub fn update<T, E: From<VaultError>>(
        &mut self,
        change: impl FnOnce(&mut OpenVault) -> Result<T, E>,
    ) -> Result<T, E> {
        let locked = lock(&self.path)?;
        let before = content(&locked, &self.path)?;
        let mut next = self.open.clone();
        next.renew(Vault::parse(&before)?)?;
        let result = change(&mut next)?;
        let after = next.print()?;
        if after.as_bytes() != before {
            remove_leftovers(&self.path);
            replace(&self.path, &after, &locked)?;
        }
        self.open = next;
        self.remember();
        Ok(result)
    }

    /// Writes the vault as it is in memory over whatever the file holds, for a set of secrets that was accepted or merged.
    ///
    /// # Errors
    /// [`VaultError::Busy`], [`VaultError::Io`].
    pub fn overwrite(&mut self) -> Result<(), VaultError> {
        let locked = lock(&self.path)?;
        replace(&self.path, &self.open.print()?, &locked)?;
        self.remember();
        Ok(())
    }
}

fn content(file: &File, path: &Path) -> Result<Vec<u8>, VaultError> {
    let mut bytes = Vec::new();
    Read::take(file, MAX_FILE as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| VaultError::Io(path.to_owned(), error))?;
    Ok(bytes)
}

/// Locks the file itself, so that no lock file lies about. Whoever writes replaces the file: a lock on one that was
/// replaced meanwhile is worth nothing, and is taken again.
fn lock(path: &Path) -> Result<File, VaultError> {
    let failed = |error| VaultError::Io(path.to_owned(), error);
    let started = Instant::now();
    loop {
        let file = File::open(path).map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) if is_still_at(&file, path).map_err(failed)? => return Ok(file),
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) if started.elapsed() < PATIENCE => {
                std::thread::sleep(PAUSE);
            }
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(VaultError::Busy),
            Err(error) => return Err(failed(error.into())),
        }
    }
}

fn is_still_at(file: &File, path: &Path) -> io::Result<bool> {
    let (held, there) = (file.metadata()?, fs::metadata(path)?);
    Ok((held.dev(), held.ino()) == (there.dev(), there.ino()))
}

fn replace(path: &Path, text: &str, old: &File) -> Result<(), VaultError> {
    let temp = write_beside(path, text, Some(old))?;
    temp.persist(path).map_err(|failed| VaultError::Io(path.to_owned(), failed.error))?;
    sync_directory(path)
}

/// A complete and durable file in the directory of `path`, with the mode and owner of `like`.
fn write_beside(path: &Path, text: &str, like: Option<&File>) -> Result<NamedTempFile, VaultError> {
    let write = || -> io::Result<NamedTempFile> {
        let mut temp = tempfile::Builder::new()
            .prefix(&leftover_prefix(path))
            .suffix(LEFTOVER_SUFFIX)
            .tempfile_in(directory(path))?;
        if let Some(like) = like {
            keep_mode_and_owner(temp.as_file(), like)?;
        }
        temp.write_all(text.as_bytes())?;
        temp.as_file().sync_all()?;
        Ok(temp)
    };
    let temp = write().map_err(|error| VaultError::Io(path.to_owned(), error))?;
    // A disk that lies is found out while the old vault is still there.
    read(temp.path())?;
    Ok(temp)
}

fn keep_mode_and_owner(new: &File, old: &File) -> io::Result<()> {
    let (new_meta, old_meta) = (new.metadata()?, old.metadata()?);
    if (new_meta.uid(), new_meta.gid()) != (old_meta.uid(), old_meta.gid()) {
        // Only root may do this, and root is who would otherwise lock the owner out.
        let _ = std::os::unix::fs::fchown(new, Some(old_meta.uid()), Some(old_meta.gid()));
    }
    new.set_permissions(fs::Permissions::from_mode(old_meta.mode() & 0o777))
}

const LEFTOVER_SUFFIX: &str = ".tmp";

fn leftover_prefix(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    format!(".{name}.")
}

/// Removes the temporary files of writers that were killed. The caller holds the lock, so no writer is alive.
fn remove_leftovers(path: &Path) {
    let prefix = leftover_prefix(path);
    let Ok(entries) = fs::read_dir(directory(path)) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(&prefix) && name.ends_with(LEFTOVER_SUFFIX) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn sync_directory(path: &Path) -> Result<(), VaultError> {
    let directory = directory(path);
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(|error| VaultError::Io(directory.to_owned(), error))
}
