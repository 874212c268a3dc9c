//! Gzip members, one behind the other: the parts of packages and indexes are signed and hashed as they are compressed, so
//! it matters where each ends.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

/// The beginning of every gzip member.
const MAGIC: [u8; 2] = [0x1f, 0x8b];
/// The beginnings of Alpine's format 3. Source: apk-tools 3.0, `doc/apk-v3.5.scd`.
const FORMAT_3: [&[u8]; 3] = [b"ADB.", b"ADBd", b"ADBc"];

/// Why a text of bytes is not a chain of gzip members.
pub(super) fn why_not_gzip(bytes: &[u8]) -> Option<&'static str> {
    if FORMAT_3.iter().any(|magic| bytes.starts_with(magic)) {
        return Some("it is of Alpine's package format 3, and only format 2 can be read");
    }
    if bytes.starts_with(b"<") {
        return Some("it is a web page, so the mirror sent an error or a login page");
    }
    (!bytes.starts_with(&MAGIC)).then_some("it is not compressed with gzip")
}

/// Decompresses one member of at most `limit` bytes, and leaves `source` behind it.
///
/// # Errors
/// When the member is damaged, cut or larger.
pub(super) fn member(source: &mut impl BufRead, limit: u64) -> io::Result<Vec<u8>> {
    let mut decoded = Vec::new();
    let read = GzDecoder::new(source).take(limit + 1).read_to_end(&mut decoded)?;
    if read as u64 > limit {
        return Err(io::Error::other(format!("it is larger than {} MiB", limit >> 20)));
    }
    Ok(decoded)
}
