//! The data part of a package: a tar in a gzip member.

use std::fs;
use std::io::{self, BufReader, Cursor, Read, Seek as _, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use flate2::bufread::GzDecoder;
use libdeflater::Decompressor;

use super::archive::{sha256, unreadable};
use super::listing::{File, Listing};
use crate::image::tree::Spool;

/// Up to here, compressed and decoded, a package is decoded in memory, which takes half the time.
const IN_MEMORY: u64 = 32 << 20;

/// Decodes the bytes `part` of a package, whose hash must be `hash`, into `spool`.
pub(super) fn read(
    file: &fs::File,
    part: Range<u64>,
    hash: &[u8; 32],
    spool: &Arc<Spool>,
) -> Result<Vec<File>, String> {
    let compressed = part.end - part.start;
    // A gzip member ends with the size of what it holds.
    let mut trailer = [0; 4];
    if compressed < 4 {
        return Err("it ends before its files".into());
    }
    file.read_exact_at(&mut trailer, part.end - 4).map_err(unreadable)?;
    let decoded = u64::from(u32::from_le_bytes(trailer));
    let begin = part.start;
    if sha256(file, begin, part.end)? != *hash {
        return Err("its files are not those it was signed with: it was changed, or damaged".into());
    }
    let base = spool.reserve(decoded);
    let mut listing = Listing::new(spool, base..base + decoded);
    if compressed.max(decoded) <= IN_MEMORY {
        let tar = decode_in_memory(file, part, decoded)?;
        spool.write_at(&tar, base).map_err(|error| error.message().to_owned())?;
        let mut archive = tar::Archive::new(Cursor::new(&*tar));
        listing.read(archive.entries_with_seek().map_err(unreadable)?)?;
    } else {
        let mut source = BufReader::with_capacity(1 << 18, file);
        source.seek(SeekFrom::Start(begin)).map_err(unreadable)?;
        let decoder = GzDecoder::new(source);
        let tee = Tee { decoder, spool, at: base, end: base + decoded };
        let mut archive = tar::Archive::new(tee);
        listing.read(archive.entries().map_err(unreadable)?)?;
        // The rest of the member: its own checksum is at the end.
        io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(unreadable)?;
    }
    Ok(listing.into_files())
}

fn decode_in_memory(file: &fs::File, part: Range<u64>, decoded: u64) -> Result<Vec<u8>, String> {
    let buffer = |len: u64| usize::try_from(len).map(|len| vec![0; len]).map_err(|e| e.to_string());
    let mut compressed = buffer(part.end - part.start)?;
    file.read_exact_at(&mut compressed, part.start).map_err(unreadable)?;
    let mut tar = buffer(decoded)?;
    match Decompressor::new().gzip_decompress(&compressed, &mut tar) {
        Ok(len) if len == tar.len() => Ok(tar),
        _ => Err("its files cannot be decompressed".into()),
    }
}

/// Passes on what it reads, and writes it to the spool.
struct Tee<'a, R> {
    decoder: R,
    spool: &'a Spool,
    at: u64,
    end: u64,
}

impl<R: Read> Read for Tee<'_, R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.decoder.read(bytes)?;
        if self.at + read as u64 > self.end {
            return Err(io::Error::other("it holds more than it says"));
        }
        self.spool.write_at(&bytes[..read], self.at).map_err(io::Error::other)?;
        self.at += read as u64;
        Ok(read)
    }
}
