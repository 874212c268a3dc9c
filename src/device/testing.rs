//! Machines for tests: a directory with the files of `/sys`, `/proc` and `/dev` that the kernel would show.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use super::list::System;

/// A machine that is put together disk by disk.
pub struct Machine {
    root: tempfile::TempDir,
    mounts: String,
    swaps: String,
    minor: u32,
}

/// The device directory of common kinds of disks.
pub const USB: &str = "pci0000:00/0000:00:14.0/usb1/1-2/1-2:1.0/host6/target6:0:0/6:0:0:0";
pub const MMC: &str = "pci0000:00/0000:00:1a.0/mmc_host/mmc0/mmc0:aaaa";
pub const ATA: &str = "pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0";
pub const NVME: &str = "pci0000:00/0000:01:00.0/nvme/nvme0";

impl Machine {
    pub fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        for dir in ["sys/block", "sys/class/block", "proc/self", "dev/mapper"] {
            fs::create_dir_all(root.path().join(dir)).unwrap();
        }
        Self { root, mounts: String::new(), swaps: "Filename Type Size\n".into(), minor: 0 }
    }

    pub fn system(&self) -> System {
        self.write("proc/self/mountinfo", &self.mounts);
        self.write("proc/swaps", &self.swaps);
        System::at(self.root.path())
    }

    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn dir(&self, name: &str) -> PathBuf {
        fs::canonicalize(self.root.path().join("sys/class/block").join(name)).unwrap()
    }

    /// A property of a disk or partition, such as `removable` or `device/model`.
    #[must_use]
    pub fn set(self, name: &str, file: &str, content: &str) -> Self {
        let path = self.dir(name).join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("{content}\n")).unwrap();
        self
    }

    fn block(&mut self, name: &str, dir: &Path, sectors: u64) {
        fs::create_dir_all(dir.join("holders")).unwrap();
        fs::write(dir.join("size"), format!("{sectors}\n")).unwrap();
        fs::write(dir.join("dev"), format!("8:{}\n", self.minor)).unwrap();
        self.minor += 1;
        let class = self.root.path().join("sys/class/block").join(name);
        std::os::unix::fs::symlink(dir, class).unwrap();
        fs::write(self.root.path().join("dev").join(name), b"").unwrap();
    }

    /// A disk of so many GB below a directory of `/sys/devices`.
    #[must_use]
    pub fn disk(mut self, name: &str, device: &str, gigabytes: u64) -> Self {
        let dir = self.root.path().join("sys/devices").join(device).join("block").join(name);
        self.block(name, &dir, gigabytes * 1_000_000_000 / 512);
        std::os::unix::fs::symlink(&dir, self.root.path().join("sys/block").join(name)).unwrap();
        let removable = u8::from(device == USB);
        self.set(name, "removable", &removable.to_string())
            .set(name, "ro", "0")
            .set(name, "diskseq", "7")
    }

    /// A partition of so many GB, behind the first 4 MiB.
    #[must_use]
    pub fn part(mut self, disk: &str, name: &str, gigabytes: u64) -> Self {
        let number = name.chars().last().unwrap();
        let dir = self.dir(disk).join(name);
        self.block(name, &dir, gigabytes * 1_000_000_000 / 512);
        self.set(name, "partition", &number.to_string()).set(name, "start", "8192")
    }

    /// A device-mapper, RAID or other device that is made of another one.
    #[must_use]
    pub fn holder(mut self, of: &str, name: &str, called: Option<&str>) -> Self {
        let dir = self.root.path().join("sys/devices/virtual/block").join(name);
        if !dir.exists() {
            self.block(name, &dir, 2_000_000);
        }
        if let Some(called) = called {
            let link = self.root.path().join("dev/mapper").join(called);
            let _ = std::os::unix::fs::symlink(format!("../{name}"), link);
            self = self.set(name, "dm/name", called);
        }
        std::os::unix::fs::symlink(&dir, self.dir(of).join("holders").join(name)).unwrap();
        self
    }

    /// Something mounted by its own device number.
    #[must_use]
    pub fn mount(mut self, name: &str, point: &str) -> Self {
        let number = fs::read_to_string(self.dir(name).join("dev")).unwrap();
        let _ = writeln!(
            self.mounts,
            "36 35 {} / {point} rw shared:1 - ext4 /dev/{name} rw",
            number.trim()
        );
        self
    }

    /// A mount that has a device number of its own, as btrfs and ZFS have.
    #[must_use]
    pub fn mount_of(mut self, kind: &str, source: &str, point: &str) -> Self {
        let _ = writeln!(self.mounts, "37 35 0:45 / {point} rw - {kind} {source} rw");
        self
    }

    #[must_use]
    pub fn swap(mut self, path: &str) -> Self {
        let _ = writeln!(self.swaps, "{path} partition 4 0 -2");
        self
    }

    /// What udev knows about the file system of a device.
    #[must_use]
    pub fn udev(self, name: &str, kind: &str, label: &str) -> Self {
        let number = fs::read_to_string(self.dir(name).join("dev")).unwrap();
        let text = format!("S:x\nE:ID_FS_TYPE={kind}\nE:ID_FS_LABEL={label}\n");
        self.write(&format!("run/udev/data/b{}", number.trim()), text);
        self
    }

    /// The first bytes of a device.
    #[must_use]
    pub fn content(self, name: &str, marks: &[(usize, &[u8])]) -> Self {
        let mut content = vec![0; 1 << 20];
        for (at, bytes) in marks {
            content[*at..at + bytes.len()].copy_from_slice(bytes);
        }
        self.write(&format!("dev/{name}"), content);
        self
    }
}
