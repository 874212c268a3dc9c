//! Packages made of what the fuzzer invents.

use std::io::{Read as _, Write as _};
use std::sync::Arc;

use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use pirun::image::Spool;
use pirun::image::apk::{Archive, Checksum, Index, Package};
use sha1::{Digest as _, Sha1};

/// Opens `bytes` as the package that an index would mean with them.
pub fn open(bytes: &[u8]) -> Option<(Archive, Arc<Spool>)> {
    let control = behind_member(bytes)?;
    let data = behind_member(control)?;
    let control = &control[..control.len() - data.len()];
    let checksum = Checksum(Sha1::digest(control).into());
    let entry = format!("C:{checksum}\nP:demo\nV:1\nS:{}\n", bytes.len());
    let package: Package = Index::parse(&entry).ok()?.first()?.as_ref().clone();
    let mut file = tempfile::NamedTempFile::new().ok()?;
    file.write_all(bytes).ok()?;
    let spool = Spool::create_in(&std::env::temp_dir()).ok()?;
    Some((Archive::open(file.path(), &package, &spool).ok()?, spool))
}

/// What follows the first gzip member.
fn behind_member(bytes: &[u8]) -> Option<&[u8]> {
    let mut rest = bytes;
    let mut decoded = Vec::new();
    GzDecoder::new(&mut rest).take(1 << 20).read_to_end(&mut decoded).ok()?;
    Some(rest)
}

#[allow(dead_code, reason = "each target uses its part of this")]
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}
