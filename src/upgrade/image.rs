//! The update image that nodes are upgraded to: opened once for all of them, and checked before anything is sent.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::wrong;
use crate::error::{Error, ErrorKind, Result};
use crate::image::manifest::{About, Content, FileEntry, Manifest};
use crate::image::pack::{Chunk, Hash, PackedImage, hex};
use crate::image::sign::VerifyingKey;
use crate::image::volume::ReadAt as _;
use crate::image::{fat32, sbom};
use crate::state::hash_file;

/// The ending of an image of a whole card: the other form of what is wanted here.
const CARD: &str = "sdcard.img";

/// An update image whose manifest is signed and whose bytes are the manifest's.
pub struct UpdateImage {
    pub path: PathBuf,
    pub about: About,
    /// Bytes of the root file system.
    pub bytes: u64,
    /// Its hash.
    pub sha256: Hash,
    /// The hashes of its chunks of 4 MiB and their blocks of 64 KiB.
    pub chunks: Vec<Chunk>,
    /// The version of each package in it.
    pub packages: BTreeMap<String, String>,
    /// Hashes of the boot partition's files, by path without a leading slash.
    pub boot: BTreeMap<String, Hash>,
    pub(super) packed: PackedImage,
    boot_entry: FileEntry,
    boot_files: OnceLock<BTreeMap<String, Vec<u8>>>,
}

impl UpdateImage {
    /// Opens the image, which one of `trusted` must have signed, and compares all files of it with the manifest. The
    /// packed image is read once here, whatever number of nodes it goes to.
    ///
    /// # Errors
    /// When it is an image of a whole card, is not signed by one of the keys, or is not what the manifest says.
    pub fn open(path: &Path, trusted: &[VerifyingKey]) -> Result<Self> {
        if !path.exists() {
            return Err(missing(path));
        }
        let Manifest { about, file, content, boot } = open_manifest(path, trusted)?;
        let Content::Update { bytes, sha256, chunks, boot: boot_entry, packages } = content else {
            return Err(wrong(format!("{} is the image of a whole card", path.display())).hint(
                "An upgrade takes the update image that was built with it: sdcard_update.img.gz.",
            ));
        };
        let packages = read_packages(&beside(path, &packages), &packages)?;
        compare(path, &file)?;
        let packed = PackedImage::open(path)?;
        if packed.size() != bytes {
            return Err(damaged(path));
        }
        let path = path.to_owned();
        let boot_files = OnceLock::new();
        Ok(Self {
            path,
            about,
            bytes,
            sha256,
            chunks,
            packages,
            boot,
            packed,
            boot_entry,
            boot_files,
        })
    }

    /// The boot partition's files, by path without a leading slash. Unpacked when the first node needs them.
    ///
    /// # Errors
    /// When the packed boot partition is missing, or not what the manifest says.
    pub(super) fn boot_files(&self) -> Result<&BTreeMap<String, Vec<u8>>> {
        if let Some(files) = self.boot_files.get() {
            return Ok(files);
        }
        let path = beside(&self.path, &self.boot_entry);
        compare(&path, &self.boot_entry)?;
        let tree = fat32::read(&PackedImage::open(&path)?)?;
        let mut files = BTreeMap::new();
        for name in self.boot.keys() {
            files.insert(name.clone(), fat32::file(&tree, name)?.bytes()?);
        }
        Ok(self.boot_files.get_or_init(|| files))
    }
}

/// The manifest, by whichever key has signed it.
fn open_manifest(path: &Path, trusted: &[VerifyingKey]) -> Result<Manifest> {
    let mut refusal = wrong("no key is named that may sign images")
        .hint("`trust` takes the public keys whose images nodes may run.");
    for key in trusted {
        match Manifest::open(path, key) {
            Ok(manifest) => return Ok(manifest),
            Err(error) => refusal = error,
        }
    }
    Err(refusal)
}

fn read_packages(path: &Path, entry: &FileEntry) -> Result<BTreeMap<String, String>> {
    compare(path, entry)?;
    sbom::versions(&std::fs::read_to_string(path).map_err(|error| Error::io(path, &error))?)
}

fn beside(image: &Path, entry: &FileEntry) -> PathBuf {
    image.with_file_name(&entry.name)
}

/// Refuses a file that is not what the manifest says.
fn compare(path: &Path, entry: &FileEntry) -> Result<()> {
    let (hash, bytes) = hash_file(path)?;
    if bytes < entry.bytes {
        return Err(damaged(path)
            .detail(format!("it has {bytes} bytes; its manifest says {}", entry.bytes)));
    }
    if hash != hex(&entry.sha256) || bytes != entry.bytes { Err(damaged(path)) } else { Ok(()) }
}

fn damaged(path: &Path) -> Error {
    Error::new(ErrorKind::Image, format!("{} is not what its manifest says", path.display()))
        .hint("It was changed, or copied only in part. Copy all files of the image again, or build it again.")
}

fn missing(path: &Path) -> Error {
    let error =
        Error::new(ErrorKind::Image, format!("there is no update image {}", path.display()));
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if name.starts_with(CARD) {
        return error
            .hint("An upgrade takes sdcard_update.img.gz, which `pirun build_image.rhai` makes.");
    }
    error.hint("`pirun build_image.rhai` makes one.")
}
