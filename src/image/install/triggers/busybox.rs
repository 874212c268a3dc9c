//! Links to busybox' applets, where no package has a program of its own.

use crate::error::{Error, ErrorKind, Result};
use crate::image::tree::{Entry, Kind, Tree};

/// Packages of busybox list here which links they would make, a path a line.
const LISTS: &str = "etc/busybox-paths.d";
const SUID: &str = "bin/bbsuid";
const BIN: [&str; 4] = ["bin", "sbin", "usr/bin", "usr/sbin"];

/// As `busybox --install -s` does: what is there stays.
///
/// # Errors
/// When the program has no list.
pub fn install(tree: &mut Tree, program: &str, now: i64) -> Result<()> {
    let list = format!("{LISTS}/{program}");
    let Some(text) = tree.read(&list)? else {
        return Err(Error::new(
            ErrorKind::Image,
            format!("the links of {program} are not known: there is no /{list}"),
        ));
    };
    let target = format!("/bin/{program}");
    for path in String::from_utf8_lossy(&text).lines() {
        put(tree, path, &target, now, false)?;
    }
    Ok(())
}

/// As `bbsuid --install` does: links take the place of links, not of files. Which ones is in the program.
///
/// # Errors
/// When the program names no path.
pub fn install_suid(tree: &mut Tree, now: i64) -> Result<()> {
    let program = tree.read(SUID)?.unwrap_or_default();
    let paths = applets(&program);
    if paths.is_empty() {
        return Err(Error::new(
            ErrorKind::Image,
            format!("the links of /{SUID} are not known: it names no path"),
        ));
    }
    for path in paths {
        put(tree, &path, &format!("/{SUID}"), now, true)?;
    }
    Ok(())
}

fn put(tree: &mut Tree, path: &str, target: &str, now: i64, over_links: bool) -> Result<()> {
    let Some((dir, name)) = path.trim_start_matches('/').rsplit_once('/') else { return Ok(()) };
    let dir = tree.resolve(dir)?;
    let path = format!("{dir}/{name}");
    let free = match tree.get(&path).map(|entry| &entry.kind) {
        None => true,
        Some(Kind::Link(_)) => over_links,
        Some(_) => false,
    };
    if free && tree.get(&dir).is_some_and(|entry| entry.kind == Kind::Directory) {
        tree.insert(&path, Entry::link(target).at(now))?;
    }
    Ok(())
}

/// The texts of a program that are paths of commands.
fn applets(program: &[u8]) -> Vec<String> {
    let texts = program.split(|byte| matches!(*byte, 0 | b'\n'));
    let texts = texts.filter_map(|text| str::from_utf8(text).ok());
    let mut paths: Vec<String> = texts
        .filter_map(|text| text.strip_prefix('/'))
        .filter(|path| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-+[".contains(&byte);
            path.rsplit_once('/').is_some_and(|(dir, name)| {
                BIN.contains(&dir) && !name.is_empty() && name.bytes().all(plain)
            })
        })
        .filter(|path| !path.ends_with("/busybox") && *path != SUID)
        .map(str::to_owned)
        .collect();
    paths.sort();
    paths.dedup();
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(tree: &Tree, path: &str) -> Option<String> {
        match tree.get(path).map(|entry| &entry.kind) {
            Some(Kind::Link(target)) => Some(target.clone()),
            _ => None,
        }
    }

    #[test]
    fn links_are_made_where_nothing_is() {
        let mut tree = Tree::new();
        let list = "bin/ls\nsbin/modprobe\nusr/bin/[\nopt/x\n";
        tree.insert(&format!("{LISTS}/busybox"), Entry::file(list.as_bytes(), 0o644)).unwrap();
        tree.insert("sbin/modprobe", Entry::file(*b"kmod", 0o755)).unwrap();
        tree.insert("bin", Entry::link("usr/bin")).unwrap();
        tree.insert("usr/bin", Entry::directory(0o755)).unwrap();
        install(&mut tree, "busybox", 7).unwrap();
        assert_eq!(link(&tree, "usr/bin/ls").as_deref(), Some("/bin/busybox"));
        assert_eq!(link(&tree, "usr/bin/[").as_deref(), Some("/bin/busybox"));
        assert_eq!(link(&tree, "sbin/modprobe"), None);
        assert!(tree.get("opt/x").is_none());
        assert!(install(&mut tree, "busybox-extras", 7).is_err());
    }

    #[test]
    fn programs_that_need_root_are_those_that_bbsuid_names() {
        let mut tree = Tree::new();
        let program = b"\x7fELF\0/lib/ld-musl-aarch64.so.1\0/bin/busybox\0/bin/bbsuid\0/bin/mount\0/usr/bin/su\0\
                        /bin/%s\0usage: /bin/su\0";
        tree.insert(SUID, Entry::file(*program, 0o4111)).unwrap();
        tree.insert("bin/mount", Entry::link("/bin/busybox")).unwrap();
        tree.insert("usr/bin/su", Entry::file(*b"shadow", 0o755)).unwrap();
        install_suid(&mut tree, 7).unwrap();
        assert_eq!(link(&tree, "bin/mount").as_deref(), Some("/bin/bbsuid"));
        assert_eq!(link(&tree, "usr/bin/su"), None);
    }
}
