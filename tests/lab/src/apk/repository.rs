//! A directory of packages with a signed index.

use std::path::Path;

use anyhow::Result;

use super::archive::{Archive, Meta};
use super::{Package, Signer};
use crate::tree;

/// Writes the packages for an architecture and their index to the repository in `dir`. `made`: the index's time in
/// seconds since 1970.
pub fn write_repository(
    dir: &Path,
    arch: &str,
    packages: &[Package],
    description: &str,
    made: u64,
    signer: &Signer,
) -> Result<()> {
    let dir = dir.join(arch);
    let mut index = String::new();
    for package in packages {
        let (bytes, entry) = package.build(arch, signer)?;
        let Package { info, .. } = package;
        tree::write(&dir.join(format!("{}-{}.apk", info.name, info.version)), bytes, 0o644)?;
        index.push_str(&entry);
    }
    let mut archive = Archive::new();
    let meta = Meta::of_root(0o644, made);
    archive.file("DESCRIPTION", meta, format!("{description}\n").as_bytes())?;
    archive.file("APKINDEX", meta, index.as_bytes())?;
    tree::write(&dir.join("APKINDEX.tar.gz"), signer.signed(&archive.finish()?, made)?, 0o644)
}
