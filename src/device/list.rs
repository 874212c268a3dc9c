//! Disks as the kernel describes them in sysfs.

use std::fmt;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::probe::{self, Signature};
use super::usage::{self, Use};
use crate::error::{Error, ErrorKind, Result};
use crate::visible::visible;

/// Unit of sizes and starts in sysfs, whatever the disk's own sectors are.
const SECTOR: u64 = 512;

/// A machine's `/sys`, `/proc` and `/dev`.
#[derive(Debug, Clone)]
pub struct System {
    root: PathBuf,
}

/// A whole disk, as it was when it was looked at.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Disk {
    /// The kernel's name, such as `sdc`.
    pub name: String,
    /// The device, such as `/dev/sdc`.
    pub path: PathBuf,
    /// Vendor and model as the disk tells them; what it is if it tells nothing.
    pub model: String,
    /// Bytes.
    pub size: u64,
    pub bus: Bus,
    pub serial: Option<String>,
    pub removable: bool,
    pub read_only: bool,
    pub partitions: Vec<Partition>,
    /// Who uses it, its partitions, or what is made of them.
    pub uses: Vec<Use>,
    /// Signatures outside of any partition, such as a LUKS header on the whole disk.
    pub signature: Option<Signature>,
    /// `major:minor`.
    pub number: String,
    /// Counts up with each disk or medium that the kernel sees: the same name with another number is another disk.
    pub diskseq: Option<u64>,
    /// The partition that was asked for, where somebody asked for one.
    #[serde(skip)]
    pub asked: Option<String>,
}

/// How a disk is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Bus {
    Usb,
    /// SD and eMMC, in a reader of the machine's own.
    Mmc,
    Nvme,
    Ata,
    Virtio,
    Loop,
    /// Made of other disks or of memory.
    Virtual,
    Other,
}

/// A partition that the kernel knows of.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Partition {
    /// The kernel's name, such as `sdc1`.
    pub name: String,
    pub number: u32,
    /// Where it starts, in bytes.
    pub start: u64,
    /// Bytes.
    pub size: u64,
    /// What lies in it, if that can be read.
    pub signature: Option<Signature>,
}

impl fmt::Display for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Usb => "usb",
            Self::Mmc => "mmc",
            Self::Nvme => "nvme",
            Self::Ata => "ata",
            Self::Virtio => "virtio",
            Self::Loop => "loop",
            Self::Virtual => "virtual",
            Self::Other => "other",
        })
    }
}

impl Default for System {
    fn default() -> Self {
        Self::at("/")
    }
}

impl System {
    /// The machine whose `sys`, `proc` and `dev` lie below `root`.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The path of a file of this machine.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// All disks that could hold something, by name: no memory disks, optical drives or boot areas of eMMCs, and
    /// nothing that is made of other disks.
    ///
    /// # Errors
    /// Without sysfs, as on systems other than Linux.
    pub fn disks(&self) -> Result<Vec<Disk>> {
        let dir = self.path("sys/block");
        let entries = fs::read_dir(&dir).map_err(|error| {
            Error::io(&dir, &error).hint("Cards can be found and written on Linux only.")
        })?;
        let mut names: Vec<String> = entries
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| could_be_a_card(name))
            .collect();
        names.sort_by_key(|name| (name.len(), name.clone()));
        let disks = names.iter().filter_map(|name| self.read(name));
        // Loop devices are there before anything is behind them.
        Ok(disks.filter(|disk| disk.bus != Bus::Loop || disk.size > 0).collect())
    }

    /// The disk behind `device`, which may be a link such as those in `/dev/disk/by-id`. For a partition, the disk that
    /// it is on, with [`Disk::asked`] set.
    ///
    /// # Errors
    /// When there is no such device, or it is no block device.
    pub fn disk(&self, device: &Path) -> Result<Disk> {
        let name = self.block_name(device)?;
        let sys = self.sys(&name).ok_or_else(|| not_a_disk(device))?;
        let whole = match sys.join("partition").exists() {
            true => sys.parent().and_then(Path::file_name),
            false => None,
        };
        let whole = whole.map_or_else(|| name.clone(), |name| name.to_string_lossy().into_owned());
        let disk = self.read(&whole).ok_or_else(|| not_a_disk(device))?;
        let asked = (whole != name).then_some(name);
        Ok(Disk { asked, ..disk })
    }

    /// The kernel's name of a device.
    fn block_name(&self, device: &Path) -> Result<String> {
        let shown = device.display();
        let here = self.path(&device.to_string_lossy());
        let found = fs::canonicalize(&here).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Error::new(
                ErrorKind::Device,
                format!("there is no device {shown}"),
            )
            .hint("`pirun devices` shows what is there. A card that was just put in may take a second."),
            _ => Error::io(device, &error),
        })?;
        let metadata = fs::metadata(&found).map_err(|error| Error::io(device, &error))?;
        let link = if metadata.file_type().is_block_device() {
            let (major, minor) = numbers(metadata.rdev());
            self.path(&format!("sys/dev/block/{major}:{minor}"))
        } else if self.root == Path::new("/") {
            return Err(not_a_disk(device));
        } else {
            self.path("sys/class/block").join(found.file_name().unwrap_or_default())
        };
        let sys = fs::canonicalize(link).map_err(|_| not_a_disk(device))?;
        Ok(sys.file_name().unwrap_or_default().to_string_lossy().into_owned())
    }

    /// The directory of a disk or partition in `/sys/devices`.
    pub(super) fn sys(&self, name: &str) -> Option<PathBuf> {
        // A slash in a name is an exclamation mark in sysfs.
        let name = name.replace('/', "!");
        fs::canonicalize(self.path("sys/class/block").join(name)).ok()
    }

    fn read(&self, name: &str) -> Option<Disk> {
        let sys = self.sys(name)?;
        let text = |file: &str| word(&sys.join(file));
        let device = self.path("dev").join(name);
        let content = fs::File::open(&device).ok();
        let size = text("size").and_then(|size| size.parse::<u64>().ok()).unwrap_or(0) * SECTOR;
        let content = content.as_ref();
        let probed = |start, size| content.and_then(|content| probe::probe(content, start, size));
        let mut partitions = Self::partitions(&sys);
        for partition in &mut partitions {
            partition.signature = self
                .udev(&sys.join(&partition.name))
                .or_else(|| probed(partition.start, partition.size));
        }
        let bus = bus(name, &sys);
        let number = text("dev").unwrap_or_default();
        let signature = self.udev(&sys).or_else(|| probed(0, size));
        let mut disk = Disk {
            name: name.to_owned(),
            path: Path::new("/dev").join(name),
            model: model(&sys, bus),
            size,
            bus,
            serial: serial(&sys),
            removable: text("removable").as_deref() == Some("1"),
            read_only: text("ro").as_deref() == Some("1"),
            partitions,
            uses: Vec::new(),
            signature,
            number,
            diskseq: text("diskseq").and_then(|number| number.parse().ok()),
            asked: None,
        };
        disk.uses = usage::of(self, &sys, &disk);
        Some(disk)
    }

    fn partitions(sys: &Path) -> Vec<Partition> {
        let entries = fs::read_dir(sys).into_iter().flatten().flatten();
        let mut partitions: Vec<Partition> = entries
            .filter_map(|entry| {
                let number =
                    |file: &str| -> Option<u64> { word(&entry.path().join(file))?.parse().ok() };
                Some(Partition {
                    number: number("partition")?.try_into().ok()?,
                    name: entry.file_name().to_string_lossy().into_owned(),
                    start: number("start")? * SECTOR,
                    size: number("size")? * SECTOR,
                    signature: None,
                })
            })
            .collect();
        partitions.sort_by_key(|partition| partition.number);
        partitions
    }

    /// What udev found in a disk or partition: readable for everybody, where there is an udev.
    fn udev(&self, sys: &Path) -> Option<Signature> {
        let number = word(&sys.join("dev"))?;
        let text =
            fs::read_to_string(self.path("run/udev/data").join(format!("b{number}"))).ok()?;
        let value = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix("E:")?.strip_prefix(key));
            line.map(plain).filter(|value| !value.is_empty())
        };
        let kind = value("ID_FS_TYPE=")?;
        Some(Signature { kind, label: value("ID_FS_LABEL=") })
    }
}

impl Disk {
    /// What the user types to confirm, and sees in questions: `Generic MassStorage 31.9 GB`.
    pub fn title(&self) -> String {
        format!("{} {}", self.model, gigabytes(self.size))
    }

    /// Whether it is still the disk that `other` was.
    pub fn is_same_medium(&self, other: &Self) -> bool {
        self.number == other.number && self.diskseq == other.diskseq && self.size == other.size
    }
}

/// Bytes as card makers print them: `31.9 GB`.
pub fn gigabytes(bytes: u64) -> String {
    #[allow(clippy::cast_precision_loss, reason = "rounded anyway")]
    let bytes = bytes as f64;
    match bytes {
        bytes if bytes < 1e9 => format!("{:.1} MB", bytes / 1e6),
        bytes if bytes < 1e12 => format!("{:.1} GB", bytes / 1e9),
        bytes => format!("{:.1} TB", bytes / 1e12),
    }
}

fn not_a_disk(device: &Path) -> Error {
    Error::new(ErrorKind::Device, format!("{} is not a block device", device.display()))
        .hint("Name the device of the card, such as /dev/sdc: `pirun devices` shows it.")
}

/// Major and minor of a device number (`makedev(3)`).
fn numbers(device: u64) -> (u32, u32) {
    (rustix::fs::major(device), rustix::fs::minor(device))
}

fn could_be_a_card(name: &str) -> bool {
    let no = ["ram", "zram", "sr", "fd", "dm-", "md", "zd", "drbd", "bcache"];
    let part_of_emmc =
        name.starts_with("mmcblk") && (name.contains("boot") || name.contains("rpmb"));
    !no.iter().any(|prefix| name.starts_with(prefix)) && !part_of_emmc
}

/// The content of a small file, without control characters and spaces around it; `None` if empty.
pub(super) fn word(path: &Path) -> Option<String> {
    let bytes = fs::read(path).ok()?;
    Some(plain(&String::from_utf8_lossy(&bytes))).filter(|text| !text.is_empty())
}

/// Text that a device tells of itself: nothing in it may drive the terminal.
pub(super) fn plain(text: &str) -> String {
    let text: Vec<&str> = text.trim_end_matches('\0').split_whitespace().collect();
    visible(&text.join(" ")).into_owned()
}

fn bus(name: &str, sys: &Path) -> Bus {
    let path = sys.to_string_lossy();
    let below = |part: &str| path.contains(part);
    match () {
        () if name.starts_with("loop") => Bus::Loop,
        () if below("/devices/virtual/") => Bus::Virtual,
        () if below("/usb") => Bus::Usb,
        () if below("/mmc_host/") || name.starts_with("mmcblk") => Bus::Mmc,
        () if below("/nvme") => Bus::Nvme,
        () if below("/ata") => Bus::Ata,
        () if below("/virtio") => Bus::Virtio,
        () => Bus::Other,
    }
}

fn model(sys: &Path, bus: Bus) -> String {
    let parts = ["device/vendor", "device/model", "device/name"];
    // A virtio disk's vendor is a number of PCI's.
    let parts = parts.iter().filter(|part| bus != Bus::Virtio || **part == "device/model");
    let told: Vec<String> = parts.filter_map(|part| word(&sys.join(part))).collect();
    if !told.is_empty() {
        return told.join(" ");
    }
    let what = match bus {
        Bus::Usb => "USB disk",
        Bus::Mmc => "SD card",
        Bus::Nvme => "NVMe disk",
        Bus::Ata => "ATA disk",
        Bus::Virtio => "virtio disk",
        Bus::Loop => "loop device",
        Bus::Virtual => "virtual disk",
        Bus::Other => "disk",
    };
    what.to_owned()
}

/// The disk's own serial number, or that of the USB reader that it is in. A loop device has the name of its file.
fn serial(sys: &Path) -> Option<String> {
    let own = ["device/serial", "serial", "loop/backing_file"];
    if let Some(serial) = own.iter().find_map(|file| word(&sys.join(file))) {
        return Some(serial);
    }
    // SCSI's page of the serial number: four bytes of header.
    if let Some(page) = fs::read(sys.join("device/vpd_pg80")).ok().filter(|page| page.len() > 4) {
        let serial = plain(&String::from_utf8_lossy(&page[4..]));
        if !serial.is_empty() && !sys.to_string_lossy().contains("/usb") {
            return Some(serial);
        }
    }
    let usb = sys.ancestors().find(|dir| dir.join("idVendor").exists())?;
    word(&usb.join("serial"))
}
