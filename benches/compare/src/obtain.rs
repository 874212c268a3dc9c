//! What has to be downloaded once: an SSH server of the machine's own Debian release, and the peers.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

use anyhow::{Context as _, Result};

use crate::isolate::run;
use crate::tools::Tool;

/// The peers' versions. A change makes a new environment.
const PEERS: &str = include_str!("../requirements.txt");
/// Apart, because it brings an `ansible` of its own.
const ANSIBLE_RS: &str = include_str!("../requirements-rs.txt");

/// Packages that hold an SSH server and what it needs beyond a usual system.
const SERVER: [&str; 3] = ["openssh-server", "openssh-sftp-server", "libwrap0"];

/// Fetches whatever is not there yet.
pub fn all(tools: &[Tool]) -> Result<()> {
    sshd()?;
    if tools.iter().any(|tool| tool.is_python()) {
        environment("peers", PEERS)?;
    }
    if tools.contains(&Tool::AnsibleRs) {
        environment("rs", ANSIBLE_RS)?;
    }
    Ok(())
}

/// The unpacked packages of the SSH server.
pub fn sshd() -> Result<PathBuf> {
    let dir = cache()?.join("sshd");
    once(&dir, |dir| {
        let download = tempfile::tempdir()?;
        let fetch = || {
            let mut command = Command::new("apt-get");
            run(command.args(["-q", "download"]).args(SERVER).current_dir(download.path()))
        };
        if fetch().is_err() {
            run(Command::new("apt-get").args(["-q", "update"]))?;
            fetch()?;
        }
        for package in fs::read_dir(download.path())? {
            run(Command::new("dpkg").arg("-x").arg(package?.path()).arg(dir))?;
        }
        Ok(())
    })?;
    Ok(dir)
}

/// A program of the peers' Python environment.
pub fn peer(program: &str) -> Result<PathBuf> {
    Ok(environment("peers", PEERS)?.join("bin").join(program))
}

/// `ansible` as rewritten in Rust.
pub fn ansible_rs() -> Result<PathBuf> {
    Ok(environment("rs", ANSIBLE_RS)?.join("bin/ansible"))
}

fn environment(name: &str, requirements: &str) -> Result<PathBuf> {
    // An environment's programs know its path, so it cannot be made elsewhere and renamed.
    let dir = cache()?.join(format!("{name}-{:08x}", fingerprint(requirements)));
    let done = dir.join("complete");
    if done.exists() {
        return Ok(dir);
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&dir))
        .context("the peers need Python with venv")?;
    let list = dir.join("requirements.txt");
    fs::write(&list, requirements)?;
    let pip = dir.join("bin/pip");
    run(Command::new(pip)
        .args(["install", "--quiet", "--disable-pip-version-check", "-r"])
        .arg(list))?;
    fs::write(done, "")?;
    Ok(dir)
}

fn cache() -> Result<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| std::env::home_dir().map(|home| home.join(".cache")))
        .context("neither XDG_CACHE_HOME nor HOME is set: no place to keep downloads")?;
    let dir = base.join("pirun-bench");
    fs::create_dir_all(&dir).with_context(|| format!("create {}", dir.display()))?;
    Ok(dir)
}

/// Fills a directory that appears complete or not at all.
fn once(dir: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    if dir.exists() {
        return Ok(());
    }
    let parent = dir.parent().context("a cache entry has a parent")?;
    let partial = tempfile::tempdir_in(parent)?;
    fill(partial.path())?;
    match fs::rename(partial.path(), dir) {
        Err(error) if error.kind() != io::ErrorKind::DirectoryNotEmpty => Err(error.into()),
        _ => Ok(()),
    }
}

/// Tells one list of versions from the next.
fn fingerprint(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
