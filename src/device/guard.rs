//! What speaks against writing to a disk.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::list::{Bus, Disk, gigabytes};
use super::probe::{Member, Signature};
use super::usage::UseKind;
use crate::error::{Error, ErrorKind, Result};
use crate::suggest::did_you_mean;

/// Cards are smaller than this, disks with somebody's data often are not.
const LARGEST: u64 = 256_000_000_000;

/// Where a running system has its own files.
const SYSTEM: [&str; 8] =
    ["/", "/usr", "/boot", "/boot/efi", "/boot/firmware", "/efi", "/home", "/var"];

/// Why a disk is refused. A user who means it names the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    Partition,
    NoMedium,
    ReadOnly,
    TooSmall,
    HoldsSystem,
    Swap,
    InUse,
    Mounted,
    LvmMember,
    RaidMember,
    Encrypted,
    ZfsMember,
    BcacheMember,
    NotRemovable,
    TooLarge,
}

/// A reason, in words, for one disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Objection {
    pub reason: Reason,
    pub text: String,
    /// Whether `--force` with the reason's name helps.
    pub forcible: bool,
}

impl Reason {
    pub const ALL: [Self; 15] = [
        Self::Partition,
        Self::NoMedium,
        Self::ReadOnly,
        Self::TooSmall,
        Self::HoldsSystem,
        Self::Swap,
        Self::InUse,
        Self::Mounted,
        Self::LvmMember,
        Self::RaidMember,
        Self::Encrypted,
        Self::ZfsMember,
        Self::BcacheMember,
        Self::NotRemovable,
        Self::TooLarge,
    ];

    /// The name that `--force` takes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Partition => "partition",
            Self::NoMedium => "no-medium",
            Self::ReadOnly => "read-only",
            Self::TooSmall => "too-small",
            Self::HoldsSystem => "holds-system",
            Self::Swap => "swap",
            Self::InUse => "in-use",
            Self::Mounted => "mounted",
            Self::LvmMember => "lvm-member",
            Self::RaidMember => "raid-member",
            Self::Encrypted => "encrypted",
            Self::ZfsMember => "zfs-member",
            Self::BcacheMember => "bcache-member",
            Self::NotRemovable => "not-removable",
            Self::TooLarge => "too-large",
        }
    }

    /// `None` if the user may insist; else what to do instead. What is forced must be able to go well: a card image
    /// in a partition does not boot, and the kernel lets nobody write below a running system with any safety.
    pub fn instead(self) -> Option<&'static str> {
        match self {
            Self::Partition => {
                Some("Name the whole disk: an image has a partition table of its own.")
            }
            Self::NoMedium => Some("Put a card into the reader."),
            Self::ReadOnly => Some("Cards have a lock switch at their side; adapters too."),
            Self::TooSmall => Some("Take a larger card, or build a smaller image."),
            Self::HoldsSystem => {
                Some("This machine runs from it: pirun never writes to such a disk.")
            }
            Self::Swap => Some("Switch the swap space off first: `swapoff DEVICE`."),
            Self::InUse => Some(
                "Stop what is made of it first: `vgchange -an`, `mdadm --stop`, `cryptsetup close`.",
            ),
            _ => None,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Reason {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        if let Some(reason) = Self::ALL.into_iter().find(|reason| reason.name() == name) {
            return Ok(reason);
        }
        let names = || Self::ALL.into_iter().filter(|r| r.instead().is_none()).map(Self::name);
        let error = Error::usage(format!("there is no reason `{name}` to force"));
        let error = match did_you_mean(name, names()) {
            Some(hint) => error.hint(hint),
            None => error,
        };
        Err(error.hint(format!("What can be forced: {}.", names().collect::<Vec<_>>().join(", "))))
    }
}

/// Everything that speaks against writing `needed` bytes to `disk`, the worst first.
pub fn objections(disk: &Disk, needed: Option<u64>) -> Vec<Objection> {
    let mut found = Vec::new();
    let mut object = |reason: Reason, text: String| {
        found.push(Objection { reason, text, forcible: reason.instead().is_none() });
    };
    if let Some(partition) = &disk.asked {
        object(Reason::Partition, format!("{partition} is a partition of {}", disk.path.display()));
    }
    if disk.size == 0 {
        object(Reason::NoMedium, "there is no card in it".to_owned());
    }
    if disk.read_only {
        object(Reason::ReadOnly, "it is read-only".to_owned());
    }
    if let Some(needed) = needed.filter(|needed| disk.size > 0 && *needed > disk.size) {
        let (has, needs) = (gigabytes(disk.size), gigabytes(needed));
        object(Reason::TooSmall, format!("it has {has}, the image needs {needs}"));
    }
    if disk.size > LARGEST {
        object(Reason::TooLarge, format!("it has {}, more than a card", gigabytes(disk.size)));
    }
    if !disk.removable && !matches!(disk.bus, Bus::Usb | Bus::Mmc) {
        object(Reason::NotRemovable, format!("it is built in ({})", disk.bus));
    }
    uses(disk, &mut object);
    members(disk, &mut object);
    found.sort_by_key(|objection| objection.reason);
    found
}

fn uses(disk: &Disk, object: &mut dyn FnMut(Reason, String)) {
    for used in &disk.uses {
        let device = &used.device;
        match &used.kind {
            UseKind::Mounted(point) if SYSTEM.contains(&point.as_str()) => {
                object(Reason::HoldsSystem, format!("{device} holds this machine's {point}"));
            }
            UseKind::Mounted(point) => {
                object(Reason::Mounted, format!("{device} is mounted at {point}"));
            }
            UseKind::Swap(path) if path.ends_with(&format!("/{device}")) => {
                object(Reason::Swap, format!("{device} is swap space"));
            }
            UseKind::Swap(path) => {
                object(Reason::Swap, format!("{device} has the swap space {path}"))
            }
            UseKind::HeldBy(holder) => {
                object(Reason::InUse, format!("{device} is part of {holder}"))
            }
        }
    }
}

fn members(disk: &Disk, object: &mut dyn FnMut(Reason, String)) {
    let partitions = disk.partitions.iter().map(|part| (&part.name, part.signature.as_ref()));
    for (name, signature) in partitions.chain([(&disk.name, disk.signature.as_ref())]) {
        let (reason, what) = match signature.and_then(Signature::member) {
            Some(Member::Lvm) => (Reason::LvmMember, "belongs to an LVM volume group"),
            Some(Member::Raid) => (Reason::RaidMember, "belongs to a RAID"),
            Some(Member::Encrypted) => (Reason::Encrypted, "is encrypted"),
            Some(Member::Zfs) => (Reason::ZfsMember, "belongs to a ZFS pool"),
            Some(Member::Bcache) => (Reason::BcacheMember, "belongs to a bcache"),
            None => continue,
        };
        object(reason, format!("{name} {what}"));
    }
}

/// Refuses the disk unless each objection may be forced, and is.
///
/// # Errors
/// With all objections that are left, by name, and what to do about them.
pub fn permit(disk: &Disk, objections: &[Objection], forced: &[Reason]) -> Result<()> {
    let left: Vec<&Objection> =
        objections.iter().filter(|o| !(o.forcible && forced.contains(&o.reason))).collect();
    let Some(first) = left.first() else { return Ok(()) };
    let shown = disk.path.display();
    let message = match left.len() {
        1 => format!("{shown} ({}) is refused: {}", disk.title(), first.text),
        n => format!("{shown} ({}) is refused for {n} reasons", disk.title()),
    };
    let list: String = left.iter().map(|o| format!("{}: {}\n", o.reason, o.text)).collect();
    let mut error = Error::new(ErrorKind::Device, message).detail(list.trim_end());
    let mut hints: Vec<String> =
        left.iter().filter_map(|o| o.reason.instead()).map(str::to_owned).collect();
    hints.dedup();
    if hints.is_empty() {
        let mut names: Vec<&str> = left.iter().map(|o| o.reason.name()).collect();
        names.dedup();
        hints.push(format!("If it is the right disk all the same: `--force {}`.", names.join(",")));
    }
    hints.push("`pirun devices` shows the disks that can be written.".to_owned());
    for hint in hints {
        error = error.hint(hint);
    }
    Err(error)
}
