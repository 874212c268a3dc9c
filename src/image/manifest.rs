//! The manifest beside an image: what it is and what its bytes must be. It is what gets signed; `docs/image-format.md`
//! describes it.
//!
//! Canonical text, a field a line in a fixed order, so that one manifest has one spelling.

mod text;

use std::collections::BTreeMap;
use std::path::Path;

use super::output;
use super::pack::{CHUNK, Chunk, Hash};
use super::sign::VerifyingKey;
use crate::error::{Error, ErrorKind, Result};

/// Bytes of a manifest at the most: the block hashes of a root of 10 GB.
const MAX: u64 = 8 << 20;

/// What is behind an image's name.
pub const SUFFIX: &str = ".manifest";
/// What is behind a manifest's name.
pub const SIGNATURE_SUFFIX: &str = ".minisig";

/// A manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    pub about: About,
    /// The packed image itself.
    pub file: FileEntry,
    pub content: Content,
    /// Hashes of the files on the boot partition, by path without a leading slash.
    pub boot: BTreeMap<String, Hash>,
}

/// What an image is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// What `/etc/pirun/image` in it says.
    pub id: String,
    /// Grows from image to image.
    pub version: u64,
    /// Nodes that ran this image take none with a lower version any more.
    pub floor: u64,
    /// As Alpine names it, such as `aarch64`.
    pub arch: String,
    /// Such as `3B+`.
    pub boards: Vec<String>,
    /// Seconds since 1970.
    pub created: i64,
    pub alpine: String,
    /// k3s' version, if it is in the image.
    pub k3s: Option<String>,
}

/// A file beside the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEntry {
    pub name: String,
    pub bytes: u64,
    pub sha256: Hash,
}

/// What an image unpacks to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A root file system.
    Update {
        bytes: u64,
        sha256: Hash,
        chunks: Vec<Chunk>,
        /// The boot partition, for nodes whose own differs.
        boot: FileEntry,
        /// The list of packages.
        packages: FileEntry,
    },
    /// A whole card.
    Card { bytes: u64, partitions: Vec<PartitionEntry> },
}

/// A partition of a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionEntry {
    pub start: u64,
    pub bytes: u64,
    /// Bytes of the file system at its beginning, and their hash.
    pub used: u64,
    pub sha256: Hash,
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// When it is not one, or not spelled as pirun does.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        text::parse(bytes)
    }

    /// The manifest's text.
    pub fn print(&self) -> String {
        text::print(self)
    }

    /// The comment that is signed with the manifest.
    pub fn comment(&self) -> String {
        let About { id, version, arch, .. } = &self.about;
        format!("pirun image {id} version {version} {arch} file {}", self.file.name)
    }

    /// Reads the manifest beside the image `image` and checks that it is signed by `key`, and that it is this image's.
    /// The image's own bytes are not looked at.
    ///
    /// # Errors
    /// When it is missing, not signed by this key, or another image's.
    pub fn open(image: &Path, key: &VerifyingKey) -> Result<Self> {
        let path = output::beside(image, SUFFIX);
        let bytes = read(&path, image)?;
        let signature_path = output::beside(&path, SIGNATURE_SUFFIX);
        let signature = String::from_utf8(read(&signature_path, image)?)
            .map_err(|_| wrong(format!("{} is not a signature", signature_path.display())))?;
        let comment = key.verify(&bytes, &signature)?;
        let manifest = Self::parse(&bytes)?;
        let name = image.file_name().and_then(|name| name.to_str());
        if name != Some(&manifest.file.name) {
            return Err(wrong(format!(
                "{} is the manifest of {}",
                path.display(),
                manifest.file.name
            ))
            .hint("Images keep the names that they were built under: they are signed as well."));
        }
        if comment != manifest.comment() {
            return Err(wrong("the signature's comment is not this image's".into()));
        }
        Ok(manifest)
    }
}

impl FileEntry {
    /// Whether a file has these bytes.
    pub fn fits(&self, bytes: u64, sha256: &Hash) -> bool {
        self.bytes == bytes && self.sha256 == *sha256
    }
}

/// Chunks and blocks that a root of `bytes` has, as the number of blocks in each chunk.
fn shape(bytes: u64) -> impl Iterator<Item = usize> {
    let chunks = bytes.div_ceil(CHUNK as u64);
    (0..chunks).map(move |index| {
        let len = (bytes - index * CHUNK as u64).min(CHUNK as u64) as usize;
        len.div_ceil(super::pack::BLOCK)
    })
}

fn read(path: &Path, image: &Path) -> Result<Vec<u8>> {
    let size = std::fs::metadata(path).map_err(|error| {
        Error::io(path, &error).hint(format!(
            "The files that `image.save` wrote beside {} belong to it: keep them together.",
            image.display()
        ))
    })?;
    if size.len() > MAX {
        return Err(wrong(format!("{} is too large for what it should be", path.display())));
    }
    std::fs::read(path).map_err(|error| Error::io(path, &error))
}

fn wrong(message: String) -> Error {
    Error::new(ErrorKind::Image, message)
}

#[cfg(test)]
mod tests;
