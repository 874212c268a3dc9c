//! The fixture packages: what a node's image needs and the rebuilt Alpine lacks. Their texts are in `fixtures/`; what
//! in them really runs comes from Debian.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{Arch, fixture};
use crate::apk::Package;
use crate::cache::{Cache, Key};
use crate::fetch::{debian_packages, output, require, run};
use crate::foreign::Foreign;
use crate::userland::path_with_sbin;
use crate::{dropbear, tree};

const TEXTS: [&str; 5] = [
    include_str!("../../fixtures/base.txt"),
    include_str!("../../fixtures/boot.txt"),
    include_str!("../../fixtures/k3s.txt"),
    include_str!("../../fixtures/ssh.txt"),
    include_str!("../../fixtures/storage.txt"),
];

/// What is asked for in the image of a node: the world of the playbook that pirun ships.
pub fn default_world(arch: Arch) -> Vec<&'static str> {
    let mut world = vec![
        "alpine-base",
        "bash",
        "ca-certificates",
        "chrony",
        "cloud-utils-growpart",
        "coreutils",
        "curl",
        "dbus",
        "dropbear",
        "e2fsprogs-extra",
        "ifupdown-ng",
        "k3s",
        "minisign",
        "multipath-tools",
        "nfs-utils",
        "open-iscsi",
        "openssh-client-common",
        "partx",
        "rng-tools",
        "rpcbind",
        "sqlite",
        "sudo",
        "tzdata",
        "util-linux",
    ];
    if arch == Arch::Aarch64 {
        world.extend(["linux-rpi", "raspberrypi-bootloader", "u-boot-raspberrypi"]);
    }
    world
}

/// Directories of Debian's kernel modules that a Pi without a screen could use.
const MODULES: [&str; 20] = [
    "arch",
    "block",
    "crypto",
    "drivers/block",
    "drivers/char/hw_random",
    "drivers/dma",
    "drivers/hwmon",
    "drivers/i2c",
    "drivers/leds",
    "drivers/md",
    "drivers/mmc",
    "drivers/net/phy",
    "drivers/net/usb",
    "drivers/scsi/device_handler",
    "drivers/thermal",
    "drivers/usb",
    "drivers/watchdog",
    "fs",
    "lib",
    "net",
];
/// Modules outside of these directories.
const SINGLE_MODULES: [&str; 12] = [
    "drivers/net/bonding/bonding.ko",
    "drivers/net/dummy.ko",
    "drivers/net/macvlan.ko",
    "drivers/net/mii.ko",
    "drivers/net/tun.ko",
    "drivers/net/veth.ko",
    "drivers/net/vxlan/vxlan.ko",
    "drivers/net/wireguard/wireguard.ko",
    "drivers/scsi/iscsi_tcp.ko",
    "drivers/scsi/libiscsi.ko",
    "drivers/scsi/libiscsi_tcp.ko",
    "drivers/scsi/scsi_transport_iscsi.ko",
];

const CONVERTER: &str = "usr/bin/dropbearconvert";

/// Files for the packages, below a directory of the cache: `dropbear/ARCH` and, what it needs
/// beside it, `glibc/ARCH`, `linux`, `u-boot.bin`, `zoneinfo`.
pub struct Materials {
    dir: PathBuf,
}

impl Materials {
    pub fn obtain(cache: &Cache) -> Result<Self> {
        require("depmod", "kmod")?;
        let mut key = Key::new("mirror materials 1");
        key.add(fs::read("/etc/os-release").context("read /etc/os-release")?);
        for name in MODULES.iter().chain(&SINGLE_MODULES) {
            key.add(name);
        }
        let dir = cache.entry("materials", key, |dir| gather(cache, dir))?;
        Ok(Self { dir })
    }

    /// All that fixture packages are made from.
    pub fn add_to(&self, key: &mut Key) {
        key.add(self.dir.file_name().unwrap_or_default().as_encoded_bytes());
        for text in TEXTS {
            key.add(text);
        }
    }
}

/// The packages for an architecture, each with its repository.
pub fn packages(arch: Arch, materials: &Materials) -> Result<Vec<(String, Package)>> {
    let mut packages = Vec::new();
    for text in TEXTS {
        packages.extend(fixture::parse(
            &text.replace("@ARCH@", arch.name()),
            arch,
            &materials.dir,
        )?);
    }
    Ok(packages)
}

fn gather(cache: &Cache, dir: &Path) -> Result<()> {
    for arch in Arch::ALL {
        let scratch = tempfile::tempdir()?;
        let (places, packages) = match arch {
            Arch::Aarch64 => (&dropbear::ARM64, "arm64"),
            Arch::X86_64 => (&dropbear::AMD64, "amd64"),
        };
        let packages = Foreign::open(packages)?;
        packages.unpack(&dropbear::PACKAGES, scratch.path())?;
        let programs = dir.join("dropbear").join(arch.name());
        dropbear::install(scratch.path(), places, &programs)?;
        tree::copy(&scratch.path().join(CONVERTER), &programs.join(CONVERTER))?;
        let libraries = dir.join("glibc").join(arch.name());
        fs::create_dir_all(&libraries)?;
        for name in ["lib", "lib64"] {
            if programs.join(name).exists() {
                fs::rename(programs.join(name), libraries.join(name))?;
            }
        }
    }
    let zones = debian_packages(cache, &["tzdata"])?;
    tree::copy(&zones.join("usr/share/zoneinfo"), &dir.join("zoneinfo"))?;
    let (scratch, packages) = (tempfile::tempdir()?, Foreign::open("arm64")?);
    let kernel_package = packages.dependency("linux-image-arm64")?;
    packages.unpack(&["u-boot-rpi", &kernel_package], scratch.path())?;
    let u_boot = scratch.path().join("usr/lib/u-boot/rpi_arm64/u-boot.bin");
    tree::copy(&u_boot, &dir.join("u-boot.bin"))?;
    kernel(scratch.path(), &dir.join("linux"))
}

/// Debian's kernel for arm64, which boots on the QEMU board, laid out as Alpine's `linux-rpi`.
fn kernel(debian: &Path, dir: &Path) -> Result<()> {
    let modules = debian.join("lib/modules");
    let release = fs::read_dir(&modules)?.next().context("no kernel modules")??.file_name();
    let release = release.to_string_lossy();
    let boot = dir.join("boot");
    fs::create_dir_all(&boot)?;
    let image = debian.join(format!("boot/vmlinuz-{release}"));
    // Alpine installs what the kernel's own build calls Image.gz.
    let packed = fs::File::create(boot.join("vmlinuz-rpi"))?;
    run(Command::new("gzip").args(["-9", "-n", "-c"]).arg(image).stdout(packed))?;
    tree::copy(
        &debian.join(format!("boot/config-{release}")),
        &boot.join(format!("config-{release}")),
    )?;
    let trees = debian.join(format!("usr/lib/linux-image-{release}/broadcom"));
    for device_tree in fs::read_dir(trees)? {
        let device_tree = device_tree?;
        tree::copy(&device_tree.path(), &boot.join(device_tree.file_name()))?;
    }
    let to = dir.join("lib/modules").join(&*release);
    let from = modules.join(&*release);
    for name in MODULES.iter().chain(&SINGLE_MODULES) {
        let place = to.join("kernel").join(name);
        fs::create_dir_all(place.parent().context("a module without a directory")?)?;
        tree::copy(&from.join("kernel").join(name), &place)?;
    }
    for name in ["modules.builtin", "modules.builtin.modinfo", "modules.order"] {
        tree::copy(&from.join(name), &to.join(name))?;
    }
    fs::write(dir.join("kernel.release"), format!("{release}\n"))?;
    output(Command::new("depmod").env("PATH", path_with_sbin()).arg("-b").arg(dir).arg(&*release))?;
    Ok(())
}
