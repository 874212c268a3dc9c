//! The text that a fixture package is made from: `.PKGINFO`'s own fields, then sections that say what it holds.
//!
//! ```text
//! # Comments, in front of the fields only.
//! pkgname = rpcbind
//! pkgver = 1.2.8-r0
//! depend = so:libtirpc.so.3
//! %script pre-install
//! #!/bin/sh
//! exit 0
//! %file 0755 etc/init.d/rpcbind
//! #!/sbin/openrc-run
//! %program 60000 usr/sbin/rpcbind
//! %dir 0755 etc/rpcbind
//! %link /usr/sbin/rpcbind sbin/rpcbind
//! %copy dropbear/usr/sbin/dropbear usr/sbin/dropbear
//! ----
//! pkgname = the-next-one
//! ```
//!
//! `%program SIZE PATH` is a stand-in that can be run, but only says what it is, padded to about the size of the real
//! one; a `%daemon` stays when it is run, and a `%blob` is not run. `%copy` takes a file or a whole directory from the [materials](super::fixtures::Materials). A line `arch =
//! aarch64` limits a package to that architecture, `@ARCH@` stands for the architecture's name; `repository = community` puts it there.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use super::Arch;
use crate::apk::{Content, Entry, Info, Package};

/// Parses a file with any number of packages. Gives each with its repository.
pub fn parse(text: &str, arch: Arch, materials: &Path) -> Result<Vec<(String, Package)>> {
    let mut packages = Vec::new();
    for text in text.split("----\n") {
        let parsed = parse_one(text, arch, materials);
        packages.extend(parsed.with_context(|| format!("in the fixture {text:.60?}"))?);
    }
    Ok(packages)
}

/// `None` if the package is not for that architecture.
fn parse_one(text: &str, arch: Arch, materials: &Path) -> Result<Option<(String, Package)>> {
    let (head, rest) = match text.split_once("\n%") {
        Some((head, rest)) => (head, Some(rest)),
        None => (text, None),
    };
    let mut package = Package::default();
    package.info.built = super::MADE;
    arch.name().clone_into(&mut package.info.arch);
    let mut repository = "main".to_owned();
    for line in head.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (key, value) = line.split_once(" = ").with_context(|| format!("line {line:?}"))?;
        match key {
            "repository" => value.clone_into(&mut repository),
            "arch" if value == "noarch" => value.clone_into(&mut package.info.arch),
            "arch" if value != arch.name() => return Ok(None),
            "arch" => {}
            _ => field(&mut package.info, key, value)?,
        }
    }
    let info = &mut package.info;
    if info.origin.is_empty() {
        info.name.clone_into(&mut info.origin);
    }
    info.description =
        format!("{} (a fixture of pirun's lab, not the real package)", info.description);
    for (field, value) in
        [(&mut info.url, "none"), (&mut info.license, "MIT"), (&mut info.maintainer, "pirun's lab")]
    {
        value.clone_into(field);
    }
    for section in rest.into_iter().flat_map(|rest| rest.split("\n%")) {
        let (line, body) = section.split_once('\n').unwrap_or((section, ""));
        let words: Vec<&str> = line.split(' ').collect();
        // The split took the last line's end.
        let body = if body.is_empty() || body.ends_with('\n') {
            body.to_owned()
        } else {
            format!("{body}\n")
        };
        add(&mut package, &words, &body, materials).with_context(|| format!("section {line:?}"))?;
    }
    Ok(Some((repository, package)))
}

fn field(info: &mut Info, key: &str, value: &str) -> Result<()> {
    let mut words = value.split(' ').map(str::to_owned);
    match key {
        "pkgname" => value.clone_into(&mut info.name),
        "pkgver" => value.clone_into(&mut info.version),
        "pkgdesc" => value.clone_into(&mut info.description),
        "origin" => value.clone_into(&mut info.origin),
        // Several in a line are fine here.
        "depend" => info.depends.extend(words),
        "provides" => info.provides.extend(words),
        "replaces" => info.replaces.extend(words),
        "install_if" => info.install_if = words.collect(),
        "triggers" => info.triggers = words.collect(),
        "provider_priority" => info.provider_priority = words.next().and_then(|n| n.parse().ok()),
        _ => bail!("no field is called {key:?}"),
    }
    Ok(())
}

fn add(package: &mut Package, words: &[&str], body: &str, materials: &Path) -> Result<()> {
    match *words {
        ["script", name] => {
            package.scripts.insert(name.to_owned(), body.as_bytes().to_vec());
        }
        ["file", mode, path] => {
            let mode = u32::from_str_radix(mode, 8)?;
            package.add(path, Entry::of_root(Content::File(body.as_bytes().to_vec()), mode));
        }
        ["dir", mode, path] => {
            let mode = u32::from_str_radix(mode, 8)?;
            package.add(path, Entry::of_root(Content::Directory, mode));
        }
        ["link", target, path] => {
            package.add(path, Entry::of_root(Content::Link(target.to_owned()), 0o777));
        }
        ["program" | "daemon", size, path] => {
            let content = stand_in(words[0], &package.info.name, path, size.parse()?);
            package.add(path, Entry::of_root(Content::File(content), 0o755));
        }
        ["blob", size, path] => {
            let mut content = Vec::new();
            pad(&mut content, path, size.parse()?);
            package.add(path, Entry::of_root(Content::File(content), 0o644));
        }
        ["copy", from, path] => copy(package, &materials.join(from), path)?,
        _ => bail!("no section is called that"),
    }
    Ok(())
}

/// A script that says what it is or, for a daemon, stays; as large as the real program.
fn stand_in(kind: &str, package: &str, path: &str, size: usize) -> Vec<u8> {
    let does = match kind {
        "daemon" => "exec sleep 2147483647".to_owned(),
        _ => format!("echo \"/{path}: a stand-in of the lab's package {package}\" >&2\nexit 127"),
    };
    let mut content = format!("#!/bin/sh\n# A stand-in of the lab's.\n{does}\n").into_bytes();
    pad(&mut content, path, size);
    content
}

/// Fills up with bytes that compress about as well as programs do.
fn pad(content: &mut Vec<u8>, seed: &str, size: usize) {
    let mut block = Sha256::digest(seed).to_vec();
    while content.len() < size {
        block = Sha256::digest(&block).to_vec();
        content.extend(&block);
        content.extend([0; 32]);
    }
    content.truncate(size.max(256));
}

/// A file, or all that is in a directory.
fn copy(package: &mut Package, from: &Path, path: &str) -> Result<()> {
    let kind = fs::symlink_metadata(from).with_context(|| format!("read {}", from.display()))?;
    if kind.is_dir() {
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            let name = entry.file_name();
            let path = format!("{path}/{}", name.to_string_lossy());
            copy(package, &entry.path(), path.trim_start_matches('/'))?;
        }
        return Ok(());
    }
    if kind.is_symlink() {
        let target = fs::read_link(from)?.to_string_lossy().into_owned();
        package.add(path, Entry::of_root(Content::Link(target), 0o777));
        return Ok(());
    }
    let content =
        Content::File(fs::read(from).with_context(|| format!("read {}", from.display()))?);
    package.add(path, Entry::of_root(content, kind.permissions().mode() & 0o755));
    Ok(())
}
