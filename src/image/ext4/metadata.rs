//! Every byte of a file system that is not a file's content, as mkext4 wrote it, and what its bitmaps say of the rest.

use std::io;

use mkext4::csum;
use mkext4::spec::{BLOCKS_PER_GROUP, GroupDesc, Superblock, bg_flags};
use mkext4::{Layout, RegionSink};

use super::build::Placed;
use super::{BLOCK, refused};
use crate::error::{Error, Result};
use crate::image::tree::Content;
use crate::image::volume::{Holds, ReadAt, Volume};

const DESCRIPTOR: usize = 32;
const INODE: u64 = 256;
const SUPERBLOCK: usize = 1024;

pub(super) struct Metadata {
    /// Offset and bytes, in ascending order; those that touch are one.
    regions: Vec<(u64, Vec<u8>)>,
    size: u64,
    superblock: Superblock,
    /// Ranges of inode tables that the kernel will zero, as (offset, end).
    lazy: Vec<(u64, u64)>,
}

/// Takes mkext4's metadata; zeros are what is between.
#[derive(Default)]
struct Capture(Vec<(u64, Vec<u8>)>);

impl RegionSink for Capture {
    fn data(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        match self.0.last_mut().filter(|(start, all)| start + all.len() as u64 == offset) {
            Some((_, all)) => all.extend_from_slice(bytes),
            None => self.0.push((offset, bytes.to_vec())),
        }
        Ok(())
    }

    fn zeros(&mut self, _: u64, _: u64) -> io::Result<()> {
        Ok(())
    }
}

impl Metadata {
    pub fn of(layout: &Layout) -> Result<Self> {
        let mut capture = Capture::default();
        let refused = |error| refused("ext4", &error);
        // All metadata comes at once, before any content is asked for.
        layout.writer(&mut capture).map_err(refused)?;
        let regions = capture.0;
        let superblock = Superblock::decode(slice(&regions, 1024, SUPERBLOCK)?).map_err(refused)?;
        Ok(Self { regions, size: layout.image_len(), superblock, lazy: Vec::new() })
    }

    /// Bytes in use, metadata and journal included.
    pub fn used_bytes(&self) -> u64 {
        (self.superblock.blocks_count - self.superblock.free_blocks_count) * BLOCK
    }

    /// Takes the promise back that the inode tables' unused ends are zeros, as `mke2fs -E lazy_itable_init=1` does: the
    /// kernel zeroes them in the background after the first mount.
    pub fn leave_tables_to_the_kernel(&mut self) -> Result<()> {
        let seed = csum::fs_seed(&self.superblock.uuid);
        let mut table = Vec::new();
        for group in 0..self.groups() {
            let mut descriptor = self.descriptor(group)?;
            descriptor.flags &= !bg_flags::INODE_ZEROED;
            descriptor.checksum = 0;
            let mut raw = [0; DESCRIPTOR];
            descriptor.encode32(&mut raw);
            descriptor.checksum = csum::group_desc(seed, group as u32, &raw);
            descriptor.encode32(&mut raw);
            table.extend(raw);
            self.lazy.extend(unused_table(&self.superblock, &descriptor));
        }
        for group in (0..self.groups()).filter(|group| has_superblock(*group)) {
            let at = group * u64::from(BLOCKS_PER_GROUP) * BLOCK + BLOCK;
            slice_mut(&mut self.regions, at, table.len())?.copy_from_slice(&table);
        }
        Ok(())
    }

    /// The whole file system: metadata, contents, and of the rest what must be zero and what is free.
    pub fn into_volume(self, contents: Vec<Placed>) -> Result<Volume> {
        let bitmaps = self.bitmaps()?;
        let is_free = |block: u64| {
            let group = (block / u64::from(BLOCKS_PER_GROUP)) as usize;
            let within = (block % u64::from(BLOCKS_PER_GROUP)) as usize;
            bitmaps[group][within / 8] & 1 << (within % 8) == 0
                || self.lazy.iter().any(|(start, end)| (*start..*end).contains(&(block * BLOCK)))
        };
        let mut parts: Vec<(u64, u64, Holds)> = Vec::new();
        for (content, places) in contents {
            let mut from = 0;
            for (offset, len) in places {
                parts.push((offset, len, Holds::Content(content.clone(), from)));
                from += len;
            }
        }
        for (offset, bytes) in &self.regions {
            let content = Content::Bytes(bytes.as_slice().into());
            parts.push((*offset, bytes.len() as u64, Holds::Content(content, 0)));
        }
        parts.sort_by_key(|(offset, ..)| *offset);

        let mut volume = Volume::default();
        for (offset, len, holds) in parts {
            push_rest(&mut volume, offset, is_free);
            volume.push(len, holds);
        }
        push_rest(&mut volume, self.size, is_free);
        Ok(volume)
    }

    fn groups(&self) -> u64 {
        self.superblock.group_count()
    }

    fn descriptor(&self, group: u64) -> Result<GroupDesc> {
        let raw = slice(&self.regions, BLOCK + group * DESCRIPTOR as u64, DESCRIPTOR)?;
        GroupDesc::decode(raw).map_err(|error| refused("ext4", &error))
    }

    /// The block bitmap of each group.
    fn bitmaps(&self) -> Result<Vec<&[u8]>> {
        (0..self.groups())
            .map(|group| {
                let at = self.descriptor(group)?.block_bitmap * BLOCK;
                slice(&self.regions, at, BLOCK as usize)
            })
            .collect()
    }
}

/// Fills the volume up to `end` with what nobody wrote.
fn push_rest(volume: &mut Volume, end: u64, is_free: impl Fn(u64) -> bool) {
    while volume.size() < end {
        let block = volume.size() / BLOCK;
        let len = ((block + 1) * BLOCK).min(end) - volume.size();
        volume.push(len, if is_free(block) { Holds::Free } else { Holds::Zeros });
    }
}

/// The blocks of a group's inode table that hold no inode in use, as (offset, end).
fn unused_table(superblock: &Superblock, descriptor: &GroupDesc) -> Option<(u64, u64)> {
    let start = descriptor.inode_table * BLOCK;
    let used = u64::from(superblock.inodes_per_group - descriptor.itable_unused) * INODE;
    let end = start + (u64::from(superblock.inodes_per_group) * INODE).next_multiple_of(BLOCK);
    let unused = start + used.next_multiple_of(BLOCK);
    (unused < end).then_some((unused, end))
}

/// Whether a group starts with a copy of the superblock (sparse_super): 0, 1 and the powers of 3, 5 and 7.
fn has_superblock(group: u64) -> bool {
    group <= 1
        || [3, 5, 7].into_iter().any(|base: u64| {
            let power = group.ilog(base);
            base.pow(power) == group
        })
}

fn slice(regions: &[(u64, Vec<u8>)], offset: u64, len: usize) -> Result<&[u8]> {
    let index = regions.partition_point(|(start, _)| *start <= offset);
    let found = index.checked_sub(1).and_then(|index| {
        let (start, bytes) = &regions[index];
        bytes.get((offset - start) as usize..)?.get(..len)
    });
    found.ok_or_else(|| Error::bug(format!("ext4 metadata at {offset} was not written")))
}

fn slice_mut(regions: &mut [(u64, Vec<u8>)], offset: u64, len: usize) -> Result<&mut [u8]> {
    let index = regions.partition_point(|(start, _)| *start <= offset);
    let found = index.checked_sub(1).and_then(|index| {
        let (start, bytes) = regions.get_mut(index)?;
        bytes.get_mut((offset - *start) as usize..)?.get_mut(..len)
    });
    found.ok_or_else(|| Error::bug(format!("ext4 metadata at {offset} was not written")))
}
