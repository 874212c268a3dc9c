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

/// The partition of that number, counted from 0; `None` if the record has no such or is none.
pub fn partition(record: &[u8; 512], number: usize) -> Option<Partition> {
    let entry = record[446..510].chunks_exact(16).nth(number)?;
    let word =
        |at: usize| u32::from_le_bytes([entry[at], entry[at + 1], entry[at + 2], entry[at + 3]]);
    let (start, length) = (u64::from(word(8)) * SECTOR, u64::from(word(12)) * SECTOR);
    let found = record[510..] == [0x55, 0xaa] && length > 0;
    found.then_some(Partition { start, length, kind: entry[4] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_recorded_is_found_again() {
        let partitions = [1, 2, 3, 4].map(|number| Partition {
            start: number << 20,
            length: 1 << 20,
            kind: 0x83,
        });
        let record = record(&partitions);
        for (number, wanted) in partitions.iter().enumerate() {
            assert_eq!(partition(&record, number), Some(*wanted));
        }
        assert_eq!(partition(&record, 4), None);
        assert_eq!(partition(&[0; 512], 0), None);
    }
}
