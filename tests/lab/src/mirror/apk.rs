//! Alpine's own apk, run on directories of the machine: what pirun does is compared with what it does.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::{Arch, Mirror};
use crate::cache::Cache;
use crate::userland::Userland;

/// apk 3 of the lab's userland, with the loader and libraries that it was built for.
pub struct Apk {
    userland: PathBuf,
}

impl Apk {
    pub fn obtain() -> Result<Self> {
        Ok(Self { userland: Userland::obtain(&Cache::open()?)?.root() })
    }

    /// apk for the root file system in `root`: the caller adds the action. Installing with scripts needs root, and
    /// scripts only run on the machine's own architecture; `--no-scripts` leaves them out.
    pub fn on(&self, root: &Path) -> Command {
        let loader = format!("lib/ld-musl-{}.so.1", std::env::consts::ARCH);
        let mut command = Command::new(self.userland.join(loader));
        let libraries = ["lib", "usr/lib"].map(|dir| self.userland.join(dir).display().to_string());
        command.arg("--library-path").arg(libraries.join(":"));
        command.arg(self.userland.join("sbin/apk")).arg("--root").arg(root).arg("--no-cache");
        command
    }

    /// Like [`on`](Self::on), with a mirror's repositories and key for that architecture, and a new database if there
    /// is none.
    pub fn with(&self, mirror: &Mirror, arch: Arch, root: &Path) -> Command {
        let mut command = self.on(root);
        command.args(["--initdb", "--arch", arch.name(), "--keys-dir"]).arg(mirror.keys());
        for repository in mirror.repositories() {
            command.arg("--repository").arg(repository);
        }
        command
    }
}
