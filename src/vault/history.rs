//! Which versions of a vault this machine has seen: an older file that was put back is genuine in itself, and only
//! outside memory can tell.

use std::fs;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::crypto;

/// So many versions are remembered.
const KEPT: usize = 500;

/// The versions of one vault, oldest first: a file with a MAC in hexadecimal a line.
pub struct History(PathBuf);

impl History {
    /// The memory of the vault `id` at `path`, in the directory `states`. Copies elsewhere, such as a second clone of the
    /// project, have versions of their own.
    pub fn new(states: &Path, id: &str, path: &Path) -> Self {
        let place = crypto::hex(&Sha256::digest(path.as_os_str().as_bytes())[..8]);
        Self(states.join("vaults").join(format!("{id}-{place}")))
    }

    /// How many newer versions this machine has seen than the one with this MAC. A version that is new is remembered.
    ///
    /// # Errors
    /// The memory cannot be read or written.
    pub fn newer_than(&self, mac: &[u8; 32]) -> io::Result<usize> {
        let seen = self.seen()?;
        match seen.iter().rposition(|line| *line == crypto::hex(mac)) {
            Some(index) => Ok(seen.len() - 1 - index),
            None => self.remember(mac).map(|()| 0),
        }
    }

    /// From now on the version with this MAC is the newest.
    ///
    /// # Errors
    /// The memory cannot be read or written.
    pub fn remember(&self, mac: &[u8; 32]) -> io::Result<()> {
        let (mut seen, line) = (self.seen()?, crypto::hex(mac));
        if seen.last() == Some(&line) {
            return Ok(());
        }
        seen.push(line);
        let lines = &seen[seen.len().saturating_sub(KEPT)..];
        self.write(&lines.iter().map(|line| format!("{line}\n")).collect::<String>())
    }

    fn seen(&self) -> io::Result<Vec<String>> {
        match fs::read_to_string(&self.0) {
            Ok(text) => Ok(text.lines().map(str::to_owned).collect()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    fn write(&self, text: &str) -> io::Result<()> {
        let dir = self.0.parent().unwrap_or(Path::new("."));
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let mut temp = tempfile::NamedTempFile::new_in(dir)?;
        temp.write_all(text.as_bytes())?;
        temp.as_file().sync_all()?;
        temp.persist(&self.0)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_that_was_seen_before_others_is_an_older_one() {
        let dir = tempfile::tempdir().unwrap();
        let history = History::new(dir.path(), "00ff", Path::new("/a/vault.enc"));
        let newer = |mac: u8| history.newer_than(&[mac; 32]).unwrap();
        assert_eq!((newer(1), newer(1), newer(2), newer(3)), (0, 0, 0, 0));
        assert_eq!((newer(3), newer(2), newer(1)), (0, 1, 2));
        // It was put back on purpose.
        history.remember(&[1; 32]).unwrap();
        assert_eq!((newer(1), newer(3), newer(2)), (0, 1, 2));
        for (id, path) in [("other", "/a/vault.enc"), ("00ff", "/b/vault.enc")] {
            let other = History::new(dir.path(), id, Path::new(path));
            assert_eq!(other.newer_than(&[1; 32]).unwrap(), 0, "{id} {path}");
        }
    }

    #[test]
    fn the_memory_stays_small() {
        let dir = tempfile::tempdir().unwrap();
        let history = History::new(dir.path(), "00ff", Path::new("/a/vault.enc"));
        for number in 0..600_u16 {
            let mut mac = [0; 32];
            mac[..2].copy_from_slice(&number.to_be_bytes());
            history.remember(&mac).unwrap();
        }
        let text = fs::read_to_string(&history.0).unwrap();
        assert_eq!(text.lines().count(), KEPT);
        assert!(text.ends_with(&format!("0257{}\n", "0".repeat(60))));
    }
}
