//! What is downloaded and built once, kept outside the source tree under the hash of its inputs.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

/// The directory all entries live in: `$XDG_CACHE_HOME/pirun-lab`, or the same in `~/.cache`.
pub struct Cache {
    dir: PathBuf,
}

/// Collects what an entry is made from.
#[derive(Default)]
pub struct Key(Sha256);

impl Key {
    pub fn new(recipe: &str) -> Self {
        let mut key = Self::default();
        key.add(recipe);
        key
    }

    /// Adds one input; `ab` + `c` and `a` + `bc` give different keys.
    pub fn add(&mut self, input: impl AsRef<[u8]>) {
        self.0.update((input.as_ref().len() as u64).to_le_bytes());
        self.0.update(input.as_ref());
    }

    fn digits(self) -> String {
        self.0.finalize().iter().take(10).map(|byte| format!("{byte:02x}")).collect()
    }
}

impl Cache {
    pub fn open() -> Result<Self> {
        let base = std::env::var_os("XDG_CACHE_HOME")
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
            .or_else(|| std::env::home_dir().map(|home| home.join(".cache")))
            .context(
                "neither XDG_CACHE_HOME nor HOME is set: no place to keep what the lab downloads",
            )?;
        let dir = base.join("pirun-lab");
        fs::create_dir_all(&dir).with_context(|| format!("create {}", dir.display()))?;
        Ok(Self { dir })
    }

    /// The directory of the entry `name`, filled by `build` if there is none yet. An entry appears under its name
    /// complete or not at all, and of two processes that want the same one the second waits for the first.
    pub fn entry(
        &self,
        name: &str,
        key: Key,
        build: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let name = format!("{name}-{}", key.digits());
        let done = self.dir.join(&name);
        if done.exists() {
            return Ok(done);
        }
        let lock_path = self.dir.join(format!("{name}.lock"));
        let lock =
            File::create(&lock_path).with_context(|| format!("create {}", lock_path.display()))?;
        lock.lock().with_context(|| format!("lock {}", lock_path.display()))?;
        if done.exists() {
            return Ok(done);
        }
        let partial =
            tempfile::Builder::new().prefix(&format!(".{name}.")).tempdir_in(&self.dir)?;
        // mkdtemp makes it 0700, but a root directory in here must be everybody's.
        fs::set_permissions(partial.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        build(partial.path()).with_context(|| format!("build the lab's {name}"))?;
        fs::rename(partial.path(), &done)
            .with_context(|| format!("rename to {}", done.display()))?;
        Ok(done)
    }
}
