//! What the board is made of beside the card, and what the smallest cards are made of: Debian's U-Boot, kernel and dropbear
//! for arm64, Alpine's busybox, all from packages.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::board::cpio::Archive;
use crate::board::modules::Modules;
use crate::cache::{Cache, Key};
use crate::fetch::{ALPINE_AARCH64, require, run};
use crate::foreign::Foreign;
use crate::userland::unpack;
use crate::{dropbear, tree};

/// To be raised when code here changes what comes out.
const RECIPE: &str = "board 2";
const INIT: &str = include_str!("../../image/board-initramfs.sh");

const KERNEL: &str = "linux-image-arm64";
const PACKAGES: [&str; 2] = ["u-boot-rpi", "busybox-static"];

/// What a Pi's own kernel has built in and Debian's has not: card, file systems, network, and the watchdog that also
/// restarts the machine.
const MODULES: [&str; 12] = [
    "bcm2835",
    "crc32c_generic",
    "ext4",
    "nls_cp437",
    "nls_ascii",
    "nls_iso8859-1",
    "nls_utf8",
    "vfat",
    "phy-generic",
    "dwc2",
    "cdc_ether",
    "bcm2835_wdt",
];

const APPLETS: [&str; 10] =
    ["sh", "mount", "umount", "insmod", "sleep", "cat", "switch_root", "ip", "reboot", "echo"];

/// A directory in the cache, never written to once it is there.
pub struct Parts {
    dir: PathBuf,
}

impl Parts {
    /// From the cache, or downloaded and made.
    pub fn obtain() -> Result<Self> {
        require("fdtput", "device-tree-compiler")?;
        require("qemu-img", "qemu-utils")?;
        require("debugfs", "e2fsprogs")?;
        let mut key = Key::new(RECIPE);
        key.add(INIT);
        key.add(KERNEL);
        key.add(ALPINE_AARCH64.sha256);
        let wanted = [&PACKAGES[..], &dropbear::PACKAGES].concat();
        for name in wanted.iter().chain(&MODULES) {
            key.add(name);
        }
        key.add(fs::read("/etc/os-release").context("read /etc/os-release")?);
        let cache = Cache::open()?;
        let dir = cache.entry("board", key, |dir| {
            let scratch = tempfile::tempdir()?;
            let packages = Foreign::open("arm64")?;
            let kernel = packages.dependency(KERNEL)?;
            packages.unpack(&[&wanted[..], &[&kernel]].concat(), scratch.path())?;
            let parts = Self { dir: dir.to_owned() };
            parts.make(scratch.path())?;
            let alpine = scratch.path().join("alpine");
            unpack(&ALPINE_AARCH64.obtain(&cache)?, &alpine)?;
            parts.add_busybox(&alpine)
        })?;
        Ok(Self { dir })
    }

    /// U-Boot for all 64-bit Pis, as `kernel=` in a card's `config.txt` names it.
    pub fn u_boot(&self) -> PathBuf {
        self.dir.join("u-boot.bin")
    }

    /// Debian's kernel, compressed with gzip: to be `/boot/vmlinuz-rpi` in the slots of a card that is to boot here.
    pub fn kernel(&self) -> PathBuf {
        self.dir.join("vmlinuz.gz")
    }

    /// The kernel's modules and its device tree's changes come with the machine, not with the card.
    pub(crate) fn initramfs(&self) -> PathBuf {
        self.dir.join("initramfs.gz")
    }

    pub(crate) fn device_tree(&self) -> PathBuf {
        self.dir.join("board.dtb")
    }

    /// A root file system with nothing but Alpine's busybox, Debian's dropbear and what these need, for arm64.
    pub fn userland(&self) -> PathBuf {
        self.dir.join("userland")
    }

    fn make(&self, packages: &Path) -> Result<()> {
        copy(&packages.join("usr/lib/u-boot/rpi_arm64/u-boot.bin"), &self.u_boot())?;
        dropbear::install(packages, &dropbear::ARM64, &self.userland())?;
        let version = only_name(&packages.join("lib/modules"))?;
        copy(&packages.join("boot").join(format!("vmlinuz-{version}")), &self.dir.join("vmlinuz"))?;
        run(Command::new("gzip").args(["-9", "-n"]).arg(self.dir.join("vmlinuz")))?;
        self.make_device_tree(
            &packages.join(format!("usr/lib/linux-image-{version}/broadcom/bcm2837-rpi-3-b.dtb")),
        )?;
        self.make_initramfs(
            &packages.join("bin/busybox"),
            &packages.join("lib/modules").join(version),
        )
    }

    /// The shell and tools that a node has, out of the disk image of a whole Alpine.
    fn add_busybox(&self, alpine: &Path) -> Result<()> {
        let root = self.userland();
        for file in ["bin/busybox", "lib/ld-musl-aarch64.so.1"] {
            copy(&alpine.join(file), &root.join(file))?;
        }
        tree::link("ld-musl-aarch64.so.1", &root.join("lib/libc.musl-aarch64.so.1"))?;
        let applets = fs::read_to_string(alpine.join("etc/busybox-paths.d/busybox"))?;
        applets.lines().try_for_each(|path| tree::link("/bin/busybox", &root.join(path)))
    }

    /// The Pi 3's own, changed for QEMU:
    /// * U-Boot must not drive the USB host: QEMU tells of the network adapter once, and Linux would never hear of it.
    ///   Linux knows the hardware by this other name too, U-Boot does not.
    /// * All of the console is on the first serial line.
    /// * One processor: the others spin while they wait for Linux, and QEMU runs them all by turns.
    fn make_device_tree(&self, original: &Path) -> Result<()> {
        let tree = self.device_tree();
        copy(original, &tree)?;
        let put = |node: &str, property: &str, value: &str| {
            run(Command::new("fdtput").args(["-t", "s"]).arg(&tree).args([node, property, value]))
        };
        put("/soc/usb@7e980000", "compatible", "amcc,dwc-otg")?;
        put("/chosen", "stdout-path", "serial0:115200n8")?;
        (1..4).try_for_each(|cpu| {
            run(Command::new("fdtput").arg("-r").arg(&tree).arg(format!("/cpus/cpu@{cpu}")))
        })
    }

    fn make_initramfs(&self, busybox: &Path, modules: &Path) -> Result<()> {
        let mut archive = Archive::default();
        for dir in ["bin", "dev", "modules", "proc", "root", "sys"] {
            archive.directory(dir);
        }
        archive.file("init", 0o755, INIT.as_bytes());
        archive.file("bin/busybox", 0o755, &fs::read(busybox)?);
        for applet in APPLETS {
            archive.link(&format!("bin/{applet}"), "busybox");
        }
        for (number, module) in Modules::find(modules)?.closure(&MODULES)?.iter().enumerate() {
            archive.file(&format!("modules/{number:02}-{}", module.name), 0o644, &module.content);
        }
        let file = fs::File::create(self.initramfs())?;
        let mut gzip = GzEncoder::new(file, Compression::default());
        std::io::Write::write_all(&mut gzip, &archive.finish())?;
        Ok(gzip.finish()?.sync_all()?)
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let content = fs::read(from).with_context(|| format!("read {}", from.display()))?;
    tree::write(to, content, 0o755)
}

fn only_name(dir: &Path) -> Result<String> {
    let mut names = fs::read_dir(dir).with_context(|| format!("read {}", dir.display()))?;
    let name = names.next().with_context(|| format!("nothing in {}", dir.display()))??;
    Ok(name.file_name().to_string_lossy().into_owned())
}
