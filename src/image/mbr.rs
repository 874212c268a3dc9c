//! The partition table in a card's first sector: the classic PC table of four primary partitions, as the Raspberry
//! Pi's boot ROM and U-Boot read it.

use crate::error::{Error, ErrorKind, Result};

/// Bytes of a sector; partition tables count in these, whatever the device's own sectors are.
pub const SECTOR: u64 = 512;
/// FAT32 with LBA addressing: the boot partition.
pub const FAT32_LBA: u8 = 0x0C;
/// A Linux file system.
pub const LINUX: u8 = 0x83;

const DISK_ID: usize = 440;
const TABLE: usize = 446;
const ENTRY: usize = 16;
const SIGNATURE: [u8; 2] = [0x55, 0xAA];
/// The whole disk belongs to a GPT, and this table only guards it.
const GPT_GUARD: u8 = 0xEE;
/// "Look at the LBA numbers instead" in the fields for cylinder, head and sector.
const BEYOND_CHS: [u8; 3] = [0xFE, 0xFF, 0xFF];

/// A partition table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mbr {
    /// The disk signature: Linux' `PARTUUID`s start with it.
    pub disk_id: u32,
    pub partitions: [Option<Partition>; 4],
}

/// One partition, in sectors of 512 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partition {
    /// The type byte, such as [`LINUX`].
    pub kind: u8,
    /// The one that the boot ROM looks at.
    pub active: bool,
    pub start: u32,
    pub sectors: u32,
}

impl Partition {
    /// A partition of whole sectors, from its place in bytes.
    ///
    /// # Errors
    /// When it does not start and end at a sector, or lies behind 2 TiB.
    pub fn new(kind: u8, start: u64, bytes: u64) -> Result<Self> {
        let sectors = |bytes: u64| {
            u32::try_from(bytes / SECTOR).ok().filter(|_| bytes.is_multiple_of(SECTOR))
        };
        match (sectors(start), sectors(bytes), sectors(start + bytes)) {
            (Some(start), Some(sectors), Some(_)) => {
                Ok(Self { kind, active: false, start, sectors })
            }
            _ => Err(wrong(format!(
                "a partition of {bytes} bytes at byte {start} does not fit into a partition table"
            ))
            .hint("It counts sectors of 512 bytes, up to 2 TiB.")),
        }
    }

    /// The first byte.
    pub fn offset(&self) -> u64 {
        u64::from(self.start) * SECTOR
    }

    /// Its size in bytes.
    pub fn bytes(&self) -> u64 {
        u64::from(self.sectors) * SECTOR
    }

    fn end(&self) -> u64 {
        u64::from(self.start) + u64::from(self.sectors)
    }
}

impl Mbr {
    /// The sector that holds the table. It has no boot code: a Raspberry Pi runs none.
    pub fn encode(&self) -> [u8; SECTOR as usize] {
        let mut sector = [0; SECTOR as usize];
        sector[DISK_ID..DISK_ID + 4].copy_from_slice(&self.disk_id.to_le_bytes());
        for (partition, entry) in
            self.partitions.iter().zip(sector[TABLE..].chunks_exact_mut(ENTRY))
        {
            if let Some(partition) = partition {
                encode_entry(partition, entry);
            }
        }
        sector[510..].copy_from_slice(&SIGNATURE);
        sector
    }

    /// Reads the table from the first sector of a disk or image; what is behind the sector is not looked at.
    ///
    /// # Errors
    /// When there is none, or it is not one that a card of ours could have: a GPT, partitions that overlap or
    /// start in the table itself, a wrong flag.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let Some(sector) = bytes.first_chunk::<{ SECTOR as usize }>() else {
            return Err(wrong(format!(
                "a partition table takes {SECTOR} bytes; there are {}",
                bytes.len()
            )));
        };
        if sector[510..] != SIGNATURE {
            return Err(wrong(
                "there is no partition table: its signature 55 AA is missing".into(),
            )
            .hint("Is this a whole disk's image, not that of one partition?"));
        }
        let mut mbr = Self {
            disk_id: u32::from_le_bytes([
                sector[DISK_ID],
                sector[DISK_ID + 1],
                sector[DISK_ID + 2],
                sector[DISK_ID + 3],
            ]),
            ..Self::default()
        };
        for (index, entry) in sector[TABLE..510].chunks_exact(ENTRY).enumerate() {
            mbr.partitions[index] = parse_entry(entry).map_err(|why| {
                wrong(format!("partition {} is not a usable one: {why}", index + 1))
            })?;
        }
        mbr.check_overlap()?;
        Ok(mbr)
    }

    fn check_overlap(&self) -> Result<()> {
        let mut placed: Vec<(usize, Partition)> = self
            .partitions
            .iter()
            .enumerate()
            .filter_map(|(index, partition)| Some((index + 1, (*partition)?)))
            .collect();
        placed.sort_by_key(|(_, partition)| partition.start);
        match placed.windows(2).find(|pair| u64::from(pair[1].1.start) < pair[0].1.end()) {
            Some(pair) => Err(wrong(format!("partitions {} and {} overlap", pair[0].0, pair[1].0))),
            None => Ok(()),
        }
    }
}

fn encode_entry(partition: &Partition, entry: &mut [u8]) {
    entry[0] = if partition.active { 0x80 } else { 0 };
    entry[1..4].copy_from_slice(&BEYOND_CHS);
    entry[4] = partition.kind;
    entry[5..8].copy_from_slice(&BEYOND_CHS);
    entry[8..12].copy_from_slice(&partition.start.to_le_bytes());
    entry[12..16].copy_from_slice(&partition.sectors.to_le_bytes());
}

fn parse_entry(entry: &[u8]) -> std::result::Result<Option<Partition>, &'static str> {
    let number =
        |at: usize| u32::from_le_bytes([entry[at], entry[at + 1], entry[at + 2], entry[at + 3]]);
    let partition = Partition {
        kind: entry[4],
        active: entry[0] == 0x80,
        start: number(8),
        sectors: number(12),
    };
    match partition.kind {
        0 if partition.sectors == 0 => return Ok(None),
        0 => return Err("it has a size but no type"),
        GPT_GUARD => return Err("the disk has a GPT, which these cards do not"),
        _ => {}
    }
    if !matches!(entry[0], 0 | 0x80) {
        return Err("its flag is neither 00 nor 80");
    }
    if partition.start == 0 {
        return Err("it starts where the partition table is");
    }
    if partition.sectors == 0 {
        return Err("it has a type but no size");
    }
    if partition.end() > u64::from(u32::MAX) {
        return Err("it ends behind 2 TiB");
    }
    Ok(Some(partition))
}

fn wrong(message: String) -> Error {
    Error::new(ErrorKind::Image, message)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MIB: u64 = 1 << 20;

    fn card() -> Mbr {
        let part = |kind, start, bytes| Partition::new(kind, start * MIB, bytes * MIB).unwrap();
        Mbr {
            disk_id: 0x7069_7275,
            partitions: [
                Some(Partition { active: true, ..part(FAT32_LBA, 4, 100) }),
                Some(part(LINUX, 104, 200)),
                Some(part(LINUX, 304, 200)),
                Some(part(LINUX, 504, 8)),
            ],
        }
    }

    fn message(sector: &[u8]) -> String {
        Mbr::parse(sector).unwrap_err().message().to_owned()
    }

    #[test]
    fn writes_the_bytes_that_the_format_asks_for() {
        let sector = card().encode();
        assert_eq!(sector[440..446], [0x75, 0x72, 0x69, 0x70, 0, 0]);
        let first = [0x80, 0xFE, 0xFF, 0xFF, 0x0C, 0xFE, 0xFF, 0xFF, 0, 0x20, 0, 0, 0, 0x20, 3, 0];
        assert_eq!(sector[446..462], first);
        assert_eq!(sector[510..], [0x55, 0xAA]);
    }

    #[test]
    fn reads_what_it_wrote() {
        assert_eq!(Mbr::parse(&card().encode()).unwrap(), card());
    }

    #[test]
    fn says_what_is_wrong_with_a_table() {
        let changed = |at: usize, byte: u8| {
            let mut sector = card().encode();
            sector[at] = byte;
            message(&sector)
        };
        let overlapping = {
            let mut mbr = card();
            mbr.partitions[3] = mbr.partitions[1];
            message(&mbr.encode())
        };
        let said = [
            message(&[0; 100]),
            message(&[0; 512]),
            changed(446, 0x81),
            changed(450, 0xEE),
            changed(450, 0),
            overlapping,
        ];
        insta::assert_snapshot!(said.join("\n"), @r"
        a partition table takes 512 bytes; there are 100
        there is no partition table: its signature 55 AA is missing
        partition 1 is not a usable one: its flag is neither 00 nor 80
        partition 1 is not a usable one: the disk has a GPT, which these cards do not
        partition 1 is not a usable one: it has a size but no type
        partitions 2 and 4 overlap
        ");
    }

    #[test]
    fn refuses_partitions_that_no_table_can_hold() {
        assert!(Partition::new(LINUX, 513, 512).is_err());
        assert!(Partition::new(LINUX, 512, 3 << 40).is_err());
    }

    proptest! {
        #[test]
        fn never_panics_and_reads_back_what_it_accepts(bytes in prop::collection::vec(any::<u8>(), 64)) {
            let mut sector = [0; 512];
            sector[446..510].copy_from_slice(&bytes);
            sector[510..].copy_from_slice(&SIGNATURE);
            if let Ok(mbr) = Mbr::parse(&sector) {
                prop_assert_eq!(Mbr::parse(&mbr.encode()).unwrap(), mbr);
            }
        }
    }
}
