//! Where the partitions of a card are, and how large: from what a playbook says to bytes.

use super::ext4;
use super::mbr::{FAT32_LBA, LINUX, Mbr, Partition};
use crate::error::Result;

/// Partitions start at multiples of this, the erase blocks of cards.
pub const ALIGN: u64 = 4 << 20;
/// Free space of a root that is shrunk to its content, unless the playbook says another.
const FREE: u64 = 32 << 20;

/// The sizes that a playbook gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sizes {
    /// Bytes of the boot partition.
    pub boot: u64,
    /// The root file system's size.
    pub root: ext4::Size,
    /// Bytes of each of the two root partitions; 0: as large as the file system.
    pub root_partition: u64,
    /// Bytes of the data partition in the image; it grows to the card's size when it is written.
    pub data: u64,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            boot: 100 << 20,
            root: ext4::Size::Shrink { free: FREE },
            root_partition: 2200 << 20,
            data: 64 << 20,
        }
    }
}

/// The partition table of a card with these parts, in bytes: boot, each root partition, data.
///
/// # Errors
/// When the card would be larger than a table can say.
pub fn table(boot: u64, root: u64, data: u64, disk_id: u32) -> Result<Mbr> {
    let kinds = [(FAT32_LBA, boot), (LINUX, root), (LINUX, root), (LINUX, data)];
    let mut mbr = Mbr { disk_id, ..Mbr::default() };
    let mut start = ALIGN;
    for (slot, (kind, bytes)) in mbr.partitions.iter_mut().zip(kinds) {
        let bytes = bytes.next_multiple_of(ALIGN);
        *slot =
            Some(Partition { active: kind == FAT32_LBA, ..Partition::new(kind, start, bytes)? });
        start += bytes;
    }
    Ok(mbr)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn makes_a_table_that_sfdisk_finds_nothing_wrong_with() {
        let mbr = table(100 << 20, 201 << 20, 64 << 20, 7).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), mbr.encode()).unwrap();
        let end = mbr.partitions[3].map(|data| data.offset() + data.bytes()).unwrap();
        file.as_file().set_len(end).unwrap();
        let ran =
            Command::new("/usr/sbin/sfdisk").arg("--verify").arg(file.path()).output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        assert!(mbr.partitions.iter().flatten().all(|part| part.offset().is_multiple_of(ALIGN)));
    }
}
