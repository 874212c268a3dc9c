//! ext4 file systems: a tree laid out as a [`Volume`], and read back.
//!
//! mkext4 decides where everything goes and makes every byte that is not a file's content. The features are those that
//! U-Boot reads too: extents and metadata checksums, no 64bit, no orphan file.

mod build;
mod metadata;
mod placement;
mod read;

use build::Builder;
use metadata::Metadata;
pub use placement::Placement;
pub use read::read;

use super::Seed;
use super::tree::Tree;
use super::volume::{ReadAt, Volume};
use crate::error::{Error, ErrorKind, Result};

/// Bytes of a block.
pub const BLOCK: u64 = 4096;
/// The smallest file system: mkext4 puts a journal into each.
pub const MIN_SIZE: u64 = 16 << 20;
/// Shrunk file systems have whole steps of this, which are also the members of a packed image.
const STEP: u64 = 1 << 20;
/// The smallest journal that Linux takes, in blocks.
const MIN_JOURNAL: u32 = 1024;
/// As mke2fs has it.
const BYTES_PER_INODE: u64 = 16_384;

/// How to lay a file system out.
#[derive(Debug, Clone)]
pub struct Ext4 {
    pub size: Size,
    /// Up to 16 bytes.
    pub label: String,
    /// UUID and hash seed come from this and the label.
    pub seed: Seed,
    /// The time of the file system itself, in seconds since 1970.
    pub time: i64,
    /// Bytes of the journal; all of it has to be written to the card. At least 4 MiB.
    pub journal: u64,
    /// Leaves inode tables that are not in use to the kernel, which zeroes them after the first mount: for a large
    /// file system that nodes write to. Else they are zeros that have to be written.
    pub lazy: bool,
    /// An older image, whose files are to stay at their places as far as they can.
    pub previous: Option<Placement>,
}

/// How large a file system gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// That many bytes, whole blocks.
    Fixed(u64),
    /// What is in it, and about that much free space.
    Shrink { free: u64 },
}

impl Ext4 {
    /// A root file system: read-only on nodes, so with the smallest journal.
    pub fn root(size: Size, label: &str, seed: &Seed, time: i64) -> Self {
        Self {
            size,
            label: label.to_owned(),
            seed: seed.clone(),
            time,
            journal: u64::from(MIN_JOURNAL) * BLOCK,
            lazy: false,
            previous: None,
        }
    }

    /// A data file system: nodes write to it.
    pub fn data(size: u64, seed: &Seed, time: i64) -> Self {
        Self {
            size: Size::Fixed(size),
            label: "data".into(),
            seed: seed.clone(),
            time,
            // mke2fs takes up to 1 GiB; what a card can write within the 5 seconds between commits is enough.
            journal: (size / 64).clamp(u64::from(MIN_JOURNAL) * BLOCK, 64 << 20),
            lazy: true,
            previous: None,
        }
    }

    /// Lays the tree out. What it says depends on nothing but the tree and these options.
    ///
    /// # Errors
    /// When the tree does not fit, or has what ext4 cannot hold.
    pub fn volume(&self, tree: &Tree) -> Result<Volume> {
        self.check()?;
        match self.size {
            Size::Fixed(size) => match self.lay_out(tree, size) {
                Ok(laid) => Ok(laid.volume),
                Err(error) => Err(self.explain(tree, size, error)),
            },
            Size::Shrink { free } => self.shrink(tree, free),
        }
    }

    fn check(&self) -> Result<()> {
        if self.label.len() > 16 {
            return Err(wrong(format!(
                "`{}` cannot be the label of an ext4 file system",
                self.label
            ))
            .hint("It has up to 16 bytes."));
        }
        match self.size {
            Size::Fixed(size) if size < MIN_SIZE || !size.is_multiple_of(BLOCK) => {
                Err(wrong(format!("{size} bytes cannot be the size of an ext4 file system"))
                    .hint("It takes whole blocks of 4096 bytes and at least 16 MiB."))
            }
            _ => Ok(()),
        }
    }

    fn shrink(&self, tree: &Tree, free: u64) -> Result<Volume> {
        let generous = (build::estimate(tree) * 5 / 4 + self.journal).next_multiple_of(STEP);
        let used = self.lay_out(tree, generous.max(MIN_SIZE) + (64 << 20))?.used;
        if let Some(size) = self.previous_size(used, free)
            && let Ok(laid) = self.lay_out(tree, size)
        {
            return Ok(laid.volume);
        }
        let mut size = (used + free).next_multiple_of(STEP).max(MIN_SIZE);
        loop {
            match self.lay_out(tree, size) {
                Ok(laid) => return Ok(laid.volume),
                // Where the metadata of the last group goes can cost a little more than counted.
                Err(_) if size < generous + free + (64 << 20) => size += STEP,
                Err(error) => return Err(error),
            }
        }
    }

    /// The size of the older image, if it is about what is wanted: in another size nothing would stay at its place.
    fn previous_size(&self, used: u64, free: u64) -> Option<u64> {
        let size = self.previous.as_ref()?.size;
        (used + free / 4..used * 5 / 4 + free * 2).contains(&size).then_some(size)
    }

    fn lay_out(&self, tree: &Tree, size: u64) -> Result<Laid> {
        let files = build::files(tree);
        let order: Vec<&str> = files.iter().map(|(path, _)| *path).collect();
        let seal = |order: &[&str]| Builder::of(tree, order, self.options(tree, size))?.seal();
        let (mut layout, mut contents) = seal(&order)?;
        if let Some(previous) = self.previous.as_ref().filter(|previous| previous.size == size) {
            let order = previous.order(&files, &build::data(&contents));
            (layout, contents) = seal(&order)?;
        }
        let mut metadata = Metadata::of(&layout)?;
        if self.lazy {
            metadata.leave_tables_to_the_kernel()?;
        }
        let used = metadata.used_bytes();
        Ok(Laid { volume: metadata.into_volume(contents)?, used })
    }

    fn options(&self, tree: &Tree, size: u64) -> mkext4::Options {
        let mut options = mkext4::Options::new(size, self.seed.uuid(&self.label), self.time);
        options.label = Some(self.label.clone());
        let journal = (self.journal.min(size / 4) / BLOCK).max(u64::from(MIN_JOURNAL));
        options.journal_blocks = u32::try_from(journal).ok();
        let paths = tree.iter().count() as u64;
        // Room for a few files more, or for as many as mke2fs would have given.
        let inodes = match self.size {
            Size::Fixed(size) => (size / BYTES_PER_INODE).max(paths + paths / 8 + 64),
            Size::Shrink { free } => paths + paths / 8 + 64 + free / BYTES_PER_INODE,
        };
        let before = self.previous.as_ref().map(|previous| u64::from(previous.inodes));
        let inodes = before.filter(|before| *before >= paths + 64).unwrap_or(inodes);
        options.inodes = mkext4::InodeCount::Exact(u32::try_from(inodes).unwrap_or(u32::MAX));
        options
    }

    /// The error of a tree that cannot be laid out in `size` bytes: is it the size, or the tree?
    fn explain(&self, tree: &Tree, size: u64, error: Error) -> Error {
        let shrunk = Self { size: Size::Shrink { free: 0 }, ..self.clone() };
        match shrunk.shrink(tree, 0) {
            Ok(volume) => wrong(format!(
                "the files of `{}` do not fit into {} MiB: they take {} MiB",
                self.label,
                size >> 20,
                volume.size().div_ceil(1 << 20)
            ))
            .hint("Give the file system more room, or leave packages out."),
            Err(_) => error,
        }
    }
}

struct Laid {
    volume: Volume,
    /// Bytes that are in use, metadata included.
    used: u64,
}

fn wrong(message: String) -> Error {
    Error::new(ErrorKind::Image, message)
}

/// mkext4's error about `what`.
fn refused(what: &str, error: &mkext4::Error) -> Error {
    wrong(format!("{what}: {error}"))
}

#[cfg(test)]
mod tests;
