//! Packed images: volumes compressed in members of 1 MiB, by several threads, each volume once however often it is in
//! an image.
//!
//! A packed file is one gzip (or zstd) stream for everybody else: `gunzip`, busybox, pigz. `docs/image-format.md`
//! describes what is in the members' heads.

mod member;
mod read;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use sha2::{Digest, Sha256};

pub use member::{BLOCK, Codec, HEAD, MEMBER, Note, Packing, Unpacking};
pub use read::PackedImage;

use super::output::{self, Output};
use super::volume::{ReadAt, Volume};
use crate::cancel::Cancel;
use crate::error::{Error, ErrorKind, Result};

/// Bytes of a chunk, whose hash an upgrade compares first.
pub const CHUNK: usize = 4 << 20;
/// Members that a thread may be ahead of the one that writes: what is in memory at a time.
const AHEAD: usize = 2;

/// SHA-256.
pub type Hash = [u8; 32];
/// The first 8 bytes of a block's SHA-256. Whatever they hide, the hash of the whole finds it.
pub type BlockHash = [u8; 8];

/// A volume that was packed, in a nameless file.
#[derive(Debug)]
pub struct Packed {
    file: File,
    codec: Codec,
    /// Bytes of the volume.
    pub raw: u64,
    /// Hash of the volume.
    pub sha256: Hash,
    /// Hashes of its chunks and their blocks; the last ones may be shorter.
    pub chunks: Vec<Chunk>,
}

/// The hashes of up to 4 MiB, and of their blocks of up to 64 KiB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    pub sha256: Hash,
    pub blocks: Vec<BlockHash>,
}

/// What became of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    pub bytes: u64,
    pub sha256: Hash,
}

/// A packed member on its way from the thread that made it to the one that writes it.
struct Piece {
    /// None: that many zeros.
    raw: Option<Vec<u8>>,
    len: usize,
    member: Vec<u8>,
    blocks: Vec<BlockHash>,
}

impl Codec {
    /// The codec that a file's name asks for: `.gz` or `.zst`.
    ///
    /// # Errors
    /// When it ends with something else.
    pub fn of(path: &Path) -> Result<Self> {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("gz") => Ok(Self::Gzip),
            Some("zst") => Ok(Self::Zstd),
            _ => Err(Error::new(
                ErrorKind::Image,
                format!("{}: an image's name ends with .img.gz or .img.zst", path.display()),
            )),
        }
    }
}

/// Packs a volume into a nameless file in the directory `dir`. The bytes depend on nothing but the volume.
///
/// # Errors
/// When a content cannot be read, the disk is full, or the run was cancelled.
pub fn pack(volume: &Volume, codec: Codec, dir: &Path, cancel: &Cancel) -> Result<Packed> {
    let file = tempfile::tempfile_in(dir).map_err(|error| Error::io(dir, &error))?;
    let lanes = thread::available_parallelism().map_or(1, usize::from);
    let mut hashing = Hashing::default();
    let mut out = &file;
    thread::scope(|scope| {
        let receivers: Vec<Receiver<Result<Piece>>> = (0..lanes)
            .map(|lane| {
                let (sender, receiver) = sync_channel(AHEAD);
                scope.spawn(move || pack_lane(volume, codec, lane, lanes, &sender));
                receiver
            })
            .collect();
        for index in 0..volume.size().div_ceil(MEMBER as u64) as usize {
            if cancel.is_cancelled() {
                return Err(Error::cancelled());
            }
            let gone = |_| Error::bug("a thread that packs the image went away");
            let piece = receivers[index % lanes].recv().map_err(gone)??;
            hashing.take(&piece);
            out.write_all(&piece.member).map_err(|error| Error::io(dir, &error))?;
        }
        Ok(())
    })?;
    let (sha256, chunks) = hashing.finish();
    Ok(Packed { file, codec, raw: volume.size(), sha256, chunks })
}

/// Packs every `lanes`-th member, from the `lane`-th on, until all are done or nobody listens.
fn pack_lane(
    volume: &Volume,
    codec: Codec,
    lane: usize,
    lanes: usize,
    sender: &SyncSender<Result<Piece>>,
) {
    let failed = |error| Error::io("the image's content", &error);
    let mut packing = match Packing::new(codec) {
        Ok(packing) => packing,
        Err(error) => return drop(sender.send(Err(failed(error)))),
    };
    let first = lane as u64 * MEMBER as u64;
    for offset in (first..volume.size()).step_by(lanes * MEMBER) {
        let piece = pack_at(volume, offset, &mut packing).map_err(failed);
        if sender.send(piece).is_err() {
            return;
        }
    }
}

fn pack_at(volume: &Volume, offset: u64, packing: &mut Packing) -> std::io::Result<Piece> {
    let len = (volume.size() - offset).min(MEMBER as u64) as usize;
    let free = free_blocks(volume, offset, len);
    if volume.is_blank(offset, len as u64) {
        let member = packing.pack_zeros(len, free)?;
        let blocks = ZEROS[..len].chunks(BLOCK).map(zero_hash).collect();
        return Ok(Piece { raw: None, len, member, blocks });
    }
    let mut raw = vec![0; len];
    volume.read_exact_at(&mut raw, offset)?;
    let member = packing.pack(&raw, free)?;
    let blocks = raw.chunks(BLOCK).map(block_hash).collect();
    Ok(Piece { raw: Some(raw), len, member, blocks })
}

fn free_blocks(volume: &Volume, offset: u64, len: usize) -> u16 {
    (0..len.div_ceil(BLOCK))
        .filter(|block| {
            let start = block * BLOCK;
            volume.is_free(offset + start as u64, BLOCK.min(len - start) as u64)
        })
        .fold(0, |mask, block| mask | 1 << block)
}

static ZEROS: [u8; MEMBER] = [0; MEMBER];
static ZERO_BLOCK: LazyLock<BlockHash> = LazyLock::new(|| block_hash(&ZEROS[..BLOCK]));

fn zero_hash(zeros: &[u8]) -> BlockHash {
    if zeros.len() == BLOCK { *ZERO_BLOCK } else { block_hash(zeros) }
}

/// The hash of a block.
pub fn block_hash(block: &[u8]) -> BlockHash {
    let hash: Hash = Sha256::digest(block).into();
    let mut short = BlockHash::default();
    short.copy_from_slice(&hash[..8]);
    short
}

/// The hashes of a volume, fed with its members in order.
#[derive(Default)]
struct Hashing {
    whole: Sha256,
    chunk: Sha256,
    in_chunk: usize,
    blocks: Vec<BlockHash>,
    chunks: Vec<Chunk>,
}

impl Hashing {
    fn take(&mut self, piece: &Piece) {
        let raw = piece.raw.as_deref().unwrap_or(&ZEROS[..piece.len]);
        self.whole.update(raw);
        self.chunk.update(raw);
        self.blocks.extend(&piece.blocks);
        self.in_chunk += raw.len();
        if self.in_chunk == CHUNK {
            self.end_chunk();
        }
    }

    fn end_chunk(&mut self) {
        let sha256 = std::mem::take(&mut self.chunk).finalize().into();
        self.chunks.push(Chunk { sha256, blocks: std::mem::take(&mut self.blocks) });
        self.in_chunk = 0;
    }

    fn finish(mut self) -> (Hash, Vec<Chunk>) {
        if self.in_chunk > 0 {
            self.end_chunk();
        }
        (self.whole.finalize().into(), self.chunks)
    }
}

/// A packed file that volumes are put into one after the other.
pub struct Archive<'a> {
    output: Output,
    codec: Codec,
    packing: Packing,
    whole: Sha256,
    bytes: u64,
    path: PathBuf,
    cancel: &'a Cancel,
}

impl<'a> Archive<'a> {
    /// Begins the file that will be at `path`; the path's end says how it is packed.
    ///
    /// # Errors
    /// Those of [`Codec::of`] and [`Output::create`].
    pub fn create(path: &Path, cancel: &'a Cancel) -> Result<Self> {
        let codec = Codec::of(path)?;
        let packing = Packing::new(codec).map_err(|error| Error::io(path, &error))?;
        let output = Output::create(path)?;
        let path = path.to_owned();
        Ok(Self { output, codec, packing, whole: Sha256::new(), bytes: 0, path, cancel })
    }

    /// Puts a packed volume at the end.
    ///
    /// # Errors
    /// When the disk is full, or the run was cancelled.
    pub fn volume(&mut self, packed: &Packed) -> Result<()> {
        if packed.codec != self.codec {
            return Err(Error::bug("a volume was packed for another kind of archive"));
        }
        let mut from = &packed.file;
        let io = |error| Error::io(&self.path, &error);
        from.seek(SeekFrom::Start(0)).map_err(io)?;
        let mut bytes = vec![0; MEMBER];
        loop {
            match from.read(&mut bytes).map_err(|error| Error::io(&self.path, &error))? {
                0 => return Ok(()),
                len => self.put(&bytes[..len])?,
            }
        }
    }

    /// Puts small bytes at the end, such as a partition table.
    ///
    /// # Errors
    /// As for [`Archive::volume`].
    pub fn bytes(&mut self, raw: &[u8]) -> Result<()> {
        for raw in raw.chunks(MEMBER) {
            let member =
                self.packing.pack(raw, 0).map_err(|error| Error::io(&self.path, &error))?;
            self.put(&member)?;
        }
        Ok(())
    }

    /// Puts zeros at the end, which matter or are free space.
    ///
    /// # Errors
    /// As for [`Archive::volume`].
    pub fn zeros(&mut self, len: u64, are_free: bool) -> Result<()> {
        for offset in (0..len).step_by(MEMBER) {
            let len = (len - offset).min(MEMBER as u64) as usize;
            let free = if are_free { u16::MAX >> (16 - len.div_ceil(BLOCK)) } else { 0 };
            let member = self.packing.pack_zeros(len, free);
            self.put(&member.map_err(|error| Error::io(&self.path, &error))?)?;
        }
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        if self.cancel.is_cancelled() {
            return Err(Error::cancelled());
        }
        self.whole.update(bytes);
        self.bytes += bytes.len() as u64;
        self.output.write_all(bytes).map_err(|error| Error::io(&self.path, &error))
    }

    /// Gives the file its name, and writes its hash beside it, as `sha256sum` does. A hash of an older file goes first,
    /// so that there is never one that does not fit.
    ///
    /// # Errors
    /// When the disk is full or fails.
    pub fn finish(self) -> Result<Saved> {
        let saved = Saved { bytes: self.bytes, sha256: self.whole.finalize().into() };
        let sums = output::beside(&self.path, ".sha256");
        output::remove(&sums)?;
        self.output.finish()?;
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        output::write(&sums, format!("{}  {name}\n", hex(&saved.sha256)).as_bytes())?;
        Ok(saved)
    }
}

/// Bytes as lower-case digits.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut digits, byte| {
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

#[cfg(test)]
mod tests;
