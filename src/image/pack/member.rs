//! The pieces of a packed image: gzip members or zstd frames of 1 MiB each, which every decoder reads one after the
//! other as one stream, and which say more to those who know.
//!
//! A gzip member (RFC 1952) has an extra field `Pi`, a zstd frame (RFC 8878) a skippable frame before it, with:
//! bytes of the whole member, bytes it unpacks to (both u32), and a mask (u16) of the sixteen 64 KiB blocks that are
//! free space of a file system, so that a card writer need not write their zeros. All little-endian.

use std::io;

use libdeflater::{CompressionLvl, Compressor, Decompressor};

/// Bytes that a member unpacks to, but for the last one of a volume.
pub const MEMBER: usize = 1 << 20;
/// Bytes that a bit of the mask stands for.
pub const BLOCK: usize = MEMBER / 16;
/// Bytes of the longest head.
pub const HEAD: usize = 26;

const NOTE: usize = 10;
const GZIP: [u8; 4] = [0x1F, 0x8B, 8, 4];
/// No time, no hint of the level, unknown system; an extra field of 14 bytes, all of it `Pi`.
const GZIP_REST: [u8; 12] = [0, 0, 0, 0, 0, 0xFF, 14, 0, b'P', b'i', NOTE as u8, 0];
const GZIP_TAIL: usize = 8;
const SKIPPABLE: [u8; 4] = 0x184D_2A57u32.to_le_bytes();
const SKIPPABLE_LENGTH: [u8; 4] = (NOTE as u32).to_le_bytes();

/// How members are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// What `gunzip` reads, busybox's too.
    Gzip,
    /// Smaller, and several times faster to make and to read; nodes have no `unzstd`.
    Zstd,
}

/// What the head of a member says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Note {
    /// Bytes of the member, head included.
    pub packed: u32,
    /// Bytes that it unpacks to.
    pub raw: u32,
    /// Bit n is set when the n-th [`BLOCK`] is free.
    pub free: u16,
}

impl Codec {
    fn head(self) -> usize {
        match self {
            Self::Gzip => HEAD,
            Self::Zstd => 8 + NOTE,
        }
    }

    /// Reads the head that `bytes` start with; `None` when it is not one of ours.
    pub fn read_head(bytes: &[u8]) -> Option<(Self, Note)> {
        let (codec, note) = if let Some(rest) = bytes.strip_prefix(&GZIP) {
            (Self::Gzip, rest.strip_prefix(&GZIP_REST)?)
        } else {
            (Self::Zstd, bytes.strip_prefix(&SKIPPABLE)?.strip_prefix(&SKIPPABLE_LENGTH)?)
        };
        let note = note.first_chunk::<NOTE>()?;
        let number =
            |at: usize| u32::from_le_bytes([note[at], note[at + 1], note[at + 2], note[at + 3]]);
        let note = Note {
            packed: number(0),
            raw: number(4),
            free: u16::from_le_bytes([note[8], note[9]]),
        };
        let fits =
            note.packed as usize > codec.head() && (1..=MEMBER).contains(&(note.raw as usize));
        fits.then_some((codec, note))
    }

    fn write_head(self, note: Note, member: &mut [u8]) {
        let start: &[&[u8]] = match self {
            Self::Gzip => &[&GZIP, &GZIP_REST],
            Self::Zstd => &[&SKIPPABLE, &SKIPPABLE_LENGTH],
        };
        let head = [
            start.concat().as_slice(),
            &note.packed.to_le_bytes(),
            &note.raw.to_le_bytes(),
            &note.free.to_le_bytes(),
        ]
        .concat();
        member[..head.len()].copy_from_slice(&head);
    }
}

/// Makes members; one a thread.
pub struct Packing {
    codec: Codec,
    deflate: Compressor,
    zstd: zstd::bulk::Compressor<'static>,
    /// A member of [`MEMBER`] zeros: images are full of them.
    zeros: Vec<u8>,
}

impl Packing {
    /// # Errors
    /// When the system has no memory left.
    pub fn new(codec: Codec) -> io::Result<Self> {
        // What zlib takes for its level 6 costs a third of level 9's time for 1 % more bytes.
        let deflate = Compressor::new(CompressionLvl::default());
        let mut zstd = zstd::bulk::Compressor::new(zstd::DEFAULT_COMPRESSION_LEVEL)?;
        zstd.set_parameter(zstd::zstd_safe::CParameter::ChecksumFlag(true))?;
        let mut packing = Self { codec, deflate, zstd, zeros: Vec::new() };
        packing.zeros = packing.pack(&[0; MEMBER], 0)?;
        Ok(packing)
    }

    /// The member of 1 to [`MEMBER`] bytes.
    ///
    /// # Errors
    /// When the system has no memory left.
    pub fn pack(&mut self, raw: &[u8], free: u16) -> io::Result<Vec<u8>> {
        let head = self.codec.head();
        let mut member = Vec::new();
        let end = match self.codec {
            Codec::Gzip => {
                member.resize(head + self.deflate.deflate_compress_bound(raw.len()) + GZIP_TAIL, 0);
                let packed = self.deflate.deflate_compress(raw, &mut member[head..]);
                let end = head + packed.map_err(io::Error::other)?;
                member[end..end + 4].copy_from_slice(&libdeflater::crc32(raw).to_le_bytes());
                member[end + 4..end + GZIP_TAIL].copy_from_slice(&(raw.len() as u32).to_le_bytes());
                end + GZIP_TAIL
            }
            Codec::Zstd => {
                member.resize(head + zstd::zstd_safe::compress_bound(raw.len()), 0);
                head + self.zstd.compress_to_buffer(raw, &mut member[head..])?
            }
        };
        member.truncate(end);
        self.codec
            .write_head(Note { packed: end as u32, raw: raw.len() as u32, free }, &mut member);
        Ok(member)
    }

    /// The member of `len` zeros.
    ///
    /// # Errors
    /// When the system has no memory left.
    pub fn pack_zeros(&mut self, len: usize, free: u16) -> io::Result<Vec<u8>> {
        if len != MEMBER {
            return self.pack(&vec![0; len], free);
        }
        let mut member = self.zeros.clone();
        let note = Note { packed: member.len() as u32, raw: MEMBER as u32, free };
        self.codec.write_head(note, &mut member);
        Ok(member)
    }
}

/// Unpacks members; one a thread.
pub struct Unpacking {
    inflate: Decompressor,
    zstd: zstd::bulk::Decompressor<'static>,
}

impl Unpacking {
    /// # Errors
    /// When the system has no memory left.
    pub fn new() -> io::Result<Self> {
        Ok(Self { inflate: Decompressor::new(), zstd: zstd::bulk::Decompressor::new()? })
    }

    /// What a whole member holds, its checksum checked.
    ///
    /// # Errors
    /// When it is damaged.
    pub fn unpack(&mut self, member: &[u8]) -> io::Result<Vec<u8>> {
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "the packed image is damaged");
        let (codec, note) = Codec::read_head(member).ok_or_else(damaged)?;
        if member.len() != note.packed as usize {
            return Err(damaged());
        }
        let mut raw = vec![0; note.raw as usize];
        let len = match codec {
            Codec::Gzip => self.inflate.gzip_decompress(member, &mut raw).map_err(|_| damaged())?,
            Codec::Zstd => self.zstd.decompress_to_buffer(&member[codec.head()..], &mut raw)?,
        };
        if len == raw.len() { Ok(raw) } else { Err(damaged()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unpacks_what_it_packed_and_notices_damage() {
        let raw: Vec<u8> = (0..300_000u32).flat_map(|number| number.to_le_bytes()).collect();
        for codec in [Codec::Gzip, Codec::Zstd] {
            let mut packing = Packing::new(codec).unwrap();
            let mut unpacking = Unpacking::new().unwrap();
            let member = packing.pack(&raw[..MEMBER], 0x8001).unwrap();
            let (read, note) = Codec::read_head(&member).unwrap();
            assert_eq!((read, note.raw, note.free), (codec, MEMBER as u32, 0x8001));
            assert_eq!(unpacking.unpack(&member).unwrap(), &raw[..MEMBER]);
            assert!(unpacking.unpack(&member[..member.len() - 1]).is_err());
            for at in [HEAD + 1000, member.len() - 1] {
                let mut damaged = member.clone();
                damaged[at] ^= 1;
                assert!(unpacking.unpack(&damaged).is_err());
            }
            for len in [1, 77, MEMBER] {
                let member = packing.pack_zeros(len, 0xFFFF).unwrap();
                assert_eq!(unpacking.unpack(&member).unwrap(), vec![0; len]);
                assert_eq!(Codec::read_head(&member).unwrap().1.free, 0xFFFF);
            }
        }
    }

    #[test]
    fn takes_no_head_that_is_not_ours() {
        for bytes in [&[][..], &[0x1F, 0x8B, 8, 0], &[0x1F, 0x8B, 8, 4, 0, 0], &[0; 40]] {
            assert_eq!(Codec::read_head(bytes), None);
        }
    }
}
