//! The packages that an installed Alpine was made of, from its files and its database. The same content, owners,
//! scripts and dependencies as the original packages; only the compressed bytes, and so the hashes over them, differ.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use sha1::{Digest, Sha1};

use super::installed::{self, Installed, Owned};
use super::restore::original;
use crate::apk::{Content, Entry, Package, base64};

/// All packages of the Alpine in `root`.
pub fn packages(root: &Path) -> Result<Vec<Package>> {
    let (users, groups) = (names(&root.join("etc/passwd"))?, names(&root.join("etc/group"))?);
    let owned = |owned: &Owned, content| {
        let name = |names: &HashMap<u64, String>, id| names.get(&id).cloned().unwrap_or_default();
        Entry {
            content,
            mode: owned.mode,
            uid: owned.uid,
            gid: owned.gid,
            user: name(&users, owned.uid),
            group: name(&groups, owned.gid),
        }
    };
    let package = |installed: Installed| {
        let mut package = Package { info: installed.info, ..Package::default() };
        for directory in installed.directories.iter().filter(|dir| !dir.path.is_empty()) {
            let entry = owned(directory, Content::Directory);
            package.entries.insert(directory.path.clone(), entry);
        }
        for file in &installed.files {
            let content =
                content(root, file).with_context(|| format!("rebuild {}", package.info.name))?;
            package.entries.insert(file.path.clone(), owned(file, content));
        }
        package.scripts = installed.scripts.into_iter().collect();
        Ok(package)
    };
    installed::read(root)?.into_iter().map(package).collect()
}

/// What the package had at that path, checked against the database's hash.
fn content(root: &Path, file: &Owned) -> Result<Content> {
    let found = found(root, &file.path)?;
    let wanted = file.hash.as_deref();
    if wanted.is_none_or(|wanted| wanted == hash(&found)) {
        return Ok(found);
    }
    match original(root, &file.path)? {
        Some(restored) if wanted == Some(&*hash(&restored)) => Ok(restored),
        Some(_) => bail!("{} could not be brought back to the package's", file.path),
        None => bail!("{} was edited, and the lab does not know how", file.path),
    }
}

fn found(root: &Path, path: &str) -> Result<Content> {
    let place = root.join(path);
    let kind = fs::symlink_metadata(&place).with_context(|| format!("{path} is missing"))?;
    if kind.is_symlink() {
        let target = fs::read_link(&place)?;
        return Ok(Content::Link(
            target.to_str().context("a link with a strange name")?.to_owned(),
        ));
    }
    Ok(Content::File(fs::read(&place).with_context(|| format!("read {path}"))?))
}

/// As apk's database has it: of a link, that of its target.
fn hash(content: &Content) -> String {
    let digest = match content {
        Content::File(bytes) => Sha1::digest(bytes),
        Content::Link(target) => Sha1::digest(target),
        Content::Directory => Sha1::digest([]),
    };
    format!("Q1{}", base64(&digest))
}

/// From `/etc/passwd` or `/etc/group`, by number.
fn names(path: &Path) -> Result<HashMap<u64, String>> {
    let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    let name = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        Some((fields.nth(1)?.parse().ok()?, name))
    };
    Ok(text.lines().filter_map(name).collect())
}
