//! The stream that turns a slot into an image: the steps of a plan and the bytes they need, packed with gzip.
//!
//! Unpacked it is a line a step, numbers of blocks in it, and behind a line `s` its blocks:
//! `z AT COUNT` zeros, `c FROM AT COUNT` from the running slot, `s AT COUNT` what follows, `t AT COUNT` the same in pieces of
//! 4 KiB, for an image whose last block is no whole one, and `e` at the end, without which the stream was cut.

use std::io::{self, Read};
use std::vec;

use libdeflater::{CompressionLvl, Compressor};

use super::UpdateImage;
use super::delta::{Plan, Step};
use crate::image::pack::{BLOCK, Codec, MEMBER};
use crate::image::volume::ReadAt as _;

/// Blocks in a member of a packed image.
const MEMBER_BLOCKS: u64 = (MEMBER / BLOCK) as u64;
/// Bytes of the pieces that an image's last block is made of: a block of its file system.
const PIECE: u64 = 4096;

/// What the node does with the stream, as its standard input; `T` is the slot, `R` the running one.
pub const RECEIVE: &str = r#"gzip -dc | {
while read -r op a b c; do
	case $op in
	s) dd of="$T" bs=65536 seek="$a" count="$b" iflag=fullblock conv=notrunc 2>/dev/null || exit ;;
	z) dd if=/dev/zero of="$T" bs=65536 seek="$a" count="$b" conv=notrunc 2>/dev/null || exit ;;
	c) dd if="$R" of="$T" bs=65536 skip="$a" seek="$b" count="$c" conv=notrunc 2>/dev/null || exit ;;
	t) dd of="$T" bs=4096 seek="$a" count="$b" iflag=fullblock conv=notrunc 2>/dev/null || exit ;;
	e) sync "$T" && echo whole; exit ;;
	esac
done
exit 1
}"#;

/// Reads the stream, making it piece by piece; whole members of the image are passed on as they are packed.
pub struct Stream<'a> {
    image: &'a UpdateImage,
    steps: vec::IntoIter<Step>,
    /// An image's incomplete last block, which comes in a line of its own.
    last: Option<Step>,
    /// What is left of a step whose line was sent: the next block, and the block behind its last.
    sending: Option<(u64, u64)>,
    ended: bool,
    packer: Compressor,
    piece: io::Cursor<Vec<u8>>,
    progress: &'a mut (dyn FnMut(u64, u64) + Send),
    done: u64,
    total: u64,
}

impl<'a> Stream<'a> {
    /// `progress` is told how many bytes of the image were sent, out of how many.
    pub fn new(
        image: &'a UpdateImage,
        plan: &Plan,
        progress: &'a mut (dyn FnMut(u64, u64) + Send),
    ) -> Self {
        Self {
            image,
            steps: plan.steps.clone().into_iter(),
            last: None,
            sending: None,
            ended: false,
            packer: Compressor::new(CompressionLvl::default()),
            piece: io::Cursor::new(Vec::new()),
            progress,
            done: 0,
            total: plan.bytes_to_send(),
        }
    }

    /// The next gzip member; empty at the end.
    fn next_piece(&mut self) -> io::Result<Vec<u8>> {
        if let Some((at, end)) = self.sending {
            return self.blocks(at, end);
        }
        let line = match self.last.take().or_else(|| self.steps.next()) {
            Some(Step::Zero { at, count }) => format!("z {at} {count}\n"),
            Some(Step::Copy { from, at, count }) => format!("c {from} {at} {count}\n"),
            Some(Step::Send { at, count }) => self.announce(at, count),
            None if self.ended => return Ok(Vec::new()),
            None => {
                self.ended = true;
                "e\n".to_owned()
            }
        };
        self.pack(line.as_bytes())
    }

    /// The line before blocks of the image. An incomplete last block comes in a line of its own.
    fn announce(&mut self, at: u64, count: u64) -> String {
        let whole = self.image.bytes / BLOCK as u64;
        let end = at + count;
        if at < whole {
            let last = end.min(whole);
            self.sending = Some((at, last));
            self.last = (last < end).then_some(Step::Send { at: last, count: end - last });
            return format!("s {at} {}\n", last - at);
        }
        self.sending = Some((at, end));
        let pieces = (self.image.bytes - at * BLOCK as u64) / PIECE;
        format!("t {} {pieces}\n", at * BLOCK as u64 / PIECE)
    }

    /// Blocks from `at` on, up to the end of the member that they are in.
    fn blocks(&mut self, at: u64, end: u64) -> io::Result<Vec<u8>> {
        let member = at / MEMBER_BLOCKS;
        let stop = end.min((member + 1) * MEMBER_BLOCKS);
        self.sending = (stop < end).then_some((stop, end));
        let start = at * BLOCK as u64;
        let len = (stop * BLOCK as u64).min(self.image.bytes) - start;
        self.done += len;
        (self.progress)(self.done, self.total);
        if let Some(packed) = self.whole_member(start, len)? {
            return Ok(packed);
        }
        let mut bytes = vec![0; len as usize];
        self.image.packed.read_exact_at(&mut bytes, start)?;
        self.pack(&bytes)
    }

    /// The image's own member, if it has just these bytes and the node can unpack it.
    fn whole_member(&self, start: u64, len: u64) -> io::Result<Option<Vec<u8>>> {
        let packed = &self.image.packed;
        if packed.codec() != Codec::Gzip {
            return Ok(None);
        }
        let members = packed.members();
        let found = members.binary_search_by_key(&start, |member| member.start);
        match found.map(|index| &members[index]) {
            Ok(member) if u64::from(member.note.raw) == len => packed.packed(member).map(Some),
            _ => Ok(None),
        }
    }

    fn pack(&mut self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut member = vec![0; self.packer.gzip_compress_bound(bytes.len())];
        let len = self.packer.gzip_compress(bytes, &mut member).map_err(io::Error::other)?;
        member.truncate(len);
        Ok(member)
    }
}

impl Read for Stream<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.piece.read(bytes)?;
            if read > 0 || bytes.is_empty() {
                return Ok(read);
            }
            let piece = self.next_piece()?;
            if piece.is_empty() {
                return Ok(0);
            }
            self.piece = io::Cursor::new(piece);
        }
    }
}
