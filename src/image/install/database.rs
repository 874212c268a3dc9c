//! What `apk` knows of an installed system: `lib/apk/db/{installed,scripts.tar.gz,triggers,lock}` and
//! `etc/apk/{arch,repositories,world}`, as apk-tools 3.0 writes them.
//!
//! Source: apk-tools 3.0, `src/database.c`, `apk_db_fdb_write`, `apk_db_scriptdb_write`, `apk_db_triggers_write`, and
//! `src/package.c`, `apk_pkg_write_index_header`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use sha1::{Digest as _, Sha1};

use crate::error::{Error, Result};
use crate::image::apk::{Checksum, Dependency, Package, ScriptKind};
use crate::image::tree::{Entry, Tree};

const DIRECTORY: &str = "lib/apk/db";

/// A package and where its paths went.
#[derive(Debug, Clone)]
pub struct Record {
    pub package: Package,
    /// The tag of the repository that it came from.
    pub tag: Option<String>,
    pub replaces: Vec<Dependency>,
    pub replaces_priority: u16,
    pub triggers: Vec<String>,
    pub scripts: BTreeMap<ScriptKind, Vec<u8>>,
    /// By path; the root is "".
    pub directories: BTreeMap<String, Directory>,
}

#[derive(Debug, Clone, Default)]
pub struct Directory {
    /// `None` for the root, which packages do not have.
    pub attributes: Option<Attributes>,
    /// By name.
    pub files: BTreeMap<String, Recorded>,
}

#[derive(Debug, Clone)]
pub struct Recorded {
    pub attributes: Attributes,
    /// Of the content, or of what a link says; none for the rest.
    pub sha1: Option<[u8; 20]>,
}

/// Owner, mode and extended attributes of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attributes {
    pub uid: u32,
    pub gid: u32,
    pub mode: u16,
    pub xattrs: Option<[u8; 20]>,
}

impl Attributes {
    pub fn of(entry: &Entry) -> Self {
        Self {
            uid: entry.uid,
            gid: entry.gid,
            mode: entry.mode,
            xattrs: hash_of_xattrs(&entry.xattrs),
        }
    }

    fn is(&self, mode: u16) -> bool {
        (self.uid, self.gid, self.mode) == (0, 0, mode) && self.xattrs.is_none()
    }

    fn line(&self, letter: char) -> String {
        let hash = self.xattrs.map(|hash| format!(":{}", Checksum(hash))).unwrap_or_default();
        format!("{letter}:{}:{}:{:o}{hash}\n", self.uid, self.gid, self.mode)
    }
}

/// Each name and value behind its length as four bytes, the largest first, in the names' order.
fn hash_of_xattrs(xattrs: &BTreeMap<String, Vec<u8>>) -> Option<[u8; 20]> {
    if xattrs.is_empty() {
        return None;
    }
    let mut hash = Sha1::new();
    for (name, value) in xattrs {
        for part in [name.as_bytes(), value] {
            // Linux allows 64 KiB.
            hash.update(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
            hash.update(part);
        }
    }
    Some(hash.finalize().into())
}

/// What a system was asked to be.
#[derive(Debug, Clone, Default)]
pub struct Wishes {
    pub arch: String,
    /// What the user wants, of which the rest follows.
    pub world: Vec<Dependency>,
    /// Lines of `etc/apk/repositories`.
    pub repositories: Vec<String>,
}

/// Whether the tree has a database already.
pub fn exists(tree: &Tree) -> bool {
    tree.get(&format!("{DIRECTORY}/installed")).is_some()
}

/// Writes the database anew.
///
/// # Errors
/// When a file is where a directory has to be.
pub fn write(tree: &mut Tree, records: &[Record], wishes: &Wishes, date: i64) -> Result<()> {
    let mut sorted: Vec<&Record> = records.iter().collect();
    sorted.sort_by(|a, b| a.package.name.cmp(&b.package.name));
    let mut put = |path: &str, bytes: Vec<u8>, mode| {
        tree.insert(&tree.resolve(path)?, Entry::file(bytes, mode).at(date))
    };
    let installed: String = sorted.iter().map(|record| record.text()).collect();
    let triggers: String = sorted.iter().filter_map(|record| record.trigger_line()).collect();
    let scripts = scripts(&sorted).map_err(|error| Error::io("scripts.tar.gz", &error))?;
    put(&format!("{DIRECTORY}/installed"), installed.into_bytes(), 0o644)?;
    put(&format!("{DIRECTORY}/triggers"), triggers.into_bytes(), 0o644)?;
    put(&format!("{DIRECTORY}/scripts.tar.gz"), scripts, 0o644)?;
    put(&format!("{DIRECTORY}/lock"), Vec::new(), 0o600)?;
    put("etc/apk/arch", format!("{}\n", wishes.arch).into_bytes(), 0o644)?;
    let mut world: Vec<&Dependency> = wishes.world.iter().collect();
    world.sort_by(|a, b| a.name.cmp(&b.name));
    put("etc/apk/world", lines(world).into_bytes(), 0o644)?;
    if !wishes.repositories.is_empty() {
        put("etc/apk/repositories", lines(&wishes.repositories).into_bytes(), 0o644)?;
    }
    Ok(())
}

fn lines<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string() + "\n").collect()
}

fn words<T: ToString>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

impl Record {
    /// Of a package that has put down nothing yet.
    pub fn new(package: &Package, tag: Option<&str>) -> Self {
        Self {
            package: package.clone(),
            tag: tag.map(str::to_owned),
            replaces: Vec::new(),
            replaces_priority: 0,
            triggers: Vec::new(),
            scripts: BTreeMap::new(),
            directories: BTreeMap::new(),
        }
    }

    /// The paragraph in `installed`, with the empty line behind it.
    fn text(&self) -> String {
        let package = &self.package;
        let mut text = String::new();
        let mut field = |letter: &str, value: String| {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{letter}:{value}");
        };
        let some = |value: &String| !value.is_empty();
        field("C", package.checksum.to_string());
        field("P", package.name.clone());
        field("V", package.version.to_string());
        for (letter, value) in [("A", &package.arch)].into_iter().filter(|(_, value)| some(value)) {
            field(letter, value.clone());
        }
        field("S", package.size.to_string());
        field("I", package.installed_size.to_string());
        field("T", package.description.clone());
        field("U", package.url.clone());
        field("L", package.license.clone());
        for (letter, value) in
            [("o", &package.origin), ("m", &package.maintainer)].into_iter().filter(|it| some(it.1))
        {
            field(letter, value.clone());
        }
        if package.build_time != 0 {
            field("t", package.build_time.to_string());
        }
        if some(&package.commit) {
            field("c", package.commit.clone());
        }
        if package.provider_priority != 0 {
            field("k", package.provider_priority.to_string());
        }
        let lists = [
            ("D", words(&package.depends)),
            ("p", words(&package.provides)),
            ("i", words(&package.install_if)),
            ("r", words(&self.replaces)),
        ];
        for (letter, list) in lists.into_iter().filter(|(_, list)| some(list)) {
            field(letter, list);
        }
        if self.replaces_priority != 0 {
            field("q", self.replaces_priority.to_string());
        }
        if let Some(tag) = &self.tag {
            field("s", tag.clone());
        }
        for (path, directory) in &self.directories {
            directory.add_text(path, &mut text);
        }
        text.push('\n');
        text
    }

    fn trigger_line(&self) -> Option<String> {
        let words = self.triggers.join(" ");
        (!words.is_empty()).then(|| format!("{} {words}\n", self.package.checksum))
    }
}

impl Directory {
    fn add_text(&self, path: &str, text: &mut String) {
        text.push_str(&format!("F:{path}\n"));
        if let Some(attributes) = self.attributes.as_ref().filter(|it| !it.is(0o755)) {
            text.push_str(&attributes.line('M'));
        }
        for (name, file) in &self.files {
            text.push_str(&format!("R:{name}\n"));
            if !file.attributes.is(0o644) {
                text.push_str(&file.attributes.line('a'));
            }
            if let Some(sha1) = file.sha1 {
                text.push_str(&format!("Z:{}\n", Checksum(sha1)));
            }
        }
    }
}

/// All scripts in a compressed tar, named by package and checksum.
fn scripts(records: &[&Record]) -> std::io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    for record in records {
        let package = &record.package;
        let hash: String = package.checksum.0.iter().map(|byte| format!("{byte:02x}")).collect();
        for (kind, text) in &record.scripts {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(tar::EntryType::Regular);
            header.set_mode(0o755);
            header.set_uid(0);
            header.set_gid(0);
            header.set_username("root")?;
            header.set_groupname("root")?;
            header.set_size(text.len() as u64);
            header.set_mtime(u64::try_from(package.build_time).unwrap_or(0));
            let name = format!("{}.X1{hash}.{}", package.full_name(), kind.name());
            archive.append_data(&mut header, name, &text[..])?;
        }
    }
    let mut compressed = archive.into_inner()?;
    compressed.flush()?;
    compressed.finish()
}
