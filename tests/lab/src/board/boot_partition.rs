//! A card's boot partition in the hands of somebody with a card reader: FAT32, the first partition.

use std::fs::File;
use std::io::{Cursor, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::mbr::{self, Partition};

/// The partition as it was when it was opened; writing goes to the card at once.
pub struct BootPartition {
    card: PathBuf,
    place: Partition,
    /// FAT on a file would be read byte by byte.
    bytes: Vec<u8>,
}

impl BootPartition {
    /// The board must be off, or the card is to be read only.
    pub fn open(card: &Path) -> Result<Self> {
        let file = File::open(card).with_context(|| format!("open {}", card.display()))?;
        let mut record = [0; 512];
        file.read_exact_at(&mut record, 0).context("read the card's partition table")?;
        let place = mbr::partition(&record, 0).context("the card has no partition table")?;
        let mut bytes = vec![0; usize::try_from(place.length)?];
        file.read_exact_at(&mut bytes, place.start).context("read the card's boot partition")?;
        Ok(Self { card: card.to_owned(), place, bytes })
    }

    pub fn read(&mut self, name: &str) -> Result<Vec<u8>> {
        let files = self.files()?;
        let file = files.root_dir().open_file(name);
        let mut content = Vec::new();
        file.with_context(|| format!("open {name} on the card's boot partition"))?
            .read_to_end(&mut content)?;
        Ok(content)
    }

    /// Makes or replaces a file.
    pub fn write(&mut self, name: &str, content: &[u8]) -> Result<()> {
        let files = self.files()?;
        let mut file = files.root_dir().create_file(name)?;
        file.truncate()?;
        file.write_all(content)?;
        drop(file);
        files.unmount()?;
        self.save()
    }

    pub fn remove(&mut self, name: &str) -> Result<()> {
        let files = self.files()?;
        files.root_dir().remove(name)?;
        files.unmount()?;
        self.save()
    }

    fn files(&mut self) -> Result<fatfs::FileSystem<Cursor<&mut [u8]>>> {
        let bytes = Cursor::new(&mut self.bytes[..]);
        fatfs::FileSystem::new(bytes, fatfs::FsOptions::new())
            .context("the card's first partition holds no FAT")
    }

    fn save(&self) -> Result<()> {
        let card = File::options().write(true).open(&self.card)?;
        card.write_all_at(&self.bytes, self.place.start).context("write the card")
    }
}
