//! Who uses a disk: mounts, swap space, and devices that are made of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Serialize;

use super::list::{Disk, System, word};

/// A use of a disk, of one of its partitions, or of something that is made of these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Use {
    /// The name of the device that is used, such as `sdc1` or `dm-0`.
    pub device: String,
    #[serde(flatten)]
    pub kind: UseKind,
}

/// What a device is used for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UseKind {
    /// The mount point.
    Mounted(String),
    /// A swap partition, or the path of a swap file.
    Swap(String),
    /// Part of another device, which is in use: LVM, RAID, encryption, a cache.
    HeldBy(String),
}

/// All uses of `disk`, whose directory in sysfs is `sys`.
pub fn of(system: &System, sys: &Path, disk: &Disk) -> Vec<Use> {
    let mut devices = BTreeMap::new();
    let mut uses = Vec::new();
    collect(system, sys, &mut devices, &mut uses);
    for partition in &disk.partitions {
        collect(system, &sys.join(&partition.name), &mut devices, &mut uses);
    }
    let mounts = mounts(system);
    let zfs = disk.partitions.iter().filter_map(|partition| partition.signature.as_ref());
    let zfs = zfs.chain(&disk.signature).any(|signature| signature.kind == "zfs_member");
    for mount in &mounts {
        // A pool does not say which disks it is made of, so each disk of any pool counts.
        let device = match devices.get(&mount.number(system)) {
            Some(device) => device,
            None if zfs && mount.kind == "zfs" => &disk.name,
            None => continue,
        };
        uses.push(Use { device: device.clone(), kind: UseKind::Mounted(mount.point.clone()) });
    }
    for swap in swaps(system) {
        let number =
            match system.name_of(&swap).and_then(|name| word(&system.sys(&name)?.join("dev"))) {
                Some(number) => number,
                // A file: on the file system with the longest mount point above it.
                None => match mounts
                    .iter()
                    .filter(|m| Path::new(&swap).starts_with(&m.point))
                    .max_by_key(|m| m.point.len())
                {
                    Some(mount) => mount.number(system),
                    None => continue,
                },
            };
        if let Some(device) = devices.get(&number) {
            uses.push(Use { device: device.clone(), kind: UseKind::Swap(swap) });
        }
    }
    uses
}

/// Notes the device at `sys`, and what is made of it, at any depth.
fn collect(
    system: &System,
    sys: &Path,
    devices: &mut BTreeMap<String, String>,
    uses: &mut Vec<Use>,
) {
    let name = sys.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let Some(number) = word(&sys.join("dev")) else { return };
    if devices.insert(number, name.clone()).is_some() {
        return;
    }
    let mut holders: Vec<_> = fs::read_dir(sys.join("holders"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|holder| holder.file_name().to_string_lossy().into_owned())
        .collect();
    holders.sort();
    for holder in holders {
        let Some(sys) = system.sys(&holder) else { continue };
        let called = word(&sys.join("dm/name"));
        let shown = called.map_or_else(|| holder.clone(), |called| format!("{holder} ({called})"));
        uses.push(Use { device: name.clone(), kind: UseKind::HeldBy(shown) });
        collect(system, &sys, devices, uses);
    }
}

struct Mount {
    number: String,
    point: String,
    kind: String,
    source: String,
}

impl Mount {
    /// The number of the device that is mounted. File systems that may span several (btrfs) have one of their own,
    /// but name a device.
    fn number(&self, system: &System) -> String {
        let named = || word(&system.sys(&system.name_of(&self.source)?)?.join("dev"));
        match self.number.starts_with("0:") {
            true => named().unwrap_or_else(|| self.number.clone()),
            false => self.number.clone(),
        }
    }
}

impl System {
    /// The kernel's name of a device in `/dev`, links followed.
    fn name_of(&self, device: &str) -> Option<String> {
        device.strip_prefix("/dev/")?;
        let found = fs::canonicalize(self.path(device)).ok()?;
        let name = found.file_name()?.to_string_lossy().into_owned();
        self.sys(&name).map(|_| name)
    }
}

/// `proc_pid_mountinfo(5)`: `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw`
fn mounts(system: &System) -> Vec<Mount> {
    let text = fs::read(system.path("proc/self/mountinfo")).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let mount = |line: &str| {
        let (front, back) = line.split_once(" - ")?;
        let front: Vec<&str> = front.split(' ').collect();
        let mut back = back.split(' ');
        Some(Mount {
            number: (*front.get(2)?).to_owned(),
            point: unescape(front.get(4)?),
            kind: back.next()?.to_owned(),
            source: unescape(back.next()?),
        })
    };
    text.lines().filter_map(mount).collect()
}

fn swaps(system: &System) -> Vec<String> {
    let text = fs::read_to_string(system.path("proc/swaps")).unwrap_or_default();
    let first = |line: &str| line.split_whitespace().next().map(unescape);
    text.lines().skip(1).filter_map(first).collect()
}

/// Spaces and the like are written as `\040`.
fn unescape(text: &str) -> String {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let octal = (*first == b'\\').then(|| tail.get(..3)).flatten();
        let code =
            octal.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        plain.push(code.unwrap_or(*first));
        rest = if code.is_some() { &tail[3..] } else { tail };
    }
    String::from_utf8_lossy(&plain).into_owned()
}
