//! The SSH server of the nodes: Debian's dropbear, with the C library it was built for beside Alpine's own. No SFTP,
//! a window of 24 KiB, few unauthenticated connections at a time: as on a Pi.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::cache::Cache;
use crate::fetch::{debian_packages, output};
use crate::tree;

pub const PACKAGES: [&str; 7] =
    ["dropbear-bin", "libc6", "libcrypt1", "libgmp10", "libtomcrypt1", "libtommath1", "zlib1g"];
const PROGRAMS: [&str; 3] = ["usr/sbin/dropbear", "usr/bin/dropbearkey", "usr/bin/dbclient"];
const LIBRARIES: [&str; 6] = [
    "libc.so.6",
    "libcrypt.so.1",
    "libgmp.so.10",
    "libtomcrypt.so.1",
    "libtommath.so.1",
    "libz.so.1",
];

/// Where programs of an architecture look for their loader and for libraries.
pub struct Places {
    pub loader_dir: &'static str,
    pub loader: &'static str,
    pub library_dir: &'static str,
}

pub const ARM64: Places = Places {
    loader_dir: "lib",
    loader: "ld-linux-aarch64.so.1",
    library_dir: "lib/aarch64-linux-gnu",
};
pub const AMD64: Places = Places {
    loader_dir: "lib64",
    loader: "ld-linux-x86-64.so.2",
    library_dir: "lib/x86_64-linux-gnu",
};
#[cfg(target_arch = "x86_64")]
pub const MACHINE: Places = AMD64;
#[cfg(target_arch = "aarch64")]
pub const MACHINE: Places = ARM64;

/// Downloads the packages; the tree they were unpacked to.
pub fn obtain(cache: &Cache) -> Result<PathBuf> {
    debian_packages(cache, &PACKAGES)
}

/// Copies the programs, their libraries and their loader from the packages into a node's root.
pub fn install(packages: &Path, places: &Places, root: &Path) -> Result<()> {
    for program in PROGRAMS {
        copy_program(&packages.join(program), &root.join(program))?;
    }
    let libraries = root.join(places.library_dir);
    for library in LIBRARIES {
        copy_program(&places.library(packages, library)?, &libraries.join(library))?;
    }
    let loader = root.join(places.loader_dir).join(places.loader);
    copy_program(&places.library(packages, places.loader)?, &loader)
}

pub fn copy_program(from: &Path, to: &Path) -> Result<()> {
    let program = fs::read(from).with_context(|| format!("read {}", from.display()))?;
    tree::write(to, program, 0o755)
}

impl Places {
    /// Debian moved its libraries below /usr with release 13, and some before.
    fn library(&self, packages: &Path, name: &str) -> Result<PathBuf> {
        let dirs = [self.library_dir.to_owned(), format!("usr/{}", self.library_dir)];
        match dirs.iter().map(|dir| packages.join(dir).join(name)).find(|path| path.exists()) {
            Some(path) => Ok(path),
            None => bail!("{name} is in none of Debian's packages {PACKAGES:?}"),
        }
    }
}

/// The public half, as `ssh-ed25519 AAAA…`, of the host key in `file`, which is made if it is missing.
pub fn make_host_key(root: &Path, file: &Path) -> Result<String> {
    let action: &[&str] = if file.exists() { &["-y", "-f"] } else { &["-t", "ed25519", "-f"] };
    if let Some(dir) = file.parent() {
        fs::create_dir_all(dir)?;
    }
    let printed = output(
        Command::new(root.join(MACHINE.loader_dir).join(MACHINE.loader))
            .arg("--library-path")
            .arg(root.join(MACHINE.library_dir))
            .arg(root.join("usr/bin/dropbearkey"))
            .args(action)
            .arg(file),
    )?;
    let key = printed
        .lines()
        .find(|line| line.starts_with("ssh-ed25519 "))
        .context("dropbearkey printed no public key")?;
    Ok(key.split(' ').take(2).collect::<Vec<_>>().join(" "))
}
