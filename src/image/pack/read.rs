//! A packed image read at any place, without unpacking what is before.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::member::{Codec, HEAD, Note, Unpacking};
use crate::error::{Error, ErrorKind, Result};
use crate::image::volume::ReadAt;

/// Unpacked members that are kept.
const KEPT: usize = 4;

/// A packed image of ours: the heads of its members say where each is.
pub struct PackedImage {
    file: File,
    codec: Codec,
    members: Vec<Member>,
    size: u64,
    recent: Mutex<Recent>,
}

/// Where a member is, in the packed file and in what it unpacks to.
#[derive(Debug, Clone, Copy)]
pub struct Member {
    pub offset: u64,
    pub start: u64,
    pub note: Note,
}

struct Recent {
    unpacking: Unpacking,
    /// Number and bytes, the latest first.
    members: VecDeque<(usize, Arc<[u8]>)>,
}

impl PackedImage {
    /// Opens a packed image and finds its members; nothing is unpacked.
    ///
    /// # Errors
    /// When it is not one that pirun packed, or it is cut off.
    pub fn open(path: &Path) -> Result<Self> {
        let io = |error: io::Error| Error::io(path, &error);
        let file = File::open(path).map_err(io)?;
        let (codec, members) = scan(&file).map_err(io)?.ok_or_else(|| {
            Error::new(
                ErrorKind::Image,
                format!("{} is not an image that pirun packed, or it is damaged", path.display()),
            )
            .hint("Compare it with the .sha256 file beside it; build it again if they differ.")
        })?;
        let size = members.last().map_or(0, |last| last.start + u64::from(last.note.raw));
        let unpacking = Unpacking::new().map_err(io)?;
        let recent = Mutex::new(Recent { unpacking, members: VecDeque::new() });
        Ok(Self { file, codec, members, size, recent })
    }

    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// All members, in order.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The bytes of a member as they are in the file, for unpacking them elsewhere.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn packed(&self, member: &Member) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; member.note.packed as usize];
        self.file.read_exact_at(&mut bytes, member.offset)?;
        Ok(bytes)
    }

    fn unpacked(&self, index: usize) -> io::Result<Arc<[u8]>> {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, bytes)) = recent.members.iter().find(|(number, _)| *number == index) {
            return Ok(Arc::clone(bytes));
        }
        let packed = self.packed(&self.members[index])?;
        let bytes: Arc<[u8]> = recent.unpacking.unpack(&packed)?.into();
        recent.members.push_front((index, Arc::clone(&bytes)));
        recent.members.truncate(KEPT);
        Ok(bytes)
    }
}

/// The members of a file, if it has nothing else in it.
fn scan(file: &File) -> io::Result<Option<(Codec, Vec<Member>)>> {
    let end = file.metadata()?.len();
    let (mut offset, mut start) = (0, 0);
    let mut found: Option<(Codec, Vec<Member>)> = None;
    while offset < end {
        let mut head = [0; HEAD];
        let len = (end - offset).min(HEAD as u64) as usize;
        file.read_exact_at(&mut head[..len], offset)?;
        let Some((codec, note)) = Codec::read_head(&head[..len]) else { return Ok(None) };
        let (first, members) = found.get_or_insert_with(|| (codec, Vec::new()));
        if *first != codec || offset + u64::from(note.packed) > end {
            return Ok(None);
        }
        members.push(Member { offset, start, note });
        offset += u64::from(note.packed);
        start += u64::from(note.raw);
    }
    Ok(found)
}

impl ReadAt for PackedImage {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        if offset.checked_add(bytes.len() as u64).is_none_or(|end| end > self.size) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut done = 0;
        while done < bytes.len() {
            let at = offset + done as u64;
            let index = self.members.partition_point(|member| member.start <= at) - 1;
            let member = self.unpacked(index)?;
            let from = (at - self.members[index].start) as usize;
            let len = (member.len() - from).min(bytes.len() - done);
            bytes[done..done + len].copy_from_slice(&member[from..from + len]);
            done += len;
        }
        Ok(())
    }
}
