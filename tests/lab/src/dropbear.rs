//! The SSH server of the nodes: Debian's dropbear, with the C library it was built for beside Alpine's own. No SFTP,
//! a window of 24 KiB, few unauthenticated connections at a time: as on a Pi.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::cache::Cache;
use crate::fetch::{debian_packages, output};

const PACKAGES: [&str; 7] =
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
/// Where the programs look for their loader and for libraries.
#[cfg(target_arch = "x86_64")]
const PLACES: [&str; 3] = ["lib64", "ld-linux-x86-64.so.2", "lib/x86_64-linux-gnu"];
#[cfg(target_arch = "aarch64")]
const PLACES: [&str; 3] = ["lib", "ld-linux-aarch64.so.1", "lib/aarch64-linux-gnu"];
const LOADER_DIR: &str = PLACES[0];
const LOADER: &str = PLACES[1];
const LIBRARY_DIR: &str = PLACES[2];

/// Downloads the packages; the tree they were unpacked to.
pub fn obtain(cache: &Cache) -> Result<PathBuf> {
    debian_packages(cache, &PACKAGES)
}

/// Copies the programs, their libraries and their loader from the packages into a node's root.
pub fn install(packages: &Path, root: &Path) -> Result<()> {
    for program in PROGRAMS {
        copy_program(&packages.join(program), &root.join(program))?;
    }
    let libraries = root.join(LIBRARY_DIR);
    fs::create_dir_all(&libraries)?;
    for library in LIBRARIES {
        copy_program(&library_in(packages, library)?, &libraries.join(library))?;
    }
    fs::create_dir_all(root.join(LOADER_DIR))?;
    copy_program(&library_in(packages, LOADER)?, &root.join(LOADER_DIR).join(LOADER))
}

fn copy_program(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("copy {} to {}", from.display(), to.display()))?;
    Ok(fs::set_permissions(to, fs::Permissions::from_mode(0o755))?)
}

/// Debian moved its libraries below /usr with release 13.
fn library_in(packages: &Path, name: &str) -> Result<PathBuf> {
    let places = [LIBRARY_DIR.to_owned(), format!("usr/{LIBRARY_DIR}")];
    match places.iter().map(|place| packages.join(place).join(name)).find(|path| path.exists()) {
        Some(path) => Ok(path),
        None => bail!("{name} is in none of Debian's packages {PACKAGES:?}"),
    }
}

/// Writes a new ed25519 host key to `file`; its public half as `ssh-ed25519 AAAA…`.
pub fn make_host_key(root: &Path, file: &Path) -> Result<String> {
    let printed = output(
        Command::new(root.join(LOADER_DIR).join(LOADER))
            .arg("--library-path")
            .arg(root.join(LIBRARY_DIR))
            .arg(root.join("usr/bin/dropbearkey"))
            .args(["-t", "ed25519", "-f"])
            .arg(file),
    )?;
    let key = printed
        .lines()
        .find(|line| line.starts_with("ssh-ed25519 "))
        .context("dropbearkey printed no public key")?;
    Ok(key.split(' ').take(2).collect::<Vec<_>>().join(" "))
}
