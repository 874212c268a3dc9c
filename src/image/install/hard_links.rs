//! A file with several names outlives the name it was laid out under.

use crate::error::Result;
use crate::image::tree::{Entry, Kind, Tree};

/// Takes a path that is no directory away. If other names lead to its file, one of them becomes the file's.
pub fn unlink(tree: &mut Tree, path: &str) -> Result<Option<Entry>> {
    let Some(entry) = tree.remove(path) else { return Ok(None) };
    if matches!(entry.kind, Kind::File(_)) {
        let names = names_of(tree, path);
        if let Some((first, others)) = names.split_first() {
            tree.insert(first, entry.clone())?;
            retarget(tree, others, first);
        }
    }
    Ok(Some(entry))
}

/// Gives a path that is no directory another name, in place of what was there.
pub fn rename(tree: &mut Tree, from: &str, to: &str) -> Result<()> {
    if from == to {
        return Ok(());
    }
    unlink(tree, to)?;
    let names = names_of(tree, from);
    if let Some(entry) = tree.remove(from) {
        tree.insert(to, entry)?;
        retarget(tree, &names, to);
    }
    Ok(())
}

/// The path that a hard link to `path` has to name.
pub fn original(tree: &Tree, path: &str) -> String {
    match tree.get(path).map(|entry| &entry.kind) {
        Some(Kind::Hard(target)) => target.clone(),
        _ => path.to_owned(),
    }
}

fn names_of(tree: &Tree, path: &str) -> Vec<String> {
    let links = tree.iter().filter(|(_, entry)| entry.kind == Kind::Hard(path.to_owned()));
    links.map(|(name, _)| name.to_owned()).collect()
}

fn retarget(tree: &mut Tree, names: &[String], to: &str) {
    for name in names {
        if let Some(entry) = tree.get_mut(name) {
            entry.kind = Kind::Hard(to.to_owned());
        }
    }
}
