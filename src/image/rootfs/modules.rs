//! Kernel modules that a node does not need.

use std::collections::{BTreeMap, BTreeSet};

use globset::{Glob, GlobSet, GlobSetBuilder};

use super::Rootfs;
use crate::error::{Error, ErrorKind, Result};
use crate::image::install::triggers::modules;

impl Rootfs {
    /// Removes all kernel modules but those whose path below `/lib/modules/VERSION/kernel/` or whose name matches one
    /// of `keep`, and those that these need (`modules.dep`). Gives how many were removed.
    ///
    /// # Errors
    /// When a pattern is wrong, or there is no `modules.dep` to go by.
    pub fn prune_modules(&mut self, keep: &[String]) -> Result<usize> {
        let keep = patterns(keep)?;
        let versions: BTreeSet<String> = self
            .tree
            .below("lib/modules")
            .filter_map(|(path, _)| path.split('/').nth(2).map(str::to_owned))
            .collect();
        versions.iter().map(|version| self.prune_version(version, &keep)).sum()
    }

    fn prune_version(&mut self, version: &str, keep: &GlobSet) -> Result<usize> {
        let dir = format!("lib/modules/{version}");
        let needs = self.needs(&dir)?;
        let wanted = needs.keys().filter(|path| matches(keep, path));
        let mut kept: BTreeSet<String> = BTreeSet::new();
        let mut todo: Vec<String> = wanted.cloned().collect();
        while let Some(path) = todo.pop() {
            todo.extend(needs.get(&path).into_iter().flatten().cloned());
            kept.insert(path);
        }
        let there: Vec<String> = self
            .tree
            .below(&dir)
            .filter(|(path, _)| path.contains(".ko"))
            .map(|(path, _)| path.to_owned())
            .collect();
        let gone: Vec<&String> = there
            .iter()
            .filter(|path| path.strip_prefix(&format!("{dir}/")).is_some_and(|p| !kept.contains(p)))
            .collect();
        for path in &gone {
            self.tree.remove(path);
        }
        if !gone.is_empty() {
            self.rewrite_indexes(&dir, &kept)?;
        }
        Ok(gone.len())
    }

    /// Each module with those that it needs, by path below the version's directory.
    fn needs(&self, dir: &str) -> Result<BTreeMap<String, Vec<String>>> {
        let path = format!("/{dir}/modules.dep");
        let text = self.text(&path)?.ok_or_else(|| {
            Error::new(ErrorKind::Image, format!("there is no {path}, so modules cannot be pruned"))
        })?;
        let line = |line: &str| {
            let (module, needs) = line.split_once(':')?;
            Some((module.to_owned(), needs.split_whitespace().map(str::to_owned).collect()))
        };
        Ok(text.lines().filter_map(line).collect())
    }

    /// The indexes without the modules that are gone: busybox reads the text ones, kmod the binary ones.
    fn rewrite_indexes(&mut self, dir: &str, kept: &BTreeSet<String>) -> Result<()> {
        let names: BTreeSet<String> = kept.iter().map(|path| modules::name(path)).collect();
        let uncompressed: BTreeSet<String> = kept.iter().map(|path| plain(path)).collect();
        let keep_line = |file: &str, line: &str| match file {
            "modules.dep" => line.split(':').next().is_some_and(|path| kept.contains(path)),
            // The order of the build, before modules were compressed.
            "modules.order" => uncompressed.contains(line.trim()),
            // alias PATTERN MODULE, softdep MODULE …, and comments
            "modules.alias" | "modules.symbols" | "modules.devname" => {
                let words: Vec<&str> = line.split_whitespace().collect();
                match words.first() {
                    None => true,
                    Some(word) if word.starts_with('#') => true,
                    Some(&"alias") => {
                        words.get(2).is_none_or(|name| names.contains(&name.replace('-', "_")))
                    }
                    Some(name) => names.contains(&name.replace('-', "_")),
                }
            }
            _ => true,
        };
        for file in
            ["modules.dep", "modules.order", "modules.alias", "modules.symbols", "modules.devname"]
        {
            let path = format!("/{dir}/{file}");
            if self.text(&path)?.is_none() {
                continue;
            }
            self.edit("prune_modules", &path, |text| {
                text.lines()
                    .filter(|line| keep_line(file, line))
                    .map(|line| format!("{line}\n"))
                    .collect()
            })?;
        }
        modules::retain(&mut self.tree, dir, kept, self.date)
    }
}

fn patterns(keep: &[String]) -> Result<GlobSet> {
    let mut set = GlobSetBuilder::new();
    for pattern in keep {
        let glob = Glob::new(pattern).map_err(|error| {
            Error::playbook(format!("`{pattern}` is not a pattern for kernel modules"))
                .detail(error.to_string())
        })?;
        set.add(glob);
    }
    set.build().map_err(|error| Error::playbook("too many patterns").detail(error.to_string()))
}

/// A pattern is for a path below `kernel/`, a directory of it, or a module's name.
fn matches(keep: &GlobSet, path: &str) -> bool {
    let below = path.strip_prefix("kernel/").unwrap_or(path);
    let dirs = below.match_indices('/').map(|(at, _)| &below[..at]);
    keep.is_match(below)
        || keep.is_match(modules::name(path))
        || dirs.into_iter().any(|dir| keep.is_match(dir))
}

/// `kernel/fs/ext4/ext4.ko.gz` without its `.gz`.
fn plain(path: &str) -> String {
    path.split_once(".ko").map_or_else(|| path.to_owned(), |(stem, _)| format!("{stem}.ko"))
}
