//! Indexes of kernel modules, after modules were taken out.

use std::collections::BTreeSet;

use crate::error::Result;
use crate::image::tree::Tree;

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

/// By its name, compressed or not.
fn is_module(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let name = ["gz", "xz", "zst"]
        .into_iter()
        .find_map(|suffix| name.strip_suffix(suffix)?.strip_suffix('.'))
        .unwrap_or(name);
    name.ends_with(".ko")
}
