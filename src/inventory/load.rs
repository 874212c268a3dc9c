//! Reading an inventory and everything beside it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::files::{self, Named};
use super::mark::wrong;
use super::tree::Tree;
use super::warning::Warning;
use super::{ExtraVars, Group, Inventory, Render, resolve, yaml};
use crate::error::{Error, Result};
use crate::suggest::did_you_mean;

/// How to load an inventory.
///
/// ```ignore
/// let inventory = Inventory::loader(directory).file(cli.inventory).extra_vars(extra).load()?;
/// ```
#[derive(Clone)]
pub struct Loader<'a> {
    start: &'a Path,
    file: Option<&'a Path>,
    extra: ExtraVars,
    render: Option<Render<'a>>,
}

impl<'a> Loader<'a> {
    pub(crate) fn new(start: &'a Path) -> Self {
        Self { start, file: None, extra: ExtraVars::default(), render: None }
    }

    /// Reads this file (or the inventory in this directory) instead of looking for one.
    #[must_use]
    pub fn file(mut self, file: Option<&'a Path>) -> Self {
        self.file = file;
        self
    }

    /// Adds the variables of `-e`.
    #[must_use]
    pub fn extra_vars(mut self, extra: ExtraVars) -> Self {
        self.extra = extra;
        self
    }

    /// Renders `{{ }}` in variables; without it such text stays as it is.
    #[must_use]
    pub fn render(mut self, render: Render<'a>) -> Self {
        self.render = Some(render);
        self
    }

    /// Reads, resolves and checks the inventory. Contacts nothing.
    ///
    /// # Errors
    /// Of kind inventory, with file, line and column.
    pub fn load(self) -> Result<Inventory> {
        let file = files::find(self.start, self.file)?;
        let bytes = file.read()?;
        let directory = file.directory();
        let mut warnings = Vec::new();
        let mut tree = read_tree(&file.shown, &bytes)?;
        add_files(&mut tree, &directory, &mut warnings)?;
        build(
            tree,
            &file,
            directory.path,
            self.start.to_path_buf(),
            self.extra,
            self.render,
            warnings,
        )
    }
}

/// An inventory from memory, with nothing beside it.
pub(crate) fn from_memory(shown: &str, bytes: &[u8]) -> Result<Inventory> {
    let file = Named { path: shown.into(), shown: shown.into() };
    let tree = read_tree(shown, bytes)?;
    let here = PathBuf::from(".");
    build(tree, &file, here.clone(), here, ExtraVars::default(), None, Vec::new())
}

fn read_tree(shown: &str, bytes: &[u8]) -> Result<Tree> {
    if files::is_encrypted(bytes) {
        return Err(wrong(format!("{shown} is encrypted with ansible-vault")).hint(
            "Names of hosts are no secret: decrypt it with `ansible-vault decrypt`, and keep secrets in vault.enc.",
        ));
    }
    Tree::read(yaml::parse(shown, bytes)?)
}

/// Adds what `group_vars` and `host_vars` define, which wins over the inventory's own at its level.
fn add_files(tree: &mut Tree, directory: &Named, warnings: &mut Vec<Warning>) -> Result<()> {
    let group_vars = files::variables(
        directory,
        "group_vars",
        |name| tree.group_named(name).is_some(),
        |name| did_you_mean(name, tree.groups.iter().map(|group| &*group.name)),
        warnings,
    )?;
    for (name, vars) in group_vars {
        if let Some(group) = tree.group_named(&name) {
            tree.groups[group].vars.extend(vars);
        }
    }
    let host_vars = files::variables(
        directory,
        "host_vars",
        |name| tree.host_named(name).is_some(),
        |name| did_you_mean(name, tree.hosts.iter().map(|host| &*host.name)),
        warnings,
    )?;
    for (name, vars) in host_vars {
        if let Some(host) = tree.host_named(&name) {
            tree.hosts[host].vars.extend(vars);
        }
    }
    Ok(())
}

fn build(
    tree: Tree,
    file: &Named,
    root: PathBuf,
    start: PathBuf,
    extra: ExtraVars,
    render: Option<Render<'_>>,
    mut warnings: Vec<Warning>,
) -> Result<Inventory> {
    check_names(&tree, &mut warnings)?;
    let mut hosts = Vec::with_capacity(tree.hosts.len());
    for number in 0..tree.hosts.len() {
        hosts.push(Arc::new(resolve::host(&tree, number, &extra.0, render, &mut warnings)?));
    }
    Ok(Inventory {
        file: file.shown.clone(),
        failed_file: root.join(".pirun").join("failed"),
        root,
        start,
        groups: groups(&tree),
        hosts,
        tree,
        extra,
        warnings,
    })
}

/// Two spellings of one node are an error; a host and a group of one name only confuse patterns.
fn check_names(tree: &Tree, warnings: &mut Vec<Warning>) -> Result<()> {
    let mut spellings = HashMap::new();
    for host in &tree.hosts {
        if let Some(other) = spellings.insert(host.name.to_ascii_lowercase(), &host.name) {
            return Err(same_node(host, other));
        }
        if tree.group_named(&host.name).is_some() {
            Warning::new(format!("`{}` is the name of a host and of a group", host.name))
                .at(&host.mark)
                .hint("Patterns will find the host: rename one of them.")
                .push_to(warnings);
        }
    }
    Ok(())
}

fn same_node(host: &super::tree::TreeHost, other: &str) -> Error {
    host.mark
        .error(format!("`{}` and `{other}` are the same host name", host.name))
        .hint("Host names do not distinguish upper and lower case.")
}

/// The groups as others see them: each with all hosts in it and below it, in the inventory's order.
fn groups(tree: &Tree) -> Vec<Group> {
    let host_name = |&host: &usize| tree.hosts[host].name.to_string();
    let child_name = |(child, _): &(usize, _)| tree.groups[*child].name.to_string();
    let mut groups: Vec<Group> = tree
        .groups
        .iter()
        .map(|group| Group {
            name: group.name.to_string(),
            hosts: Vec::new(),
            own_hosts: group.hosts.iter().map(host_name).collect(),
            children: group.children.iter().map(child_name).collect(),
            depth: group.depth,
        })
        .collect();
    for host in 0..tree.hosts.len() {
        let name = host_name(&host);
        for group in tree.groups_of(host) {
            groups[group].hosts.push(name.clone());
        }
        groups[super::tree::ALL].hosts.push(name);
    }
    groups
}
