//! `uboot.dat` version 1 on the boot partition: which slot U-Boot starts, and how often it has tried since somebody
//! said that it works.
//!
//! 1024 bytes: version, boot counter, partition (2 or 3), anything, and at 0x3FC the CRC-32 of all before it. U-Boot's
//! `crc32` command stores the CRC in the CPU's byte order or in network order, which depends on how U-Boot was built,
//! and believes only its own: so the order that a file has is kept.

use std::fmt;

use crate::error::{Error, ErrorKind, Result};

/// Bytes of the file.
pub const SIZE: usize = 0x400;
/// Failed boots after which the boot script takes the other slot.
pub const BOOT_LIMIT: u8 = 2;

const VERSION: u8 = 1;
const CRC: usize = SIZE - 4;

/// One of the two root partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    A,
    B,
}

/// The order of the CRC's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrcOrder {
    Little,
    Big,
}

/// A valid `uboot.dat`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UbootEnv {
    pub slot: Slot,
    /// Boots since the counter was last reset.
    pub counter: u8,
    pub order: CrcOrder,
    /// All of the file: bytes without a meaning stay as they are.
    bytes: Box<[u8; SIZE]>,
}

impl Slot {
    /// The partition's number in the table, and in `uboot.dat`.
    pub fn partition(self) -> u8 {
        match self {
            Self::A => 2,
            Self::B => 3,
        }
    }

    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::A => "A",
            Self::B => "B",
        })
    }
}

impl UbootEnv {
    /// A fresh file. Only for a node whose U-Boot is known to use that order.
    pub fn new(slot: Slot, order: CrcOrder) -> Self {
        Self { slot, counter: 0, order, bytes: Box::new([0; SIZE]) }
    }

    /// Reads the file.
    ///
    /// # Errors
    /// When U-Boot would not believe it either: a wrong size, a CRC that fits in neither order, an unknown version
    /// or partition.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let bytes: Box<[u8; SIZE]> = bytes
            .to_vec()
            .into_boxed_slice()
            .try_into()
            .map_err(|_| wrong(format!("it has {} bytes, not {SIZE}", bytes.len())))?;
        let order = order_of(&bytes).ok_or_else(|| {
            wrong("its checksum is wrong".into())
                .hint("U-Boot starts slot A then, and writes the file anew at the next boot.")
        })?;
        if bytes[0] != VERSION {
            return Err(wrong(format!("it has version {}; known is {VERSION}", bytes[0])));
        }
        let slot = match bytes[2] {
            2 => Slot::A,
            3 => Slot::B,
            other => return Err(wrong(format!("it names partition {other}, not 2 or 3"))),
        };
        Ok(Self { slot, counter: bytes[1], order, bytes })
    }

    /// The file's bytes.
    pub fn encode(&self) -> [u8; SIZE] {
        let mut bytes = *self.bytes;
        bytes[..3].copy_from_slice(&[VERSION, self.counter, self.slot.partition()]);
        let crc = crc32fast::hash(&bytes[..CRC]);
        bytes[CRC..].copy_from_slice(&match self.order {
            CrcOrder::Little => crc.to_le_bytes(),
            CrcOrder::Big => crc.to_be_bytes(),
        });
        bytes
    }
}

fn order_of(bytes: &[u8; SIZE]) -> Option<CrcOrder> {
    let crc = crc32fast::hash(&bytes[..CRC]);
    if bytes[CRC..] == crc.to_le_bytes() {
        Some(CrcOrder::Little)
    } else if bytes[CRC..] == crc.to_be_bytes() {
        Some(CrcOrder::Big)
    } else {
        None
    }
}

fn wrong(why: String) -> Error {
    Error::new(ErrorKind::Image, format!("uboot.dat is not valid: {why}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn writes_the_bytes_that_the_boot_script_reads() {
        let little = UbootEnv::new(Slot::B, CrcOrder::Little).encode();
        assert_eq!(little[..4], [1, 0, 3, 0]);
        // zlib.crc32(bytes([1, 0, 3]) + bytes(1017)) of Python
        assert_eq!(little[0x3FC..], 0xF040_3B1Du32.to_le_bytes());
        let big = UbootEnv::new(Slot::B, CrcOrder::Big).encode();
        assert_eq!(big[0x3FC..], 0xF040_3B1Du32.to_be_bytes());
    }

    #[test]
    fn keeps_the_order_and_the_bytes_without_a_meaning() {
        for order in [CrcOrder::Little, CrcOrder::Big] {
            let mut found = UbootEnv::new(Slot::A, order);
            found.bytes[0x100] = 0xA5;
            let mut env = UbootEnv::parse(&found.encode()).unwrap();
            assert_eq!(env.order, order);
            env.slot = env.slot.other();
            env.counter = 1;
            let written = env.encode();
            assert_eq!(written[..3], [1, 1, 3]);
            assert_eq!(written[0x100], 0xA5);
            assert_eq!(UbootEnv::parse(&written).unwrap().order, order);
        }
    }

    #[test]
    fn says_why_u_boot_would_not_believe_a_file() {
        let sealed = |head: [u8; 3]| {
            let mut bytes = [0; SIZE];
            bytes[..3].copy_from_slice(&head);
            let crc = crc32fast::hash(&bytes[..CRC]).to_le_bytes();
            bytes[CRC..].copy_from_slice(&crc);
            bytes
        };
        let message = |bytes: &[u8]| UbootEnv::parse(bytes).unwrap_err().message().to_owned();
        let said = [
            message(&[1, 0, 2]),
            message(&[0xFF; SIZE]),
            message(&sealed([2, 0, 2])),
            message(&sealed([1, 0, 4])),
        ];
        insta::assert_snapshot!(said.join("\n"), @r"
        uboot.dat is not valid: it has 3 bytes, not 1024
        uboot.dat is not valid: its checksum is wrong
        uboot.dat is not valid: it has version 2; known is 1
        uboot.dat is not valid: it names partition 4, not 2 or 3
        ");
    }

    proptest! {
        #[test]
        fn writes_back_what_it_accepts(mut bytes in prop::collection::vec(any::<u8>(), SIZE), counter: u8, b: bool, big: bool) {
            bytes[..3].copy_from_slice(&[1, counter, if b { 3 } else { 2 }]);
            let crc = crc32fast::hash(&bytes[..CRC]);
            bytes[CRC..].copy_from_slice(&if big { crc.to_be_bytes() } else { crc.to_le_bytes() });
            prop_assert_eq!(&UbootEnv::parse(&bytes).unwrap().encode()[..], &bytes[..]);
        }
    }
}
