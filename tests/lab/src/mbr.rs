//! The partition table of a card: a master boot record with four entries.

/// Bytes of a sector; all addresses in an MBR count these.
const SECTOR: u64 = 512;

/// A partition; `start` and `length` in bytes, whole sectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    pub start: u64,
    pub length: u64,
    /// `0x0c`: FAT32, `0x83`: Linux.
    pub kind: u8,
}

/// The record that describes those partitions; the first is marked as the one to boot from.
pub fn record(partitions: &[Partition; 4]) -> [u8; 512] {
    let mut record = [0; 512];
    for (number, partition) in partitions.iter().enumerate() {
        let entry = &mut record[446 + 16 * number..][..16];
        entry[0] = if number == 0 { 0x80 } else { 0 };
        // Cylinders and heads: the values that mean "see the sector numbers".
        entry[1..4].copy_from_slice(&[0xfe, 0xff, 0xff]);
        entry[4] = partition.kind;
        entry[5..8].copy_from_slice(&[0xfe, 0xff, 0xff]);
        entry[8..12].copy_from_slice(&sectors(partition.start).to_le_bytes());
        entry[12..16].copy_from_slice(&sectors(partition.length).to_le_bytes());
    }
    record[510..].copy_from_slice(&[0x55, 0xaa]);
    record
}

fn sectors(bytes: u64) -> u32 {
    u32::try_from(bytes / SECTOR).unwrap_or(u32::MAX)
}
