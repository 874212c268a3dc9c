//! What lies on the data partition, so that it outlives an upgrade: directories that are bound to it.
//!
//! The list of bound directories is `/etc/pirun/binds`, one a line: path, then mount options. The service `pirun-data`
//! reads it at boot, before anything uses the directories: it makes what is missing on `/data`, copies there what the
//! image has and `/data` has not, and mounts.

use super::{DATA, Rootfs};
use crate::error::{Error, Result};
use crate::state::Change;

/// The list on the node.
pub const BINDS: &str = "/etc/pirun/binds";

/// A directory of the root that is mounted from `/data`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bind {
    pub path: String,
    /// Comma-separated, such as `rshared`; may be empty.
    pub options: String,
}

impl Rootfs {
    /// Mounts `/data` + `path` at `path` on the node, from its first boot on.
    ///
    /// # Errors
    /// For paths that cannot stand in the list, or are bound with other options already.
    pub fn bind_to_data(&mut self, path: &str, options: &str) -> Result<Change> {
        let plain = |text: &str| !text.contains(char::is_whitespace) && !text.contains('#');
        if !path.starts_with('/')
            || path.trim_matches('/').is_empty()
            || !plain(path)
            || !plain(options)
        {
            return Err(Error::playbook(format!("`{path}` cannot be bound to /data"))
                .hint("An absolute path without blanks, such as /var/lib."));
        }
        let bind =
            Bind { path: path.trim_end_matches('/').to_owned(), options: options.to_owned() };
        if !self.exists(&bind.path)? {
            self.put(&bind.path, crate::image::Entry::directory(0o755))?;
        }
        if !self.binds.contains(&bind) {
            self.binds.retain(|old| old.path != bind.path);
            self.binds.push(bind.clone());
        }
        // Parents first: what is bound inside another bound directory is mounted after it.
        self.binds.sort_by(|a, b| a.path.cmp(&b.path));
        let lines: String = self.binds.iter().map(Bind::line).collect();
        self.edit("bind_to_data", BINDS, |_| lines.clone())
    }

    /// Splits off what belongs to the boot and the data partition, and lays out there what the bound directories
    /// have, as a card's first boot would.
    ///
    /// # Errors
    /// When a bound directory's place on the data partition is taken by a file.
    pub fn split(mut self) -> Result<Parts> {
        for bind in self.binds.clone() {
            if let Some(entry) = self.tree.get(&bind.path).cloned() {
                let target = format!("{DATA}{}", bind.path);
                if self.tree.get(&target).is_none() {
                    self.tree.insert(&target, entry)?;
                }
            }
            let below: Vec<String> =
                self.tree.below(&bind.path).map(|(path, _)| path.to_owned()).collect();
            for path in below {
                let target = format!("{DATA}/{path}");
                if self.tree.get(&target).is_none()
                    && let Some(entry) = self.tree.get(&path).cloned()
                {
                    self.tree.insert(&target, entry)?;
                }
            }
        }
        let boot = self.tree.take(super::BOOT, self.date)?;
        let data = self.tree.take(DATA, self.date)?;
        Ok(Parts { boot, data, root: self.tree })
    }
}

/// What goes into the partitions.
#[derive(Debug)]
pub struct Parts {
    pub boot: crate::image::Tree,
    pub root: crate::image::Tree,
    pub data: crate::image::Tree,
}

impl Bind {
    fn line(&self) -> String {
        format!("{} {}", self.path, self.options).trim_end().to_owned() + "\n"
    }
}
