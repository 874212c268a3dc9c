//! The root file system of an image, with the verbs of a host.
//!
//! A verb's wanted thing ([`crate::state`]) is the same on a node and in here: the node is asked with a script, the tree
//! is looked at directly ([`Lay::look`]), and the difference is told by the same code. What is below `/uboot` becomes
//! the boot partition, what is below `/data` the data partition.

mod accounts;
mod boot;
mod data;
mod files;
mod glob;
mod identity;
mod modules;
mod overlay;
mod owner;
mod packages;
mod services;

pub use data::{Bind, Parts};
pub use packages::{Delivered, Supply, installed_already};

use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};
use crate::remote::Converged;
use crate::state::{Change, Wanted};

use super::apk::Package;
use super::{Alpine, Entry, Kind, Tree};

/// Where the boot partition is mounted on the node.
pub const BOOT: &str = "uboot";
/// Where the data partition is mounted on the node.
pub const DATA: &str = "data";

/// A root file system in the making.
#[derive(Debug, Default)]
pub struct Rootfs {
    pub tree: Tree,
    /// The time of everything that verbs write, in seconds since 1970.
    pub date: i64,
    /// Where packages come from.
    pub alpine: Alpine,
    /// What was installed, in its order.
    pub packages: Vec<Arc<Package>>,
    binds: Vec<Bind>,
}

/// Something wanted that can be laid out in a tree.
pub trait Lay: Wanted {
    /// What is there, in the words that a node would use.
    fn look(&self, root: &Rootfs) -> Result<Seen>;

    /// Makes it so.
    fn apply(&self, root: &mut Rootfs) -> Result<()>;
}

/// What [`Lay::look`] saw: the state line, and the old content for the diff.
#[derive(Debug, Default)]
pub struct Seen {
    pub found: String,
    pub shown: Vec<u8>,
}

impl Seen {
    fn found(found: impl Into<String>) -> Self {
        Self { found: found.into(), ..Self::default() }
    }
}

impl Rootfs {
    /// An empty root, whose files will be of this time (seconds since 1970), for packages of this Alpine.
    pub fn new(date: i64, alpine: Alpine) -> Self {
        let mut root = Self { date, alpine, ..Self::default() };
        root.tree = Tree::new();
        if let Some(top) = root.tree.get_mut("") {
            top.mtime = date;
        }
        root
    }

    /// Brings `wanted` about and says what differed.
    ///
    /// # Errors
    /// When something of another kind is in the way.
    pub fn bring(&mut self, wanted: &dyn Lay) -> Result<Change> {
        let converge = wanted.converge()?;
        let Seen { found, shown } = wanted.look(self)?;
        let differs = found.trim_end() != converge.wanted.trim_end();
        let seen = Converged { found, differs, shown, ..Converged::default() };
        let change = wanted.change(&seen)?;
        if differs {
            wanted.apply(self)?;
        }
        Ok(Change { key: converge.key, ..change })
    }

    /// Puts an entry where `path` leads, its parents' links followed, with the time of the image.
    fn put(&mut self, path: &str, entry: Entry) -> Result<()> {
        let (parent, name) = path.trim_end_matches('/').rsplit_once('/').unwrap_or(("", path));
        let parent = self.tree.resolve(parent)?;
        self.tree.insert(&format!("{parent}/{name}"), entry.at(self.date))
    }

    /// Whether there is anything where `path` leads.
    pub fn exists(&self, path: &str) -> Result<bool> {
        Ok(self.tree.get(&self.tree.resolve(path)?).is_some())
    }

    /// The text of a file; `None` if there is no such file.
    pub fn text(&self, path: &str) -> Result<Option<String>> {
        let Some(bytes) = self.tree.read(path)? else { return Ok(None) };
        let text = String::from_utf8(bytes).map_err(|_| {
            Error::new(ErrorKind::Image, format!("{path} of the image is not a text file"))
        })?;
        Ok(Some(text))
    }
}

/// The word by which a node calls what is at a path.
fn kind_word(entry: Option<&Entry>) -> &'static str {
    match entry.map(|entry| &entry.kind) {
        None => "absent",
        Some(Kind::Directory) => "directory",
        Some(Kind::File(_) | Kind::Hard(_)) => "file",
        Some(Kind::Link(_)) => "link",
        Some(_) => "other",
    }
}

#[cfg(test)]
mod tests;
