//! The bytes of a partition, or of a whole card, that nobody has written yet: a map from place to content.
//!
//! File systems are laid out as such maps, whose large parts stay in the spool. So several threads can read one at any
//! place, nothing of its size is ever in memory or in a temporary file, and whoever writes it to a card knows
//! which zeros matter.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

use super::tree::Content;

/// Something that can be read at any place: an image in a file, a packed image, a [`Volume`].
pub trait ReadAt {
    /// Bytes that there are.
    fn size(&self) -> u64;

    /// Fills `bytes` with what is at `offset`.
    ///
    /// # Errors
    /// Also when the end comes earlier.
    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()>;
}

impl<R: ReadAt + ?Sized> ReadAt for &R {
    fn size(&self) -> u64 {
        (**self).size()
    }

    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        (**self).read_exact_at(bytes, offset)
    }
}

impl<R: ReadAt + ?Sized> ReadAt for Arc<R> {
    fn size(&self) -> u64 {
        (**self).size()
    }

    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        (**self).read_exact_at(bytes, offset)
    }
}

impl ReadAt for [u8] {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let range = usize::try_from(offset).ok().and_then(|start| {
            let end = start.checked_add(bytes.len())?;
            self.get(start..end)
        });
        bytes.copy_from_slice(range.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

impl ReadAt for std::fs::File {
    /// 0 if the file cannot be asked.
    fn size(&self) -> u64 {
        self.metadata().map_or(0, |metadata| metadata.len())
    }

    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(self, bytes, offset)
    }
}

/// What lies where. Every byte belongs to exactly one piece.
#[derive(Debug, Clone, Default)]
pub struct Volume {
    /// In ascending order, without gaps.
    pieces: Vec<Piece>,
    size: u64,
}

#[derive(Debug, Clone)]
struct Piece {
    start: u64,
    len: u64,
    holds: Holds,
}

/// What a piece of a volume holds.
#[derive(Debug, Clone)]
pub enum Holds {
    /// Bytes of a content, from that offset.
    Content(Content, u64),
    /// Zeros that must be there: an empty journal, the end of a file's last block.
    Zeros,
    /// Nothing: whatever is on the card may stay. Reads as zeros.
    Free,
}

impl Volume {
    /// A volume of `bytes` alone.
    pub fn of_bytes(bytes: Vec<u8>) -> Self {
        let mut volume = Self::default();
        volume.push_bytes(bytes);
        volume
    }

    /// Puts `len` bytes at the end.
    pub fn push(&mut self, len: u64, holds: Holds) {
        if len == 0 {
            return;
        }
        let same = |last: &Piece| {
            matches!(
                (&last.holds, &holds),
                (Holds::Zeros, Holds::Zeros) | (Holds::Free, Holds::Free)
            )
        };
        match self.pieces.last_mut().filter(|last| same(last)) {
            Some(last) => last.len += len,
            None => self.pieces.push(Piece { start: self.size, len, holds }),
        }
        self.size += len;
    }

    /// Puts bytes at the end.
    pub fn push_bytes(&mut self, bytes: Vec<u8>) {
        self.push(bytes.len() as u64, Holds::Content(Content::Bytes(bytes.into()), 0));
    }

    /// Puts all of another volume at the end.
    pub fn push_volume(&mut self, other: &Self) {
        for piece in &other.pieces {
            self.push(piece.len, piece.holds.clone());
        }
    }

    /// The ranges that must be written, as (start, bytes), in ascending order and joined where they touch: all but
    /// what is free.
    pub fn written(&self) -> Vec<(u64, u64)> {
        let mut ranges: Vec<(u64, u64)> = Vec::new();
        for piece in self.pieces.iter().filter(|piece| !matches!(piece.holds, Holds::Free)) {
            match ranges.last_mut().filter(|(start, len)| start + len == piece.start) {
                Some((_, len)) => *len += piece.len,
                None => ranges.push((piece.start, piece.len)),
            }
        }
        ranges
    }

    /// Whether all of a range is free. What is behind the end is.
    pub fn is_free(&self, offset: u64, len: u64) -> bool {
        self.pieces_in(offset, len).all(|piece| matches!(piece.holds, Holds::Free))
    }

    /// Whether all of a range is zeros or free, as far as can be told without reading contents.
    pub fn is_blank(&self, offset: u64, len: u64) -> bool {
        self.pieces_in(offset, len).all(|piece| !matches!(piece.holds, Holds::Content(..)))
    }

    fn pieces_in(&self, offset: u64, len: u64) -> impl Iterator<Item = &Piece> {
        let first = self.pieces.partition_point(|piece| piece.start + piece.len <= offset);
        self.pieces[first..].iter().take_while(move |piece| piece.start < offset + len)
    }
}

impl ReadAt for Volume {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let len = bytes.len() as u64;
        if offset.checked_add(len).is_none_or(|end| end > self.size) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        for piece in self.pieces_in(offset, len) {
            let start = piece.start.max(offset);
            let end = (piece.start + piece.len).min(offset + len);
            let part = &mut bytes[(start - offset) as usize..(end - offset) as usize];
            match &piece.holds {
                Holds::Content(content, from) => {
                    content.read_exact_at(part, from + start - piece.start)?;
                }
                Holds::Zeros | Holds::Free => part.fill(0),
            }
        }
        Ok(())
    }
}

/// A part of something readable, read from its beginning.
#[derive(Debug)]
pub struct Window<R> {
    inside: R,
    start: u64,
    len: u64,
    at: u64,
}

impl<R: ReadAt> Window<R> {
    /// The `len` bytes from `start`.
    pub fn new(inside: R, start: u64, len: u64) -> Self {
        Self { inside, start, len, at: 0 }
    }
}

impl<R: ReadAt> ReadAt for Window<R> {
    fn size(&self) -> u64 {
        self.len
    }

    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        if offset.checked_add(bytes.len() as u64).is_none_or(|end| end > self.len) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.inside.read_exact_at(bytes, self.start + offset)
    }
}

impl<R: ReadAt> Read for Window<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.len.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let len = left.min(bytes.len());
        self.read_exact_at(&mut bytes[..len], self.at)?;
        self.at += len as u64;
        Ok(len)
    }
}

impl<R: ReadAt> Seek for Window<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.len.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume() -> Volume {
        let mut volume = Volume::of_bytes(b"abcd".to_vec());
        volume.push(2, Holds::Zeros);
        volume.push(1, Holds::Zeros);
        volume.push(3, Holds::Free);
        volume.push(2, Holds::Content(Content::Bytes(Arc::from(*b"0123")), 1));
        volume
    }

    #[test]
    fn reads_across_pieces() {
        let volume = volume();
        let mut bytes = vec![9; 12];
        volume.read_exact_at(&mut bytes, 0).unwrap();
        assert_eq!(bytes, b"abcd\0\0\0\0\0\x0012");
        volume.read_exact_at(&mut bytes[..3], 9).unwrap();
        assert_eq!(bytes[..3], *b"\x0012");
        assert!(volume.read_exact_at(&mut bytes[..4], 9).is_err());
    }

    #[test]
    fn tells_zeros_that_matter_from_free_space() {
        let volume = volume();
        assert_eq!(volume.written(), [(0, 7), (10, 2)]);
        assert!(volume.is_free(7, 3) && !volume.is_free(6, 4) && volume.is_free(12, 9));
        assert!(volume.is_blank(4, 6) && !volume.is_blank(3, 2));
    }

    #[test]
    fn puts_volumes_behind_each_other() {
        let mut card = Volume::of_bytes(vec![1]);
        card.push_volume(&volume());
        assert_eq!(card.written(), [(0, 8), (11, 2)]);
        let mut window = Window::new(&card, 1, 4);
        window.seek(SeekFrom::Start(1)).unwrap();
        let mut text = String::new();
        window.read_to_string(&mut text).unwrap();
        assert_eq!(text, "bcd");
    }
}
