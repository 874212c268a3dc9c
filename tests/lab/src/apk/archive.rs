//! Tar archives as apk wants them, and their compression.

use anyhow::{Context, Result, ensure};
use libdeflater::{CompressionLvl, Compressor};

/// Whose an entry is, and when it was changed.
#[derive(Clone, Copy)]
pub struct Meta<'a> {
    pub mode: u32,
    pub uid: u64,
    pub gid: u64,
    pub user: &'a str,
    pub group: &'a str,
    /// Seconds since 1970.
    pub mtime: u64,
}

impl Meta<'_> {
    pub fn of_root(mode: u32, mtime: u64) -> Self {
        Self { mode, uid: 0, gid: 0, user: "root", group: "root", mtime }
    }
}

/// An archive in memory.
pub struct Archive(tar::Builder<Vec<u8>>);

impl Archive {
    pub fn new() -> Self {
        Self(tar::Builder::new(Vec::new()))
    }

    pub fn file(&mut self, path: &str, meta: Meta<'_>, content: &[u8]) -> Result<()> {
        let mut header = header(meta, tar::EntryType::Regular, content.len() as u64);
        self.0.append_data(&mut header, path, content).with_context(|| format!("add {path}"))
    }

    pub fn directory(&mut self, path: &str, meta: Meta<'_>) -> Result<()> {
        let mut header = header(meta, tar::EntryType::Directory, 0);
        self.0
            .append_data(&mut header, path, std::io::empty())
            .with_context(|| format!("add {path}"))
    }

    pub fn link(&mut self, path: &str, meta: Meta<'_>, target: &str) -> Result<()> {
        let mut header = header(meta, tar::EntryType::Symlink, 0);
        self.0.append_link(&mut header, path, target).with_context(|| format!("add {path}"))
    }

    /// Says more about the entry that follows. The library would write this without a name, which ends an archive for
    /// apk.
    pub fn attribute(&mut self, key: &str, value: &str) -> Result<()> {
        let rest = format!(" {key}={value}\n");
        // A record begins with its own length, the digits included.
        let length = (1..=4).map(|digits| digits + rest.len());
        let length = length.zip(1..).find(|(length, digits)| length.to_string().len() == *digits);
        let (length, _) = length.context("an attribute is too long")?;
        let record = format!("{length}{rest}");
        let mut header =
            header(Meta::of_root(0o644, 0), tar::EntryType::XHeader, record.len() as u64);
        Ok(self.0.append_data(&mut header, "PaxHeaders/file", record.as_bytes())?)
    }

    /// The whole archive, compressed.
    pub fn finish(self) -> Result<Vec<u8>> {
        compress(&self.0.into_inner()?)
    }

    /// Without the blocks that end an archive, compressed: what follows in the file belongs to the same archive.
    pub fn finish_cut(self) -> Result<Vec<u8>> {
        let mut archive = self.0.into_inner()?;
        archive.truncate(archive.len() - 1024);
        compress(&archive)
    }
}

fn header(meta: Meta<'_>, kind: tar::EntryType, size: u64) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    // The library leaves this zero, which apk does not take for a file.
    header.set_entry_type(kind);
    header.set_mode(meta.mode);
    header.set_size(size);
    header.set_mtime(meta.mtime);
    header.set_uid(meta.uid);
    header.set_gid(meta.gid);
    // Names that do not fit are left out: the numbers count then.
    let _ = header.set_username(meta.user).and_then(|()| header.set_groupname(meta.group));
    header
}

/// One gzip member without name and time.
fn compress(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut compressor = Compressor::new(CompressionLvl::default());
    let mut compressed = vec![0; compressor.gzip_compress_bound(bytes.len())];
    let length = compressor.gzip_compress(bytes, &mut compressed)?;
    ensure!(length > 0, "nothing came out of the compressor");
    compressed.truncate(length);
    Ok(compressed)
}
