//! The data part of a package: a tar in a gzip member.

use std::fs;
use std::io::{self, BufReader, Cursor, Read, Seek as _, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use flate2::bufread::GzDecoder;
use libdeflater::Decompressor;
use sha2::{Digest as _, Sha256};

use super::archive::unreadable;
use super::listing::{File, Listing};
use crate::image::tree::Spool;

/// Up to here, compressed and decoded, a package is decoded in memory, which takes half the time.
const IN_MEMORY: usize = 32 << 20;
/// Bytes that are read at a time of a larger one.
const CHUNK: usize = 256 << 10;

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
    match (usize::try_from(compressed), usize::try_from(decoded)) {
        (Ok(compressed), Ok(decoded)) if compressed.max(decoded) <= IN_MEMORY => {
            let mut bytes = vec![0; compressed];
            file.read_exact_at(&mut bytes, part.start).map_err(unreadable)?;
            verify(Sha256::digest(&bytes).into(), hash)?;
            decode_in_memory(&bytes, decoded, spool)
        }
        _ => {
            verify(sha256(file, part.clone())?, hash)?;
            decode_piecewise(file, part.start, decoded, spool)
        }
    }
}

/// Tells whether the bytes `part` of a package have that hash, without decoding them.
pub(super) fn check(file: &fs::File, part: Range<u64>, hash: &[u8; 32]) -> Result<(), String> {
    verify(sha256(file, part)?, hash)
}

fn verify(found: [u8; 32], expected: &[u8; 32]) -> Result<(), String> {
    if found == *expected {
        return Ok(());
    }
    Err("its files are not those it was signed with: it was changed, or damaged".into())
}

fn decode_in_memory(
    compressed: &[u8],
    decoded: usize,
    spool: &Arc<Spool>,
) -> Result<Vec<File>, String> {
    let mut tar = vec![0; decoded];
    match Decompressor::new().gzip_decompress(compressed, &mut tar) {
        Ok(len) if len == tar.len() => {}
        _ => return Err("its files cannot be decompressed".into()),
    }
    let base = spool.append(&tar).map_err(|error| error.message().to_owned())?;
    let mut listing = Listing::new(spool, base..base + decoded as u64);
    let mut archive = tar::Archive::new(Cursor::new(&*tar));
    listing.read(archive.entries_with_seek().map_err(unreadable)?)?;
    Ok(listing.into_files())
}

fn decode_piecewise(
    mut file: &fs::File,
    begin: u64,
    decoded: u64,
    spool: &Arc<Spool>,
) -> Result<Vec<File>, String> {
    file.seek(SeekFrom::Start(begin)).map_err(unreadable)?;
    let decoder = GzDecoder::new(BufReader::with_capacity(CHUNK, file));
    let base = spool.reserve(decoded);
    let tee = Tee { decoder, spool, at: base, end: base + decoded };
    let mut listing = Listing::new(spool, base..base + decoded);
    let mut archive = tar::Archive::new(tee);
    listing.read(archive.entries().map_err(unreadable)?)?;
    // The rest of the member: its own checksum is at the end.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(unreadable)?;
    Ok(listing.into_files())
}

/// The SHA-256 of a part of a file.
fn sha256(file: &fs::File, mut part: Range<u64>) -> Result<[u8; 32], String> {
    let mut hash = Sha256::new();
    let mut chunk = vec![0; CHUNK];
    while !part.is_empty() {
        let len = usize::try_from(part.end - part.start).unwrap_or(CHUNK).min(CHUNK);
        file.read_exact_at(&mut chunk[..len], part.start).map_err(unreadable)?;
        hash.update(&chunk[..len]);
        part.start += len as u64;
    }
    Ok(hash.finalize().into())
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
