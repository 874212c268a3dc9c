//! An image onto a disk: unpacked by one thread, written by another, read back, and made bootable last.
//!
//! The first MiB, and with it the partition table, is zero from the first moment to the last. So a card that was pulled
//! out, or whose writer was killed, has no partitions at all, and a Raspberry Pi does not try to boot it.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::allocation::Allocation;
use super::buffer::{ALIGNMENT, Buffer, is_zero};
use super::open::{Target, zero_steps};
use super::source::Unpacking;
use crate::cancel::Cancel;
use crate::error::{Error, ErrorKind, Result};
use crate::image::mbr::Mbr;
use crate::image::volume::{ReadAt, Volume};

/// Unpacked and written at a time.
const CHUNK: usize = 4 << 20;
/// What is skipped or written as a whole.
const GRAIN: usize = 64 << 10;
/// Chunks on their way from the unpacking thread to the writing one.
const QUEUE: usize = 4;
const PAGE: u64 = ALIGNMENT as u64;
/// Kept back until everything else is on the disk: the partition table, and room for what others put behind it.
pub const HEAD: u64 = 1 << 20;

/// The disk that is written, and who wants to know how far it is.
pub struct Job<'a> {
    pub target: &'a dyn Target,
    /// Bytes of the disk.
    pub size: u64,
    /// The disk's name in messages, such as `/dev/sdc`.
    pub name: &'a str,
    pub cancel: &'a Cancel,
    pub progress: &'a mut dyn FnMut(Phase, u64, Option<u64>),
}

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Done and total are bytes of the image.
    Write,
    /// Done and total are bytes that were written.
    Verify,
}

/// A range that was written, and what must be found there.
#[derive(Debug, Clone, Copy)]
struct Mark {
    offset: u64,
    len: u64,
    /// CRC-32 of the bytes; zeros have none.
    crc: Option<u32>,
}

/// What becomes of a part of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Write,
    Zero,
    /// Nobody looks at what is there.
    Skip,
}

/// A piece of the image, with what is to become of its parts: (from, to, fate).
struct Chunk {
    offset: u64,
    buffer: Buffer,
    parts: Vec<(usize, usize, Fate)>,
}

/// A card that is being written. Whatever happens before [`Writing::finish`] is done, it has no partition table.
pub struct Writing<'a> {
    job: Job<'a>,
    marks: Vec<Mark>,
    /// The first bytes of the image, for the end.
    head: Buffer,
    /// Zeros that were not written yet: where, and how many.
    zeros: (u64, u64),
    /// Bytes that went to the disk.
    written: u64,
}

impl<'a> Writing<'a> {
    pub fn new(job: Job<'a>) -> Self {
        let head = Buffer::new(HEAD as usize);
        Self { job, marks: Vec::new(), head, zeros: (0, 0), written: 0 }
    }

    /// Takes the partition table off the disk, and the copy that a GPT has at the end.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn erase(&mut self) -> Result<()> {
        let end = self.job.size.saturating_sub(HEAD).max(HEAD) / PAGE * PAGE;
        let ends = [(0, HEAD.min(self.job.size)), (end, self.job.size.saturating_sub(end))];
        for (offset, len) in ends.into_iter().filter(|(_, len)| *len > 0) {
            let zeroed = self.job.target.zero(offset, len);
            zeroed.map_err(|error| self.failed("written", offset, &error))?;
            self.written += len;
        }
        self.flush()
    }

    /// Writes the image up to byte `end`; what is behind is handed to `rest`. Gives the image's size.
    ///
    /// # Errors
    /// Those of the disk and of the image.
    pub fn image(
        &mut self,
        image: Unpacking,
        end: u64,
        rest: &mut (dyn FnMut(&[u8]) -> Result<()> + Send),
    ) -> Result<u64> {
        let total = image.table().map(table_end);
        let (to_writer, chunks) = sync_channel::<Chunk>(QUEUE);
        let (to_reader, buffers) = sync_channel::<Buffer>(QUEUE + 2);
        for _ in 0..QUEUE + 2 {
            // There is room for all of them.
            let _ = to_reader.send(Buffer::new(CHUNK));
        }
        let (written, read) = std::thread::scope(|scope| {
            let reader = scope.spawn(move || unpack(image, end, rest, &to_writer, &buffers));
            let written = self.chunks(&chunks, &to_reader, total);
            // A reader that waits to hand over a chunk is told that nobody wants it.
            drop((chunks, to_reader));
            let read = reader.join().unwrap_or_else(|_| Err(Error::bug("unpacking panicked")));
            (written, read)
        });
        written?;
        self.zeros_to_disk()?;
        read
    }

    fn chunks(
        &mut self,
        chunks: &Receiver<Chunk>,
        to_reader: &SyncSender<Buffer>,
        total: Option<u64>,
    ) -> Result<()> {
        for chunk in chunks {
            if chunk.offset == 0 {
                self.head.bytes_mut().copy_from_slice(&chunk.buffer.bytes()[..HEAD as usize]);
            }
            for (from, to, fate) in &chunk.parts {
                let bytes = &chunk.buffer.bytes()[*from..*to];
                self.part(chunk.offset + *from as u64, bytes, *fate)?;
            }
            let done = chunk.offset + CHUNK as u64;
            (self.job.progress)(Phase::Write, total.map_or(done, |total| done.min(total)), total);
            // The reader may have come to its end.
            let _ = to_reader.try_send(chunk.buffer);
        }
        Ok(())
    }

    /// Writes what a volume has at byte `start` of the disk.
    ///
    /// # Errors
    /// Those of the disk and of what the volume is made of.
    pub fn volume(&mut self, start: u64, volume: &Volume) -> Result<()> {
        let mut buffer = Buffer::new(CHUNK);
        for (range, range_len) in volume.written() {
            for at in (0..range_len).step_by(CHUNK) {
                let (at, len) = (range + at, (range_len - at).min(CHUNK as u64));
                if volume.is_blank(at, len) {
                    self.zero(start + at, len)?;
                    continue;
                }
                let bytes = &mut buffer.bytes_mut()[..len as usize];
                volume.read_exact_at(bytes, at).map_err(|error| {
                    Error::new(
                        ErrorKind::Image,
                        format!("the data partition cannot be laid out: {error}"),
                    )
                })?;
                for (from, to, fate) in fates(bytes, |_, _| false) {
                    self.part(start + at + from as u64, &buffer.bytes()[from..to], fate)?;
                }
            }
        }
        self.zeros_to_disk()
    }

    fn part(&mut self, offset: u64, bytes: &[u8], fate: Fate) -> Result<()> {
        match fate {
            Fate::Skip => return Ok(()),
            Fate::Zero => return self.zero(offset, bytes.len() as u64),
            Fate::Write => {}
        }
        self.zeros_to_disk()?;
        self.check(offset + bytes.len() as u64)?;
        let written = self.job.target.write_at(bytes, offset);
        written.map_err(|error| self.failed("written", offset, &error))?;
        self.written += bytes.len() as u64;
        let crc = Some(crc32fast::hash(bytes));
        self.marks.push(Mark { offset, len: bytes.len() as u64, crc });
        Ok(())
    }

    /// Zeros, as long as they touch, are written at once.
    fn zero(&mut self, offset: u64, len: u64) -> Result<()> {
        if self.zeros.0 + self.zeros.1 != offset {
            self.zeros_to_disk()?;
            self.zeros = (offset, 0);
        }
        self.zeros.1 += len;
        Ok(())
    }

    fn zeros_to_disk(&mut self) -> Result<()> {
        let (offset, len) = std::mem::take(&mut self.zeros);
        for (offset, len) in zero_steps(offset, len) {
            self.check(offset + len)?;
            let zeroed = self.job.target.zero(offset, len);
            zeroed.map_err(|error| self.failed("written", offset, &error))?;
            self.written += len;
            self.marks.push(Mark { offset, len, crc: None });
        }
        Ok(())
    }

    /// Reads back what was written, and only then puts the partition table in its place: `table`, if it is not to be
    /// the image's own. Gives the bytes that were written.
    ///
    /// # Errors
    /// Those of the disk, or that it does not hold what was written to it.
    pub fn finish(mut self, table: Option<&Mbr>, verify: bool) -> Result<u64> {
        self.flush()?;
        if verify {
            self.verify()?;
        }
        if let Some(table) = table {
            self.head.bytes_mut()[..512].copy_from_slice(&table.encode());
        }
        self.marks.clear();
        let head = std::mem::replace(&mut self.head, Buffer::new(0));
        let len = HEAD.min(self.job.size) as usize;
        // The table last of all: a sector is written wholly or not at all.
        let first = ALIGNMENT.min(len);
        self.part(first as u64, &head.bytes()[first..len], Fate::Write)?;
        self.flush()?;
        self.part(0, &head.bytes()[..first], Fate::Write)?;
        self.flush()?;
        if verify {
            self.verify()?;
        }
        Ok(self.written)
    }

    fn verify(&mut self) -> Result<()> {
        let mut buffer = Buffer::new(CHUNK);
        let total = self.marks.iter().map(|mark| mark.len).sum();
        let mut done = 0;
        for mark in std::mem::take(&mut self.marks) {
            for at in (0..mark.len).step_by(CHUNK) {
                let len = (mark.len - at).min(CHUNK as u64);
                self.check(0)?;
                let bytes = &mut buffer.bytes_mut()[..len as usize];
                let read = self.job.target.read_at(bytes, mark.offset + at);
                read.map_err(|error| self.failed("read back", mark.offset + at, &error))?;
                // What is not zeros is never longer than a chunk.
                let same =
                    mark.crc.map_or_else(|| is_zero(bytes), |crc| crc == crc32fast::hash(bytes));
                if !same {
                    return Err(self.differs(mark.offset + at));
                }
                done += len;
                (self.job.progress)(Phase::Verify, done, Some(total));
            }
        }
        Ok(())
    }

    /// Stops where the user wants it, and before the end of the disk.
    fn check(&self, end: u64) -> Result<()> {
        if self.job.cancel.is_cancelled() {
            return Err(Error::cancelled());
        }
        if end > self.job.size {
            let name = self.job.name;
            return Err(Error::new(ErrorKind::Device, format!("the image does not fit on {name}"))
                .hint("Take a larger card."));
        }
        Ok(())
    }

    fn flush(&self) -> Result<()> {
        self.job.target.flush().map_err(|error| self.failed("written", 0, &error))
    }

    fn differs(&self, offset: u64) -> Error {
        let message = format!(
            "{} does not hold what was written to it: byte {offset} or one soon after differs",
            self.job.name
        );
        Error::new(ErrorKind::Device, message).hint(
            "The card or its reader is broken, or it is smaller than it says. It was left without a partition table.",
        )
    }

    fn failed(&self, what: &str, offset: u64, error: &io::Error) -> Error {
        let name = self.job.name;
        let gone = [rustix::io::Errno::NODEV, rustix::io::Errno::NXIO, rustix::io::Errno::NOMEDIUM];
        let code = error.raw_os_error();
        if gone.iter().any(|errno| code == Some(errno.raw_os_error())) {
            return Error::new(ErrorKind::Device, format!("{name} was pulled out"))
                .hint("Put the card in again and start anew: it has no partition table now.");
        }
        let place = offset / 1_000_000;
        let message = match error.kind() {
            io::ErrorKind::StorageFull => format!("{name} is full at {place} MB, before its end"),
            _ => format!("{name} cannot be {what} at {place} MB: {}", plain(error)),
        };
        Error::new(ErrorKind::Device, message)
            .hint("Try another reader or cable; cards wear out. It has no partition table now.")
    }
}

/// Where the last partition ends, in bytes.
pub fn table_end(table: &Mbr) -> u64 {
    let ends = table.partitions.iter().flatten().map(|part| part.offset() + part.bytes());
    ends.max().unwrap_or(0)
}

/// "input/output error"
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}

/// The reading thread: chunks of the image, each with what is to become of its parts.
fn unpack(
    mut image: Unpacking,
    end: u64,
    rest: &mut (dyn FnMut(&[u8]) -> Result<()> + Send),
    to_writer: &SyncSender<Chunk>,
    buffers: &Receiver<Buffer>,
) -> Result<u64> {
    let mut allocation = image.table().map(Allocation::of).unwrap_or_default();
    let mut offset = 0;
    for mut buffer in buffers {
        let bytes = buffer.bytes_mut();
        let len = image.fill(bytes)?;
        if len == 0 {
            break;
        }
        // Sectors are written as a whole.
        let whole = len.next_multiple_of(ALIGNMENT);
        bytes[len..whole].fill(0);
        if offset == 0 {
            bytes[whole..whole.max(HEAD as usize)].fill(0);
        }
        allocation.observe(offset, &bytes[..len]);
        let own = usize::try_from(end.saturating_sub(offset)).unwrap_or(usize::MAX).min(whole);
        let start = if offset == 0 { (HEAD as usize).min(own) } else { 0 };
        let free = |from: usize, len: usize| {
            allocation.is_free(offset + (start + from) as u64, len as u64)
        };
        let parts = fates(&bytes[start..own], free);
        let parts =
            parts.into_iter().map(|(from, to, fate)| (start + from, start + to, fate)).collect();
        if own < len {
            rest(&bytes[own..len])?;
        }
        let chunk = Chunk { offset, buffer, parts };
        offset += len as u64;
        if to_writer.send(chunk).is_err() {
            break;
        }
    }
    image.check_size(offset)?;
    Ok(offset)
}

/// What becomes of the parts of a piece; `free` is asked about those that are zero.
fn fates(bytes: &[u8], free: impl Fn(usize, usize) -> bool) -> Vec<(usize, usize, Fate)> {
    let mut parts: Vec<(usize, usize, Fate)> = Vec::new();
    for (index, grain) in bytes.chunks(GRAIN).enumerate() {
        let from = index * GRAIN;
        let fate = match is_zero(grain) {
            false => Fate::Write,
            true if free(from, grain.len()) => Fate::Skip,
            true => Fate::Zero,
        };
        match parts.last_mut().filter(|(_, _, last)| *last == fate) {
            Some((_, to, _)) => *to += grain.len(),
            None => parts.push((from, from + grain.len(), fate)),
        }
    }
    parts
}
