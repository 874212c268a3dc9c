//! Which hosts there are, in which groups, with which variables.
//!
//! Reads Ansible's YAML form: [`yaml`] knows the place of every value, [`tree`] the shape of the
//! file, [`files`] what lies beside it, [`vars`] the levels; [`resolve`] makes a [`Host`] of them,
//! and [`pattern`] and [`select`] find hosts by what a user types.

mod check;
mod explain;
mod extra;
mod files;
mod host;
mod kubernetes;
mod load;
mod map;
mod mark;
mod pattern;
mod range;
mod render;
mod resolve;
mod scalar;
mod select;
mod syntax;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod tree;
mod vars;
mod warning;
mod yaml;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use explain::{Definition, Explained};
pub use extra::ExtraVars;
pub use host::Host;
pub use load::Loader;
pub use render::Render;
pub use vars::{Level, Origin};
pub use warning::Warning;

use crate::error::Result;
use mark::{shown, wrong};
use tree::Tree;

/// A loaded inventory: every host resolved and checked.
#[derive(Debug)]
pub struct Inventory {
    file: String,
    root: PathBuf,
    start: PathBuf,
    failed_file: PathBuf,
    hosts: Vec<Arc<Host>>,
    groups: Vec<Group>,
    warnings: Vec<Warning>,
    tree: Tree,
    extra: ExtraVars,
}

/// A group, with names in the inventory's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    pub name: String,
    /// All hosts in it and in the groups below it.
    pub hosts: Vec<String>,
    /// Hosts that stand in the group itself.
    pub own_hosts: Vec<String>,
    /// Groups directly below it.
    pub children: Vec<String>,
    /// Steps from `all`, which has 0.
    pub depth: usize,
}

impl Inventory {
    /// Loads `file`, or the nearest `inventory.yaml` from `start` upwards.
    ///
    /// # Errors
    /// When there is none, or something in it is wrong; with file, line and column.
    pub fn find_and_load(start: &Path, file: Option<&Path>) -> Result<Self> {
        Self::loader(start).file(file).load()
    }

    /// The same with choices: variables of `-e`, templates in variables.
    pub fn loader(start: &Path) -> Loader<'_> {
        Loader::new(start)
    }

    /// An inventory from memory, without `group_vars` and `host_vars`; `name` stands for the file in errors.
    pub fn from_yaml(name: &str, text: impl AsRef<[u8]>) -> Result<Self> {
        load::from_memory(name, text.as_ref())
    }

    /// The inventory file as shown to the user.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The project's directory: where the inventory lies.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the names of the hosts that failed in the last run are kept, one a line.
    pub fn failed_file(&self) -> &Path {
        &self.failed_file
    }

    /// Reads `@failed` from another file.
    #[must_use]
    pub fn with_failed_file(mut self, file: PathBuf) -> Self {
        self.failed_file = file;
        self
    }

    /// What is odd in the inventory and yet no error.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// All hosts, in the order of the file.
    pub fn hosts(&self) -> &[Arc<Host>] {
        &self.hosts
    }

    /// The host of this name.
    ///
    /// # Errors
    /// When there is none, with the name that was probably meant.
    pub fn host(&self, name: &str) -> Result<Arc<Host>> {
        match self.tree.host_named(name) {
            Some(number) => Ok(Arc::clone(&self.hosts[number])),
            None => {
                let error = wrong(format!("there is no host `{}` in {}", shown(name), self.file));
                let names = self.hosts.iter().map(|host| host.name.as_str());
                Err(self.with_suggestion(error, name, names))
            }
        }
    }

    /// All groups, `all` and `ungrouped` first, in the order of the file.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The group of this name.
    pub fn group(&self, name: &str) -> Option<&Group> {
        self.tree.group_named(name).map(|number| &self.groups[number])
    }

    /// The hosts that a pattern of `--limit` or `hosts(…)` means, in the order of the file.
    ///
    /// # Errors
    /// When a part of the pattern matches nothing, or nothing is left; with close names.
    pub fn select(&self, pattern: &str) -> Result<Vec<Arc<Host>>> {
        let chosen = select::select(self, pattern)?;
        Ok(chosen.into_iter().map(|number| Arc::clone(&self.hosts[number])).collect())
    }

    /// The one host that a pattern means.
    ///
    /// # Errors
    /// When it means none or several, with their names.
    pub fn select_one(&self, pattern: &str) -> Result<Arc<Host>> {
        let mut hosts = self.select(pattern)?;
        match (hosts.pop(), hosts.as_slice()) {
            (Some(host), []) => Ok(host),
            (None, _) => Err(wrong(format!("`{}` contains no host", shown(pattern)))),
            (Some(last), others) => Err(select::ambiguous(pattern, others, &last)),
        }
    }

    fn with_suggestion<'a>(
        &self,
        error: crate::error::Error,
        typed: &str,
        names: impl Iterator<Item = &'a str>,
    ) -> crate::error::Error {
        match crate::suggest::did_you_mean(typed, names) {
            Some(hint) => error.hint(hint),
            None => error.hint("`pirun inventory --graph` shows all hosts and groups."),
        }
    }
}
