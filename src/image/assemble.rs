//! From trees to the files that a build is for: the card image, the update image, and what lies beside them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};

use super::apk::Package;
use super::ext4::{Ext4, Placement};
use super::fat32::Fat32;
use super::layout::{self, ALIGN, Sizes};
use super::manifest::{
    About, Content, FileEntry, Manifest, PartitionEntry, SIGNATURE_SUFFIX, SUFFIX,
};
use super::mbr::{Mbr, Partition};
use super::pack::{Archive, Codec, Hash, Packed, PackedImage, Saved, pack};
use super::sign::SigningKey;
use super::volume::{Holds, ReadAt, Volume};
use super::{Seed, Tree, output, sbom};
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::state::hash_file;

/// Zeros at the end of a partition: old file systems and RAIDs are known by what is there.
const END: u64 = 1 << 20;

/// What an image is made from besides its trees.
pub struct Options {
    pub about: About,
    pub sizes: Sizes,
    pub seed: Seed,
    /// All that are installed, for the list of packages.
    pub packages: Vec<Arc<Package>>,
    /// Without one, the manifests are not signed, and no node takes the update image.
    pub key: Option<SigningKey>,
    /// Where an older image has its files: they stay there as far as they can, so that upgrades send less.
    pub previous: Option<Placement>,
    pub cancel: Cancel,
}

/// An image, laid out and not yet written.
pub struct Image {
    options: Options,
    mbr: Mbr,
    volumes: [Volume; 3],
    boot_hashes: BTreeMap<String, Hash>,
    /// Volumes that were packed, each once whatever it is needed for.
    packed: Mutex<BTreeMap<(usize, bool), Arc<Packed>>>,
}

/// Places in [`Image::volumes`].
const BOOT: usize = 0;
const ROOT: usize = 1;
const DATA: usize = 2;

impl Image {
    /// Lays out the root, the boot partition and the data partition.
    ///
    /// # Errors
    /// When one of them does not fit, or has what its file system cannot hold.
    pub fn new(root: &Tree, boot: &Tree, data: &Tree, options: Options) -> Result<Self> {
        let Options { about, sizes, seed, .. } = &options;
        let time = about.created;
        let fat = Fat32 { size: sizes.boot, label: "BOOT".into(), volume_id: seed.id("boot") };
        // Both slots have the same bytes, label and UUID included: nodes mount them by number.
        let ext4 = Ext4::root(sizes.root, "root", seed, time);
        let root = Ext4 { previous: options.previous.clone(), ..ext4 }.volume(root)?;
        let data = Ext4::data(sizes.data, seed, time).volume(data)?;
        let partition = sizes.root_partition.max(root.size());
        let mbr = layout::table(sizes.boot, partition, sizes.data, seed.id("disk"))?;
        let boot_hashes = hashes(boot)?;
        let volumes = [fat.volume(boot)?, root, data];
        Ok(Self { options, mbr, volumes, boot_hashes, packed: Mutex::default() })
    }

    /// Writes the card image to `path` (`….img.gz` or `….img.zst`), its hash, manifest and signature beside it.
    ///
    /// # Errors
    /// When the disk is full, or the run was cancelled; then there is no file of that name that is not whole.
    pub fn save(&self, path: &Path) -> Result<Saved> {
        forget(path)?;
        let codec = Codec::of(path)?;
        let mut archive = Archive::create(path, &self.options.cancel)?;
        archive.bytes(&self.mbr.encode())?;
        archive.zeros(ALIGN - self.mbr.encode().len() as u64, false)?;
        let mut partitions = Vec::new();
        for (partition, volume) in self.parts() {
            let packed = self.packed(volume, codec, path)?;
            archive.volume(&packed)?;
            let rest = partition.bytes() - packed.raw;
            archive.zeros(rest.saturating_sub(END), true)?;
            archive.zeros(rest.min(END), false)?;
            partitions.push(PartitionEntry {
                start: partition.offset(),
                bytes: partition.bytes(),
                used: packed.raw,
                sha256: packed.sha256,
            });
        }
        let saved = archive.finish()?;
        let bytes = partitions.last().map_or(0, |last| last.start + last.bytes);
        self.describe(path, &saved, Content::Card { bytes, partitions })?;
        Ok(saved)
    }

    /// The bytes of the whole card, as [`Image::save`] writes them.
    pub fn card(&self) -> Volume {
        let mut card = Volume::of_bytes(self.mbr.encode().to_vec());
        card.push(ALIGN - card.size(), Holds::Zeros);
        for (partition, volume) in self.parts() {
            let volume = &self.volumes[volume];
            card.push_volume(volume);
            let rest = partition.bytes() - volume.size();
            card.push(rest.saturating_sub(END), Holds::Free);
            card.push(rest.min(END), Holds::Zeros);
        }
        card
    }

    /// Writes the update image to `path`: the root file system; beside it its hash, the boot partition, the list of
    /// packages, manifest and signature.
    ///
    /// # Errors
    /// Those of [`Image::save`].
    pub fn save_update(&self, path: &Path) -> Result<Saved> {
        forget(path)?;
        let boot_path = boot_image(path)?;
        let boot = self.save_volume(BOOT, &boot_path)?;
        let packages_path = output::beside(path, ".spdx.json");
        let packages = self.packages();
        output::write(&packages_path, packages.as_bytes())?;
        let saved = self.save_volume(ROOT, path)?;
        let root = self.packed(ROOT, Codec::of(path)?, path)?;
        let content = Content::Update {
            bytes: root.raw,
            sha256: root.sha256,
            chunks: root.chunks.clone(),
            boot: entry(&boot_path, &boot)?,
            packages: FileEntry {
                name: file_name(&packages_path)?,
                bytes: packages.len() as u64,
                sha256: Sha256::digest(&packages).into(),
            },
        };
        self.describe(path, &saved, content)?;
        Ok(saved)
    }

    /// Whether `path` and what lies beside it are this image as a card already, byte for byte.
    ///
    /// # Errors
    /// When a file is there and cannot be read.
    pub fn is_saved(&self, path: &Path) -> Result<bool> {
        self.is_described(path, |content| {
            let Content::Card { partitions, .. } = content else { return Ok(false) };
            let wanted = self.parts().map(|(partition, volume)| {
                (partition.offset(), partition.bytes(), self.volumes[volume].size())
            });
            Ok(partitions.iter().map(|found| (found.start, found.bytes, found.used)).eq(wanted))
        })
    }

    /// Whether `path` and what lies beside it are this image's update already, byte for byte.
    ///
    /// # Errors
    /// When a file is there and cannot be read.
    pub fn is_update_saved(&self, path: &Path) -> Result<bool> {
        self.is_described(path, |content| {
            let Content::Update { bytes, boot, packages, .. } = content else { return Ok(false) };
            Ok(*bytes == self.volumes[ROOT].size()
                && is_there(path, boot)?
                && is_there(path, packages)?)
        })
    }

    /// Whether the manifest beside `path` is of this image, signed as this one would be, and true. The id in it follows
    /// from all content, so that only what is not content has to be compared.
    fn is_described(
        &self,
        path: &Path,
        same: impl FnOnce(&Content) -> Result<bool>,
    ) -> Result<bool> {
        let manifest_path = output::beside(path, SUFFIX);
        let Ok(bytes) = std::fs::read(&manifest_path) else { return Ok(false) };
        if let Some(key) = &self.options.key {
            let signature =
                std::fs::read_to_string(output::beside(&manifest_path, SIGNATURE_SUFFIX));
            let signed = signature.is_ok_and(|signature| {
                key.verifying().and_then(|key| key.verify(&bytes, &signature)).is_ok()
            });
            if !signed {
                return Ok(false);
            }
        }
        let Ok(Manifest { about, file, content, boot }) = Manifest::parse(&bytes) else {
            return Ok(false);
        };
        Ok(about == self.options.about
            && boot == self.boot_hashes
            && same(&content)?
            && is_there(path, &file)?)
    }

    /// The partitions and what is in them.
    fn parts(&self) -> impl Iterator<Item = (Partition, usize)> {
        self.mbr.partitions.iter().flatten().copied().zip([BOOT, ROOT, ROOT, DATA])
    }

    fn save_volume(&self, volume: usize, path: &Path) -> Result<Saved> {
        let mut archive = Archive::create(path, &self.options.cancel)?;
        archive.volume(&*self.packed(volume, Codec::of(path)?, path)?)?;
        archive.finish()
    }

    fn packed(&self, volume: usize, codec: Codec, path: &Path) -> Result<Arc<Packed>> {
        let mut all = self.packed.lock().unwrap_or_else(PoisonError::into_inner);
        let name = (volume, codec == Codec::Gzip);
        if let Some(packed) = all.get(&name) {
            return Ok(Arc::clone(packed));
        }
        let dir = output::directory(path);
        let packed = Arc::new(pack(&self.volumes[volume], codec, dir, &self.options.cancel)?);
        all.insert(name, Arc::clone(&packed));
        Ok(packed)
    }

    fn packages(&self) -> String {
        let About { id, arch, alpine, created, .. } = &self.options.about;
        let subject = sbom::Subject { id, arch, alpine, created: *created };
        sbom::write(&subject, self.options.packages.iter().map(|package| &**package))
    }

    /// Writes the manifest and its signature.
    fn describe(&self, path: &Path, saved: &Saved, content: Content) -> Result<()> {
        let manifest = Manifest {
            about: self.options.about.clone(),
            file: entry(path, saved)?,
            content,
            boot: self.boot_hashes.clone(),
        };
        let text = manifest.print();
        // What nobody could read must not be written.
        Manifest::parse(text.as_bytes())?;
        let manifest_path = output::beside(path, SUFFIX);
        if let Some(key) = &self.options.key {
            let signature = key.sign(text.as_bytes(), &manifest.comment())?;
            let signature_path = output::beside(&manifest_path, SIGNATURE_SUFFIX);
            output::write(&signature_path, signature.as_bytes())?;
        }
        output::write(&manifest_path, text.as_bytes())
    }
}

/// Where the files are in the update image of an older build, for [`Options::previous`].
///
/// # Errors
/// When there is no such image, or it is not one that pirun packed.
pub fn previous(update: &Path) -> Result<Placement> {
    Placement::of(&PackedImage::open(update)?)
}

/// Removes what an older build said of the file, so that nothing ever says what is not so.
fn forget(path: &Path) -> Result<()> {
    let manifest = output::beside(path, SUFFIX);
    output::remove(&output::beside(&manifest, SIGNATURE_SUFFIX))?;
    output::remove(&manifest)
}

/// `x.boot.img.gz` for `x.img.gz`.
fn boot_image(path: &Path) -> Result<PathBuf> {
    let name = file_name(path)?;
    let (stem, end) = name.split_at(name.rfind(".img.").unwrap_or(name.len()));
    Codec::of(path)?;
    Ok(path.with_file_name(format!("{stem}.boot{end}")))
}

fn entry(path: &Path, saved: &Saved) -> Result<FileEntry> {
    Ok(FileEntry { name: file_name(path)?, bytes: saved.bytes, sha256: saved.sha256 })
}

/// Whether the file that an entry names lies beside `path` and has the bytes that the entry says.
fn is_there(path: &Path, entry: &FileEntry) -> Result<bool> {
    let file = path.with_file_name(&entry.name);
    if std::fs::metadata(&file).map_or(0, |found| found.len()) != entry.bytes {
        return Ok(false);
    }
    let (sha256, _) = hash_file(&file)?;
    Ok(sha256 == entry.sha256.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

fn file_name(path: &Path) -> Result<String> {
    path.file_name().and_then(|name| name.to_str()).map(str::to_owned).ok_or_else(|| {
        Error::file(format!("{} cannot be the name of an image", path.display()))
            .hint("Write something like output/sdcard.img.gz.")
    })
}

fn hashes(boot: &Tree) -> Result<BTreeMap<String, Hash>> {
    let files = boot.iter().filter_map(|(path, _)| Some((path, boot.content(path)?)));
    files
        .map(|(path, content)| Ok((path.to_owned(), Sha256::digest(content.bytes()?).into())))
        .collect()
}

#[cfg(test)]
mod tests;
