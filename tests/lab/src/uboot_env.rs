//! `uboot.dat`: the record on the boot partition by which boot loader and system agree on a slot. 1024 bytes: version,
//! boot counter, partition, zeros, and the CRC-32 of the first 1020 bytes at the end.

/// Bytes of the record.
pub const SIZE: usize = 1024;
const CRC_AT: usize = 0x3fc;
const VERSION: u8 = 1;

/// How the CRC is stored: a matter of how the boot loader was built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ByteOrder {
    /// U-Boot for the Pi, as Debian builds it.
    #[default]
    Little,
    /// U-Boot builds with the `hash` command, and raspi-alpine's `uboot_tool`.
    Big,
}

/// A valid record. Bytes without a meaning are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record([u8; SIZE]);

impl Record {
    /// Counter 0, partition 2, over whatever was there.
    pub fn default_over(bytes: &[u8]) -> Self {
        let mut record = [0; SIZE];
        let kept = bytes.len().min(SIZE);
        record[..kept].copy_from_slice(&bytes[..kept]);
        record[..3].copy_from_slice(&[VERSION, 0, 2]);
        Self(record)
    }

    /// `None` if the CRC is not right in that byte order.
    pub fn parse(bytes: &[u8], order: ByteOrder) -> Option<Self> {
        let record = Self(bytes.try_into().ok()?);
        (record.0[CRC_AT..] == record.crc(order)).then_some(record)
    }

    pub fn counter(&self) -> u8 {
        self.0[1]
    }

    pub fn partition(&self) -> u8 {
        self.0[2]
    }

    pub fn set(&mut self, counter: u8, partition: u8) {
        self.0[..3].copy_from_slice(&[VERSION, counter, partition]);
    }

    /// As it is stored.
    pub fn bytes(&self, order: ByteOrder) -> [u8; SIZE] {
        let mut bytes = self.0;
        bytes[CRC_AT..].copy_from_slice(&self.crc(order));
        bytes
    }

    fn crc(&self, order: ByteOrder) -> [u8; 4] {
        let crc = crc32fast::hash(&self.0[..CRC_AT]);
        match order {
            ByteOrder::Little => crc.to_le_bytes(),
            ByteOrder::Big => crc.to_be_bytes(),
        }
    }
}
