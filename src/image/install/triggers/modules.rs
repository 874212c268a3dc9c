//! Indexes of kernel modules, which kernel packages bring and which go along with modules that are taken out.

use std::collections::{BTreeMap, BTreeSet};

use super::module_index::ModuleIndex;
use crate::error::{Error, ErrorKind, Result};
use crate::image::tree::{Content, Entry, Kind, Tree};

/// Modules below a directory such as `lib/modules/6.12.1-rpi` that its `modules.dep` does not list.
///
/// # Errors
/// When the tree cannot be read.
pub fn unlisted(tree: &Tree, dir: &str) -> Result<Vec<String>> {
    let text = tree.read(&format!("{dir}/modules.dep"))?.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let listed: BTreeSet<&str> =
        text.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name).collect();
    let start = dir.len() + 1;
    let modules = tree.below(dir).map(|(path, _)| &path[start..]).filter(|path| is_module(path));
    Ok(modules.filter(|path| !listed.contains(path)).map(str::to_owned).collect())
}

/// Takes modules that are gone out of the binary indexes of a directory such as `lib/modules/6.12.1-rpi`; `kept` has
/// the paths below it of those that are left.
///
/// # Errors
/// When an index is none.
pub fn retain(tree: &mut Tree, dir: &str, kept: &BTreeSet<String>, now: i64) -> Result<()> {
    let names: BTreeSet<String> = kept.iter().map(|path| name(path)).collect();
    // In modules.dep, a value is the line of the text form; in the others, a module's name.
    let keep = |file: &str, value: &str| match file {
        "modules.dep.bin" => value.split(':').next().is_some_and(|path| kept.contains(path)),
        _ => names.contains(value),
    };
    let mut ranks: Option<BTreeMap<u32, u32>> = None;
    for file in ["modules.dep.bin", "modules.alias.bin", "modules.symbols.bin"] {
        let path = format!("{dir}/{file}");
        let Some(bytes) = tree.read(&path)? else { continue };
        let mut index = ModuleIndex::read(&bytes).ok_or_else(|| {
            Error::new(ErrorKind::Image, format!("/{path} is no index of kernel modules"))
        })?;
        index.0.retain(|_, values| {
            values.retain(|(_, value)| keep(file, &String::from_utf8_lossy(value)));
            !values.is_empty()
        });
        // A module's priority is its place among all; modules.dep has each of them once.
        let ranks = ranks.get_or_insert_with(|| places(&index));
        for (priority, _) in index.0.values_mut().flatten() {
            *priority = ranks.get(priority).copied().unwrap_or(*priority);
        }
        let kind = Kind::File(Content::Bytes(index.write().into()));
        if let Some(entry) = tree.get_mut(&path) {
            *entry = Entry { kind, mtime: now, ..entry.clone() };
        }
    }
    Ok(())
}

/// The priorities of an index by their order: from 0, without gaps.
fn places(index: &ModuleIndex) -> BTreeMap<u32, u32> {
    let sorted: BTreeSet<u32> = index.0.values().flatten().map(|(priority, _)| *priority).collect();
    sorted.into_iter().zip(0..).collect()
}

/// `kernel/fs/ext4/ext4.ko.gz` is `ext4`; the kernel writes `-` as `_`.
pub fn name(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split(".ko").next().unwrap_or(file).replace('-', "_")
}

/// By its name, compressed or not.
fn is_module(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let name = ["gz", "xz", "zst"]
        .into_iter()
        .find_map(|suffix| name.strip_suffix(suffix)?.strip_suffix('.'))
        .unwrap_or(name);
    name.ends_with(".ko")
}
