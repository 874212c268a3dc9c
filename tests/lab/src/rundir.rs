//! A lab's directory: keys and small files that other programs need to see. Named by the process that owns it, locked
//! while it lives, and removed by whoever starts a lab after it died without doing so.

use std::fs::{self, File};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, ensure};
use rustix::fs::Access;
use rustix::process::geteuid;

use crate::{cgroup, rootless};

static STARTED: AtomicU32 = AtomicU32::new(0);

pub struct RunDir {
    path: PathBuf,
    _lock: File,
}

/// Where all labs of this user have theirs.
pub fn base() -> PathBuf {
    // In a user namespace, root may not write where root's directories are.
    if rustix::fs::access("/run", Access::WRITE_OK).is_ok() {
        return "/run/pirun-lab".into();
    }
    match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(dir) => Path::new(&dir).join("pirun-lab"),
        None => std::env::temp_dir().join(format!("pirun-lab-{}", rootless::user())),
    }
}

impl RunDir {
    /// A new directory, after the dead ones were removed.
    pub fn create() -> Result<Self> {
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        Self::create_at(&base().join(format!("{}-{number}", std::process::id())))
    }

    /// The directory of a lab that is to be found under a known path.
    pub fn create_at(path: &Path) -> Result<Self> {
        let base = path.parent().context("a lab's directory cannot be the root directory")?;
        make_private(base)?;
        // One at a time: a directory that is not locked yet would look dead.
        let turn = File::create(base.join(".turn"))?;
        turn.lock()?;
        reap(base)?;
        make_private(path)?;
        let lock = File::create(path.join("lock"))
            .with_context(|| format!("create {}/lock", path.display()))?;
        ensure!(lock.try_lock().is_ok(), "a lab is running in {} already", path.display());
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A word that no other lab alive has.
    pub fn id(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}

impl Drop for RunDir {
    fn drop(&mut self) {
        cgroup::remove(&self.id());
        // Nobody is left to report to; the next lab reaps what stays.
        let _ = fs::remove_dir_all(&self.path);
    }
}

fn make_private(dir: &Path) -> Result<()> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.with_context(|| format!("create {}", dir.display()))?;
    let owner = fs::metadata(dir)?.uid();
    ensure!(owner == geteuid().as_raw(), "{} belongs to somebody else", dir.display());
    Ok(())
}

/// Removes what dead labs left: directories whose locks nobody holds.
fn reap(base: &Path) -> Result<()> {
    cgroup::reap();
    for entry in fs::read_dir(base).with_context(|| format!("read {}", base.display()))? {
        let path = entry?.path();
        let Ok(lock) = File::open(path.join("lock")) else {
            continue;
        };
        if lock.try_lock().is_ok() {
            cgroup::remove(&path.file_name().unwrap_or_default().to_string_lossy());
            let _ = fs::remove_dir_all(&path);
        }
    }
    Ok(())
}
