//! What lies in a disk or partition, by the marks that file systems and volume managers put there.
//!
//! The names are those of libblkid, so that they agree with udev's; so are the places of the marks
//! (util-linux, `libblkid/src/superblocks/`).

use std::os::unix::fs::FileExt;

use serde::Serialize;

use super::list::plain;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Signature {
    /// `ext4`, `vfat`, `LVM2_member`, …
    pub kind: String,
    pub label: Option<String>,
}

/// What a partition is a part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Member {
    Lvm,
    Raid,
    Encrypted,
    Zfs,
    Bcache,
}

impl Signature {
    /// Whether it belongs to something that spans devices or hides what is in it.
    pub fn member(&self) -> Option<Member> {
        match &*self.kind {
            "LVM2_member" | "LVM1_member" => Some(Member::Lvm),
            "linux_raid_member" | "isw_raid_member" | "ddf_raid_member" => Some(Member::Raid),
            "crypto_LUKS" | "BitLocker" => Some(Member::Encrypted),
            "zfs_member" => Some(Member::Zfs),
            "bcache" => Some(Member::Bcache),
            _ => None,
        }
    }
}

/// A mark: these bytes at that place.
struct Mark {
    at: u64,
    bytes: &'static [u8],
    kind: &'static str,
    /// Where a label lies, and how long it may be; nowhere if 0.
    label: (u64, usize),
}

const fn mark(at: u64, bytes: &'static [u8], kind: &'static str, label: (u64, usize)) -> Mark {
    Mark { at, bytes, kind, label }
}

const NONE: (u64, usize) = (0, 0);

/// In this order: volume managers first, as what is inside of them shines through.
const MARKS: &[Mark] = &[
    mark(0, b"LUKS\xba\xbe", "crypto_LUKS", NONE),
    mark(512 + 24, b"LVM2 001", "LVM2_member", NONE),
    mark(24, b"LVM2 001", "LVM2_member", NONE),
    mark(4096, &0xa92b_4efc_u32.to_le_bytes(), "linux_raid_member", (4096 + 32, 32)),
    mark(0, &0xa92b_4efc_u32.to_le_bytes(), "linux_raid_member", (32, 32)),
    mark(
        4096 + 24,
        b"\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81",
        "bcache",
        NONE,
    ),
    mark(3, b"-FVE-FS-", "BitLocker", NONE),
    mark(4086, b"SWAPSPACE2", "swap", (1052, 16)),
    mark(0x1_0040, b"_BHRfS_M", "btrfs", (0x1_012b, 256)),
    mark(0, b"XFSB", "xfs", (108, 12)),
    mark(1024, &0xf2f5_2010_u32.to_le_bytes(), "f2fs", NONE),
    mark(0, b"hsqs", "squashfs", NONE),
    mark(0x8001, b"CD001", "iso9660", (0x8028, 32)),
    mark(3, b"NTFS    ", "ntfs", NONE),
    mark(3, b"EXFAT   ", "exfat", NONE),
    mark(82, b"FAT32   ", "vfat", (71, 11)),
    mark(54, b"FAT16   ", "vfat", (43, 11)),
    mark(54, b"FAT12   ", "vfat", (43, 11)),
];

/// Looks at `size` bytes behind `start`. What cannot be read holds nothing.
pub fn probe(content: &std::fs::File, start: u64, size: u64) -> Option<Signature> {
    let mut head = vec![0; 72 << 10];
    let mut filled = 0;
    while let Ok(read @ 1..) = content.read_at(&mut head[filled..], start + filled as u64) {
        filled += read;
    }
    let available = usize::try_from(size).unwrap_or(usize::MAX).min(filled);
    let head = &head[..available];
    let at = |at: u64, len: usize| head.get(usize::try_from(at).ok()?..)?.get(..len);
    for mark in MARKS {
        if at(mark.at, mark.bytes.len()) == Some(mark.bytes) {
            let label = (mark.label.1 > 0).then(|| at(mark.label.0, mark.label.1)).flatten();
            return Some(signature(mark.kind, label));
        }
    }
    if let Some(raid) = raid_at_the_end(content, start, size) {
        return Some(raid);
    }
    if is_zfs(content, start) {
        return Some(signature("zfs_member", None));
    }
    extended(head)
}

fn signature(kind: &str, label: Option<&[u8]>) -> Signature {
    let label = label.map(|label| label.split(|byte| *byte == 0).next().unwrap_or_default());
    let label = label.map(|label| plain(&String::from_utf8_lossy(label)));
    let label = label.filter(|label| !label.is_empty() && label != "NO NAME");
    Signature { kind: kind.to_owned(), label }
}

/// ext2 to ext4; which one, by their features (Linux, `fs/ext4/ext4.h`).
fn extended(head: &[u8]) -> Option<Signature> {
    let superblock = head.get(1024..2048)?;
    let word = |at: usize| {
        u32::from_le_bytes([
            superblock[at],
            superblock[at + 1],
            superblock[at + 2],
            superblock[at + 3],
        ])
    };
    if superblock[56..58] != [0x53, 0xef] {
        return None;
    }
    let (compatible, incompatible, read_only) = (word(92), word(96), word(100));
    let kind = match () {
        // Extents, 64 bit, flexible groups; huge files, checksums and others.
        () if incompatible & 0x2c0 != 0 || read_only & 0x478 != 0 => "ext4",
        () if compatible & 4 != 0 => "ext3",
        () => "ext2",
    };
    Some(signature(kind, Some(&superblock[120..136])))
}

/// Old formats of software RAID keep their mark near the end (Linux, `md(4)`): 0.90 in the last whole 64 KiB but one,
/// 1.0 some 8 KiB before the end.
fn raid_at_the_end(content: &std::fs::File, start: u64, size: u64) -> Option<Signature> {
    let old = (size & !0xffff).checked_sub(0x1_0000)?;
    let new = (size & !0xfff).checked_sub(0x2000)?;
    let found = [old, new].iter().any(|at| {
        let mut magic = [0; 4];
        content.read_exact_at(&mut magic, start + at).is_ok()
            && magic == 0xa92b_4efc_u32.to_le_bytes()
    });
    found.then(|| signature("linux_raid_member", None))
}

/// A label of ZFS has 128 KiB of überblocks behind its first 128 KiB; each begins with this number, in the byte order
/// of the machine that wrote it.
fn is_zfs(content: &std::fs::File, start: u64) -> bool {
    const MAGIC: u64 = 0x00ba_b10c;
    let mut blocks = vec![0; 128 << 10];
    if content.read_exact_at(&mut blocks, start + (128 << 10)).is_err() {
        return false;
    }
    let is_magic =
        |block: &[u8]| block[..8] == MAGIC.to_le_bytes() || block[..8] == MAGIC.to_be_bytes();
    blocks.chunks(1024).any(is_magic)
}
