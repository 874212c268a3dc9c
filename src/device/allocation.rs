//! Which zeros of an image need not be written: those that lie where its own file systems have nothing.
//!
//! A card is written fast because most of an image is empty. But not every zero is emptiness: an inode table, a FAT or
//! a file may be zeros and must be. So the bitmaps of ext4 and the tables of FAT are read while the image passes by,
//! which works for any image and needs no file beside it. What is not understood counts as used.
//!
//! Layouts: Linux, `Documentation/filesystems/ext4/`; Microsoft, *FAT: General Overview of On-Disk Format* 1.03.

use std::collections::BTreeMap;

use mkext4::spec::{GroupDesc, Superblock};

use crate::image::mbr::Mbr;

/// Larger tables than any card has are not kept in memory.
const MAX_TABLE: u64 = 64 << 20;
const SUPERBLOCK_AT: u64 = 1024;

/// What is known so far of the file systems in an image.
#[derive(Debug, Default)]
pub struct Allocation {
    parts: Vec<Part>,
}

/// A partition: its place, what it has, and what of it must be seen to know more.
#[derive(Debug)]
struct Part {
    start: u64,
    size: u64,
    system: System,
    wanted: Vec<Wanted>,
}

/// A range of the partition that is being collected.
#[derive(Debug)]
struct Wanted {
    what: What,
    at: u64,
    bytes: Vec<u8>,
    filled: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    /// The first blocks, which tell what kind of file system it is.
    Head,
    Descriptors,
    /// The block bitmap of that group.
    Bitmap(u64),
    Fat,
}

#[derive(Debug)]
enum System {
    /// Everything in it counts as used.
    Unknown,
    Ext4(Box<Ext4>),
    Fat(Fat),
}

#[derive(Debug)]
struct Ext4 {
    superblock: Superblock,
    block: u64,
    /// The block bitmap of each group that was seen; a set bit is a block in use.
    bitmaps: BTreeMap<u64, Vec<u8>>,
}

#[derive(Debug)]
struct Fat {
    /// Where the first cluster starts.
    data: u64,
    cluster: u64,
    clusters: u64,
    /// Bytes of an entry: 2 or 4.
    entry: usize,
    table: Vec<u8>,
}

impl Allocation {
    /// Of an image with this partition table.
    pub fn of(table: &Mbr) -> Self {
        let parts = table.partitions.iter().flatten();
        Self { parts: parts.map(|part| Part::new(part.offset(), part.bytes())).collect() }
    }

    /// Looks at the bytes of the image at `offset`. They come in ascending order.
    pub fn observe(&mut self, offset: u64, bytes: &[u8]) {
        for part in &mut self.parts {
            part.observe(offset, bytes);
        }
    }

    /// Whether nobody uses anything of a range, as far as is known from what has passed by.
    pub fn is_free(&self, offset: u64, len: u64) -> bool {
        let inside = |part: &&Part| {
            let from = offset.checked_sub(part.start);
            from.and_then(|from| from.checked_add(len)).is_some_and(|end| end <= part.size)
        };
        let part = self.parts.iter().find(inside);
        part.is_some_and(|part| part.is_free(offset - part.start, len))
    }
}

impl Part {
    fn new(start: u64, size: u64) -> Self {
        let head = Wanted::new(What::Head, 0, SUPERBLOCK_AT + Superblock::LEN as u64);
        let wanted = if size < 64 << 10 { Vec::new() } else { vec![head] };
        Self { start, size, system: System::Unknown, wanted }
    }

    fn observe(&mut self, offset: u64, bytes: &[u8]) {
        // Each table that is complete tells of others, which may lie in the same bytes.
        loop {
            let (start, size) = (self.start, self.size);
            self.wanted.iter_mut().for_each(|wanted| wanted.take(start, offset, bytes));
            let end = offset + bytes.len() as u64;
            let (seen, left): (Vec<_>, Vec<_>) =
                self.wanted.drain(..).partition(|wanted| wanted.filled == wanted.bytes.len());
            // What has passed by unseen will not come again.
            let missed = |w: &Wanted| start + w.at + (w.filled as u64) < end;
            self.wanted = left.into_iter().filter(|wanted| !missed(wanted)).collect();
            if seen.is_empty() {
                return;
            }
            for wanted in seen {
                let more = self.learn(wanted).into_iter();
                let inside = |w: &Wanted| w.at.saturating_add(w.bytes.len() as u64) <= size;
                self.wanted.extend(more.filter(inside));
            }
        }
    }

    /// Learns from a table; gives what else is wanted.
    fn learn(&mut self, wanted: Wanted) -> Vec<Wanted> {
        match (wanted.what, &mut self.system) {
            (What::Head, _) => self.recognise(&wanted.bytes),
            (What::Descriptors, System::Ext4(ext4)) => ext4.bitmaps_wanted(&wanted.bytes),
            (What::Bitmap(group), System::Ext4(ext4)) => {
                ext4.bitmaps.insert(group, wanted.bytes);
                Vec::new()
            }
            (What::Fat, System::Fat(fat)) => {
                fat.table = wanted.bytes;
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    fn recognise(&mut self, head: &[u8]) -> Vec<Wanted> {
        if let Some((ext4, wanted)) = Ext4::recognise(head, self.size) {
            self.system = System::Ext4(Box::new(ext4));
            return vec![wanted];
        }
        if let Some((fat, wanted)) = Fat::recognise(head, self.size) {
            self.system = System::Fat(fat);
            return vec![wanted];
        }
        Vec::new()
    }

    fn is_free(&self, at: u64, len: u64) -> bool {
        match &self.system {
            System::Unknown => false,
            System::Ext4(ext4) => ext4.is_free(at, len),
            System::Fat(fat) => fat.is_free(at, len),
        }
    }
}

impl Wanted {
    fn new(what: What, at: u64, len: u64) -> Self {
        Self { what, at, bytes: vec![0; usize::try_from(len).unwrap_or(0)], filled: 0 }
    }

    /// Takes what follows on what it has, if it is among `bytes`.
    fn take(&mut self, start: u64, offset: u64, bytes: &[u8]) {
        let next = start + self.at + self.filled as u64;
        let Some(from) = next.checked_sub(offset).and_then(|from| usize::try_from(from).ok())
        else {
            return;
        };
        let Some(bytes) = bytes.get(from..) else { return };
        let rest = &mut self.bytes[self.filled..];
        let len = rest.len().min(bytes.len());
        rest[..len].copy_from_slice(&bytes[..len]);
        self.filled += len;
    }
}

/// Features with which the bitmaps do not say all: a journal that must be replayed, groups of descriptors spread over
/// the disk, bits that stand for several blocks, a journal elsewhere.
const INCOMPREHENSIBLE: u32 = 0x4 | 0x10 | 0x8;
const BIGALLOC: u32 = 0x200;
/// Copies of the superblock are in some groups only.
const SPARSE_SUPER: u32 = 1;
/// The bitmap of the group was never written.
const BLOCK_UNINIT: u16 = 2;

impl Ext4 {
    fn recognise(head: &[u8], size: u64) -> Option<(Self, Wanted)> {
        let superblock = Superblock::decode(head.get(SUPERBLOCK_AT as usize..)?).ok()?;
        let block = 1024_u64.checked_shl(superblock.log_block_size).filter(|b| *b <= 65_536)?;
        let known = superblock.feature_incompat & INCOMPREHENSIBLE == 0
            && superblock.feature_ro_compat & BIGALLOC == 0
            && superblock.blocks_per_group > 0
            && u64::from(superblock.blocks_per_group) <= block * 8
            && superblock.blocks_count.checked_mul(block).is_some_and(|bytes| bytes <= size);
        if !known {
            return None;
        }
        let groups = Self::groups(&superblock);
        let len = groups.checked_mul(descriptor_size(&superblock) as u64)?;
        let at = (u64::from(superblock.first_data_block) + 1) * block;
        let ext4 = Self { superblock, block, bitmaps: BTreeMap::new() };
        (len > 0 && len <= MAX_TABLE).then(|| (ext4, Wanted::new(What::Descriptors, at, len)))
    }

    fn groups(superblock: &Superblock) -> u64 {
        let blocks = superblock.blocks_count.saturating_sub(u64::from(superblock.first_data_block));
        blocks.div_ceil(u64::from(superblock.blocks_per_group))
    }

    /// The bitmaps that were written; those that were not are known from the rules for them.
    fn bitmaps_wanted(&mut self, descriptors: &[u8]) -> Vec<Wanted> {
        let descriptors = descriptors.chunks_exact(descriptor_size(&self.superblock));
        let mut wanted = Vec::new();
        for (group, bytes) in (0..).zip(descriptors) {
            let Ok(descriptor) = GroupDesc::decode(bytes) else { continue };
            if descriptor.flags & BLOCK_UNINIT != 0 {
                let bitmap = self.initial_bitmap(group, &descriptor);
                self.bitmaps.insert(group, bitmap);
            } else if let Some(at) = descriptor.block_bitmap.checked_mul(self.block) {
                wanted.push(Wanted::new(What::Bitmap(group), at, self.block));
            }
        }
        wanted
    }

    /// The bitmap of a group that has none yet, as Linux would make it (`fs/ext4/balloc.c: ext4_init_block_bitmap`):
    /// only the group's own metadata is in use.
    fn initial_bitmap(&self, group: u64, descriptor: &GroupDesc) -> Vec<u8> {
        let sb = &self.superblock;
        let per_group = u64::from(sb.blocks_per_group);
        let first = group * per_group + u64::from(sb.first_data_block);
        let mut bitmap = vec![0; per_group.div_ceil(8) as usize];
        let mut mark = |from: u64, count: u64| {
            let from = from.max(first) - first;
            for block in from..from.saturating_add(count).min(per_group) {
                bitmap[(block / 8) as usize] |= 1 << (block % 8);
            }
        };
        if self.has_backup(group) {
            let table = Self::groups(sb) * descriptor_size(sb) as u64;
            mark(first, 1 + table.div_ceil(self.block) + u64::from(sb.reserved_gdt_blocks));
        }
        let inodes = u64::from(sb.inodes_per_group) * u64::from(sb.inode_size);
        let own = [(descriptor.block_bitmap, 1), (descriptor.inode_bitmap, 1)];
        for (at, count) in
            own.into_iter().chain([(descriptor.inode_table, inodes.div_ceil(self.block))])
        {
            if (first..first + per_group).contains(&at) {
                mark(at, count);
            }
        }
        bitmap
    }

    /// Whether the group begins with a copy of the superblock.
    fn has_backup(&self, group: u64) -> bool {
        let is_power_of = |base: u64| {
            let mut power = base;
            while power < group {
                power *= base;
            }
            power == group
        };
        let sparse = self.superblock.feature_ro_compat & SPARSE_SUPER != 0;
        !sparse || group < 2 || [3, 5, 7].into_iter().any(is_power_of)
    }

    fn is_free(&self, at: u64, len: u64) -> bool {
        let last = (at + len).div_ceil(self.block);
        (at / self.block..last).all(|block| self.is_block_free(block))
    }

    fn is_block_free(&self, block: u64) -> bool {
        if block >= self.superblock.blocks_count {
            return true;
        }
        let per_group = u64::from(self.superblock.blocks_per_group);
        let Some(block) = block.checked_sub(u64::from(self.superblock.first_data_block)) else {
            return false;
        };
        let bitmap = self.bitmaps.get(&(block / per_group));
        bitmap.is_some_and(|bitmap| {
            let bit = (block % per_group) as usize;
            bitmap.get(bit / 8).is_some_and(|byte| byte >> (bit % 8) & 1 == 0)
        })
    }
}

/// 32 bytes, or more with the feature `64bit`.
fn descriptor_size(superblock: &Superblock) -> usize {
    match superblock.feature_incompat & 0x80 {
        0 => 32,
        _ => usize::from(superblock.desc_size).max(32),
    }
}

impl Fat {
    fn recognise(head: &[u8], size: u64) -> Option<(Self, Wanted)> {
        let short = |at: usize| u64::from(u16::from_le_bytes([head[at], head[at + 1]]));
        let long = |at: usize| short(at) | short(at + 2) << 16;
        let either = |small: u64, large: u64| if small != 0 { small } else { large };
        if head.get(510..512)? != [0x55, 0xaa] {
            return None;
        }
        let sector = short(11);
        let per_cluster = u64::from(head[13]);
        let (reserved, copies, root) = (short(14), u64::from(head[16]), short(17));
        let (sectors, table) = (either(short(19), long(32)), either(short(22), long(36)));
        let sound = (512..=4096).contains(&sector)
            && sector.is_power_of_two()
            && per_cluster.is_power_of_two()
            && reserved > 0
            && (1..=2).contains(&copies)
            && sectors * sector <= size;
        if !sound {
            return None;
        }
        let data = reserved + copies * table + (root * 32).div_ceil(sector);
        let clusters = sectors.checked_sub(data)? / per_cluster;
        let entry = match clusters {
            0..4085 => return None,
            4085..65_525 => 2,
            _ => 4,
        };
        let bytes = table * sector;
        if bytes > MAX_TABLE || bytes < (clusters + 2) * entry as u64 {
            return None;
        }
        let wanted = Wanted::new(What::Fat, reserved * sector, bytes);
        let cluster = per_cluster * sector;
        Some((Self { data: data * sector, cluster, clusters, entry, table: Vec::new() }, wanted))
    }

    fn is_free(&self, at: u64, len: u64) -> bool {
        let Some(from) = at.checked_sub(self.data) else { return false };
        let mut clusters = from / self.cluster..(from + len).div_ceil(self.cluster);
        !self.table.is_empty() && clusters.all(|cluster| self.is_cluster_free(cluster))
    }

    /// The first cluster has the number 2. What is behind the last one is nobody's.
    fn is_cluster_free(&self, cluster: u64) -> bool {
        if cluster >= self.clusters {
            return true;
        }
        let at = (cluster as usize + 2) * self.entry;
        let Some(entry) = self.table.get(at..at + self.entry) else { return false };
        match entry {
            // The upper four bits are reserved.
            [a, b, c, d] => *a == 0 && *b == 0 && *c == 0 && *d & 0x0f == 0,
            short => short.iter().all(|byte| *byte == 0),
        }
    }
}
