//! Trusted certificates: what `update-ca-certificates` makes of `/usr/share/ca-certificates` and
//! `/usr/local/share/ca-certificates`.
//!
//! Source: alpinelinux/ca-certificates, `update-ca.c`; for the links by the hash of the subject
//! (`/etc/ssl/certs/002c0b4f.0`), by which OpenSSL finds certificates in a directory, OpenSSL's `c_rehash`.

use std::collections::BTreeSet;

use super::subject_hash;
use crate::error::Result;
use crate::image::tree::{Content, Entry, Kind, Tree};

const CONFIG: &str = "etc/ca-certificates.conf";
const SHARED: &str = "usr/share/ca-certificates";
const LOCAL: &str = "usr/local/share/ca-certificates";
const CERTS: &str = "etc/ssl/certs";
const BUNDLE: &str = "etc/ssl/certs/ca-certificates.crt";

/// Makes the bundle and a link for each certificate anew.
///
/// # Errors
/// When the tree cannot be read.
pub fn update(tree: &mut Tree, now: i64) -> Result<()> {
    let paths = certificates(tree)?;
    let mut bundle = Vec::new();
    let mut links = BTreeSet::new();
    for path in &paths {
        if let Some(text) = tree.read(path)? {
            bundle.extend(text);
            bundle.push(b'\n');
        }
        let link = format!("{CERTS}/{}", link_name(path));
        tree.insert(&link, Entry::link(format!("/{path}")).at(now))?;
        links.insert(link);
    }
    let ours = [format!("/{SHARED}/"), format!("/{LOCAL}/")];
    let stale: Vec<String> = tree
        .below(CERTS)
        .filter(|(path, entry)| match &entry.kind {
            Kind::Link(target) => {
                !links.contains(*path) && ours.iter().any(|dir| target.starts_with(dir))
            }
            _ => false,
        })
        .map(|(path, _)| path.to_owned())
        .collect();
    for path in stale {
        tree.remove(&path);
    }
    // The package brings the very same bundle while nobody adds to it.
    if tree.read(BUNDLE)?.as_ref() != Some(&bundle) {
        let kind = Kind::File(Content::Bytes(bundle.into()));
        tree.insert(BUNDLE, Entry { kind, ..Entry::file(*b"", 0o644).at(now) })?;
    }
    Ok(())
}

/// Links each file of certificates in the directory by the hash of its certificate's subject, and takes such links of
/// certificates that are gone away. The hook `certhash` asks for it.
///
/// # Errors
/// When the tree cannot be read.
pub fn hash(tree: &mut Tree, now: i64) -> Result<()> {
    let names = |tree: &Tree, wanted: fn(&str) -> bool| -> Vec<String> {
        let names = tree.below(CERTS).map(|(path, _)| &path[CERTS.len() + 1..]);
        names.filter(|name| wanted(name)).map(str::to_owned).collect()
    };
    for name in names(tree, is_hash) {
        tree.remove(&format!("{CERTS}/{name}"));
    }
    for name in names(tree, |name| name.ends_with(".pem") || name.ends_with(".crt")) {
        let file = tree.resolve(&format!("{CERTS}/{name}"))?;
        let Some(hash) = subject_hash::of(&tree.read(&file)?.unwrap_or_default()) else { continue };
        // Different certificates may have one subject.
        let free = (0..).map(|number| format!("{CERTS}/{hash}.{number}"));
        if let Some(link) = free.into_iter().find(|link| tree.get(link).is_none()) {
            tree.insert(&link, Entry::link(name).at(now))?;
        }
    }
    Ok(())
}

fn is_hash(name: &str) -> bool {
    name.split_once('.').is_some_and(|(hash, number)| {
        hash.len() == 8
            && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
            && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// Paths of the certificates that are trusted: the ones that the configuration lists, then the local ones.
fn certificates(tree: &Tree) -> Result<Vec<String>> {
    let config = tree.read(CONFIG)?.unwrap_or_default();
    let config = String::from_utf8_lossy(&config);
    let listed = config.lines().filter(|line| !line.is_empty() && !line.starts_with(['#', '!']));
    let listed = listed.map(|name| format!("{SHARED}/{name}"));
    let local = tree.below(LOCAL).map(|(path, _)| path).filter(|path| {
        let name = &path[LOCAL.len() + 1..];
        !name.contains('/') && !name.starts_with('.')
    });
    let mut paths: Vec<String> = listed.chain(local.map(str::to_owned)).collect();
    paths.retain(|path| tree.content(path).is_some());
    Ok(paths)
}

fn link_name(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    let name = name.strip_suffix(".crt").unwrap_or(name);
    let name: String = name
        .chars()
        .map(|char| match char {
            ',' | ' ' => '_',
            '(' | ')' => '=',
            char => char,
        })
        .collect();
    format!("ca-cert-{name}.pem")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bundles_what_is_listed_and_what_is_local() {
        let mut tree = Tree::new();
        for (path, text) in [
            (CONFIG, "# made\nmozilla/A,(1).crt\n!mozilla/B.crt\nmozilla/gone.crt\n"),
            ("usr/share/ca-certificates/mozilla/A,(1).crt", "a\n"),
            ("usr/share/ca-certificates/mozilla/B.crt", "b\n"),
            ("usr/local/share/ca-certificates/own.crt", "own\n"),
        ] {
            tree.insert(path, Entry::file(text.as_bytes(), 0o644)).unwrap();
        }
        tree.insert("etc/ssl/certs/ca-cert-old.pem", Entry::link(format!("/{SHARED}/old.crt")))
            .unwrap();
        update(&mut tree, 7).unwrap();
        assert_eq!(tree.read(BUNDLE).unwrap().unwrap(), b"a\n\nown\n\n");
        let names: Vec<&str> =
            tree.below(CERTS).map(|(path, _)| &path[CERTS.len() + 1..]).collect();
        assert_eq!(names, ["ca-cert-A_=1=.pem", "ca-cert-own.pem", "ca-certificates.crt"]);
    }
}
