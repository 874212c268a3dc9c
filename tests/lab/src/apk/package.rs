//! One package: what it says, what it holds, and the file that it becomes.

use std::collections::BTreeMap;

use anyhow::Result;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::archive::{Archive, Meta};
use super::{Info, Signer};

#[derive(Clone, Debug, Default)]
pub struct Package {
    pub info: Info,
    /// By path, without a leading slash.
    pub entries: BTreeMap<String, Entry>,
    /// By their name, such as `pre-install` or `trigger`.
    pub scripts: BTreeMap<String, Vec<u8>>,
}

#[derive(Clone, Debug)]
pub struct Entry {
    pub content: Content,
    pub mode: u32,
    pub uid: u64,
    pub gid: u64,
    pub user: String,
    pub group: String,
}

#[derive(Clone, Debug)]
pub enum Content {
    Directory,
    File(Vec<u8>),
    Link(String),
}

impl Entry {
    /// An entry of root's.
    pub fn of_root(content: Content, mode: u32) -> Self {
        Self { content, mode, uid: 0, gid: 0, user: "root".into(), group: "root".into() }
    }
}

impl Package {
    /// Adds an entry, and the directories that lead to it where they are missing.
    pub fn add(&mut self, path: &str, entry: Entry) {
        for (at, _) in path.match_indices('/') {
            let parent = Entry::of_root(Content::Directory, 0o755);
            self.entries.entry(path[..at].to_owned()).or_insert(parent);
        }
        self.entries.insert(path.to_owned(), entry);
    }

    /// The package's file, and its paragraph in the index for that architecture.
    pub fn build(&self, arch: &str, signer: &Signer) -> Result<(Vec<u8>, String)> {
        let size = self.entries.values().map(|entry| match &entry.content {
            Content::File(bytes) => bytes.len() as u64,
            Content::Directory | Content::Link(_) => 0,
        });
        let size = size.sum();
        let data = self.data()?;
        let control = self.control(size, &hex(&Sha256::digest(&data)))?;
        let mut file = signer.signed(&control, self.info.built)?;
        file.extend(&data);
        let identity = format!("Q1{}", base64(&Sha1::digest(&control)));
        let entry = self.info.index_entry(arch, &identity, file.len() as u64, size);
        Ok((file, entry))
    }

    fn control(&self, size: u64, data_hash: &str) -> Result<Vec<u8>> {
        let mut archive = Archive::new();
        let info = self.info.pkginfo(size, data_hash);
        archive.file(".PKGINFO", Meta::of_root(0o644, self.info.built), info.as_bytes())?;
        for (name, script) in &self.scripts {
            archive.file(&format!(".{name}"), Meta::of_root(0o755, self.info.built), script)?;
        }
        archive.finish_cut()
    }

    /// The entries, files and links each behind their hash; a directory comes before what is in it.
    fn data(&self) -> Result<Vec<u8>> {
        let mut archive = Archive::new();
        for (path, entry) in &self.entries {
            let meta = Meta {
                mode: entry.mode,
                uid: entry.uid,
                gid: entry.gid,
                user: &entry.user,
                group: &entry.group,
                mtime: self.info.built,
            };
            match &entry.content {
                Content::Directory => archive.directory(path, meta)?,
                Content::File(bytes) => {
                    archive.attribute("APK-TOOLS.checksum.SHA1", &hex(&Sha1::digest(bytes)))?;
                    archive.file(path, meta, bytes)?;
                }
                Content::Link(target) => {
                    archive.attribute("APK-TOOLS.checksum.SHA1", &hex(&Sha1::digest(target)))?;
                    archive.link(path, meta, target)?;
                }
            }
        }
        archive.finish()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn base64(bytes: &[u8]) -> String {
    base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes)
}
