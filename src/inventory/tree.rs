//! The shape of the inventory file: groups within groups, and hosts in them.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use super::mark::{Mark, shown, wrong};
use super::vars::{self, Var};
use super::yaml::{Data, Entry, Node};
use super::{check, range, scalar};
use crate::error::{Error, Result};
use crate::suggest::did_you_mean;

pub(crate) const ALL: usize = 0;
pub(crate) const UNGROUPED: usize = 1;

/// What a group may hold.
const SECTIONS: [&str; 3] = ["hosts", "vars", "children"];

/// Groups and hosts by number, in the order of the file.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    pub groups: Vec<TreeGroup>,
    pub hosts: Vec<TreeHost>,
    group_numbers: HashMap<Arc<str>, usize>,
    host_numbers: HashMap<Arc<str>, usize>,
}

#[derive(Debug)]
pub(crate) struct TreeGroup {
    pub name: Arc<str>,
    pub parents: Vec<usize>,
    pub children: Vec<(usize, Mark)>,
    /// Hosts that stand in the group itself.
    pub hosts: Vec<usize>,
    /// Definitions from weak to strong: the inventory's first, then those of `group_vars`.
    pub vars: Vec<Arc<Var>>,
    /// Steps from `all`, on the longest way.
    pub depth: usize,
}

#[derive(Debug)]
pub(crate) struct TreeHost {
    pub name: Arc<str>,
    pub mark: Mark,
    /// Groups in which the host itself stands.
    pub groups: Vec<usize>,
    /// Definitions from weak to strong: the inventory's first, then those of `host_vars`.
    pub vars: Vec<Arc<Var>>,
}

impl Tree {
    /// Reads the document of an inventory file.
    pub fn read(root: Node) -> Result<Self> {
        let mut tree = Self::default();
        tree.group_number("all");
        tree.group_number("ungrouped");
        match root.data {
            Data::Map(groups) => {
                for group in groups {
                    refuse_plugin_configuration(&group)?;
                    tree.group(group, None)?;
                }
            }
            _ if root.is_null() => {
                return Err(root.mark.error("the inventory is empty").hint(EXAMPLE));
            }
            _ => {
                let message =
                    format!("an inventory is a map of groups, and this is {}", root.kind());
                return Err(root.mark.error(message).hint(EXAMPLE));
            }
        }
        tree.settle_ungrouped();
        tree.link_to_all();
        tree.measure_depths()?;
        Ok(tree)
    }

    pub fn group_named(&self, name: &str) -> Option<usize> {
        self.group_numbers.get(name).copied()
    }

    pub fn host_named(&self, name: &str) -> Option<usize> {
        self.host_numbers.get(name).copied()
    }

    /// All groups that contain a host, from weak to strong, without `all`.
    pub fn groups_of(&self, host: usize) -> Vec<usize> {
        let mut found = vec![false; self.groups.len()];
        let mut open = self.hosts[host].groups.clone();
        while let Some(group) = open.pop() {
            if !std::mem::replace(&mut found[group], true) {
                open.extend(&self.groups[group].parents);
            }
        }
        let mut groups: Vec<usize> = (1..found.len()).filter(|&group| found[group]).collect();
        groups.sort_by_key(|&group| {
            let group = &self.groups[group];
            (group.depth, group.priority(), Arc::clone(&group.name))
        });
        groups
    }

    /// Reads one `NAME: {hosts, vars, children}`.
    fn group(&mut self, entry: Entry, parent: Option<usize>) -> Result<()> {
        check::group_name(&entry.key).map_err(|reason| {
            entry.key_mark.error(format!("`{}` cannot be a group: {reason}", shown(&entry.key)))
        })?;
        let number = self.group_number(&entry.key);
        if let Some(parent) = parent {
            self.add_child(parent, number, &entry.key_mark)?;
        }
        let name = Arc::clone(&self.groups[number].name);
        match entry.value.data {
            Data::Map(sections) => {
                for section in sections {
                    self.section(number, &name, section)?;
                }
                Ok(())
            }
            _ if entry.value.is_null() => Ok(()),
            _ => Err(entry
                .value
                .mark
                .error(format!(
                    "the group `{name}` must be a map, and this is {}",
                    entry.value.kind()
                ))
                .hint("A group holds `hosts:`, `vars:` and `children:`.")),
        }
    }

    fn section(&mut self, group: usize, name: &str, section: Entry) -> Result<()> {
        match section.key.as_str() {
            "vars" => {
                let vars =
                    vars::from_node(section.value, &format!("`vars` of the group `{name}`"))?;
                self.groups[group].vars.extend(vars);
            }
            "children" => {
                for child in members(section, name)? {
                    self.group(child, Some(group))?;
                }
            }
            "hosts" => {
                for host in members(section, name)? {
                    self.host(host, group)?;
                }
            }
            _ => return Err(unknown_section(&section, name)),
        }
        Ok(())
    }

    /// Reads one `HOST: {variables}`; the name may be a range and may end in `:PORT`.
    fn host(&mut self, entry: Entry, group: usize) -> Result<()> {
        let (pattern, port) = check::split_port(&entry.key);
        let names = range::expand(pattern).map_err(|reason| bad_host(&entry, &reason))?;
        let mut vars = vars::from_node(entry.value, &format!("the host `{}`", shown(pattern)))?;
        if let Some(port) = port {
            // A number, as Ansible makes of it; what is none is refused with the other ports.
            let data = scalar::resolve(port).map_or_else(|| Data::Text(port.into()), Data::Plain);
            let value = Node { mark: entry.key_mark.clone(), data };
            let port = Var::new("ansible_port".into(), entry.key_mark.clone(), value);
            vars.insert(0, Arc::new(port));
        }
        for name in names {
            check::host_name(&name)
                .map_err(|reason| host_error(&entry.key_mark, &name, &reason))?;
            let number = self.host_number(&name, &entry.key_mark)?;
            let host = &mut self.hosts[number];
            host.vars.extend(vars.iter().cloned());
            if !host.groups.contains(&group) {
                host.groups.push(group);
                self.groups[group].hosts.push(number);
            }
        }
        Ok(())
    }

    fn group_number(&mut self, name: &str) -> usize {
        if let Some(&number) = self.group_numbers.get(name) {
            return number;
        }
        let name: Arc<str> = name.into();
        self.group_numbers.insert(Arc::clone(&name), self.groups.len());
        self.groups.push(TreeGroup {
            name,
            parents: Vec::new(),
            children: Vec::new(),
            hosts: Vec::new(),
            vars: Vec::new(),
            depth: 0,
        });
        self.groups.len() - 1
    }

    fn host_number(&mut self, name: &str, mark: &Mark) -> Result<usize> {
        if let Some(&number) = self.host_numbers.get(name) {
            return Ok(number);
        }
        if self.hosts.len() >= range::MAX_HOSTS {
            return Err(
                mark.error(format!("the inventory has more than {} hosts", range::MAX_HOSTS))
            );
        }
        let name: Arc<str> = name.into();
        self.host_numbers.insert(Arc::clone(&name), self.hosts.len());
        self.hosts.push(TreeHost {
            name,
            mark: mark.clone(),
            groups: Vec::new(),
            vars: Vec::new(),
        });
        Ok(self.hosts.len() - 1)
    }

    fn add_child(&mut self, parent: usize, child: usize, mark: &Mark) -> Result<()> {
        if child == ALL {
            return Err(mark.error("`all` contains every group and cannot be the child of one"));
        }
        if self.groups[parent].children.iter().all(|(known, _)| *known != child) {
            self.groups[parent].children.push((child, mark.clone()));
            self.groups[child].parents.push(parent);
        }
        Ok(())
    }

    /// Hosts that are in no group stand in `ungrouped`; hosts that are in one do not.
    fn settle_ungrouped(&mut self) {
        self.groups[UNGROUPED].hosts.clear();
        for (number, host) in self.hosts.iter_mut().enumerate() {
            host.groups.retain(|&group| group != UNGROUPED);
            if host.groups.iter().all(|&group| group == ALL) {
                host.groups.push(UNGROUPED);
                self.groups[UNGROUPED].hosts.push(number);
            }
        }
    }

    fn link_to_all(&mut self) {
        for group in 1..self.groups.len() {
            if self.groups[group].parents.is_empty() {
                let mark = Mark::new(&"".into(), 0, 0);
                self.groups[ALL].children.push((group, mark));
                self.groups[group].parents.push(ALL);
            }
        }
    }

    /// Sets each group's depth, from `all` downwards; groups that are never reached form a cycle.
    fn measure_depths(&mut self) -> Result<()> {
        let mut waiting: Vec<usize> = self.groups.iter().map(|group| group.parents.len()).collect();
        let mut ready = vec![ALL];
        let mut measured = 0;
        while let Some(group) = ready.pop() {
            measured += 1;
            let depth = self.groups[group].depth + 1;
            for index in 0..self.groups[group].children.len() {
                let child = self.groups[group].children[index].0;
                self.groups[child].depth = self.groups[child].depth.max(depth);
                waiting[child] -= 1;
                if waiting[child] == 0 {
                    ready.push(child);
                }
            }
        }
        match measured == self.groups.len() {
            true => Ok(()),
            false => Err(self.cycle(&waiting)),
        }
    }

    /// The error that names a cycle; every group that still waits for a parent has one upwards of it.
    fn cycle(&self, waiting: &[usize]) -> Error {
        let unmeasured = |group: &usize| waiting[*group] > 0;
        let mut path: Vec<usize> = (0..waiting.len()).find(unmeasured).into_iter().collect();
        while let Some(&last) = path.last() {
            let Some(parent) = self.groups[last].parents.iter().copied().find(unmeasured) else {
                break;
            };
            if let Some(start) = path.iter().position(|&seen| seen == parent) {
                path.drain(..start);
                break;
            }
            path.push(parent);
        }
        // The path went from children to parents; the edge that stands last in the file closes it.
        path.reverse();
        let edge = |parent: usize, child: usize| {
            let children = &self.groups[parent].children;
            children.iter().find(|(number, _)| *number == child).map(|(_, mark)| mark)
        };
        let line = |at: usize| edge(path[at], path[(at + 1) % path.len()]).map(|mark| mark.line);
        let closing = (0..path.len()).max_by_key(|&at| line(at)).unwrap_or_default();
        let mark = edge(path[closing], path[(closing + 1) % path.len()]);
        let names = (1..=path.len() + 1).map(|step| &path[(closing + step) % path.len()]);
        let names: Vec<&str> = names.map(|&group| &*self.groups[group].name).collect();
        let error = wrong(format!("groups contain each other: {}", names.join(" → ")))
            .hint("Remove one of them from the other's `children`.");
        match mark {
            Some(mark) => error.at(mark.site()),
            None => error,
        }
    }
}

impl TreeGroup {
    /// Ansible's `ansible_group_priority`: decides between groups of the same depth, 1 unless set.
    fn priority(&self) -> i64 {
        let set = self.vars.iter().rev().find(|var| var.name == "ansible_group_priority");
        match set.map(|var| &var.value.data) {
            Some(Data::Plain(Value::Number(number))) => number.as_i64().unwrap_or(1),
            _ => 1,
        }
    }
}

const EXAMPLE: &str =
    "The smallest inventory is three lines: `all:`, indented `hosts:`, further indented `rpi40:`.";

/// The members of `hosts:` or `children:`: a map, or a single name as Ansible allows.
fn members(section: Entry, group: &str) -> Result<Vec<Entry>> {
    let Entry { key, value, .. } = section;
    let mark = value.mark.clone();
    match value.data {
        Data::Map(entries) => Ok(entries),
        Data::Text(name) if name.contains(char::is_whitespace) => Err(mark
            .error(format!("`{key}` of the group `{group}` must be a map, and this is text"))
            .hint("End each name with a colon.")),
        Data::Text(name) => {
            let null = Node { mark: mark.clone(), data: Data::Plain(Value::Null) };
            Ok(vec![Entry { key: name, key_mark: mark, value: null }])
        }
        _ if value.is_null() => Ok(Vec::new()),
        Data::List(_) => Err(mark
            .error(format!("`{key}` of the group `{group}` must be a map, and this is a list"))
            .hint("Write each name without `-` and with a colon at its end: `rpi40:`.")),
        _ => Err(mark.error(format!(
            "`{key}` of the group `{group}` must be a map, and this is {}",
            value.kind()
        ))),
    }
}

fn unknown_section(section: &Entry, group: &str) -> Error {
    let error = section
        .key_mark
        .error(format!("a group has no `{}` (in the group `{group}`)", shown(&section.key)));
    match did_you_mean(&section.key, SECTIONS) {
        Some(hint) => error.hint(hint),
        None => error
            .hint("A group holds `hosts:`, `vars:` and `children:`; groups in it stand below `children:`, variables below `vars:`."),
    }
}

fn refuse_plugin_configuration(entry: &Entry) -> Result<()> {
    match (&*entry.key, &entry.value.data) {
        ("plugin", Data::Text(_)) => Err(entry
            .key_mark
            .error("this is the configuration of an Ansible inventory plugin, not an inventory")
            .hint("Convert what it finds: `ansible-inventory -i FILE --list --yaml > inventory.yaml`.")),
        _ => Ok(()),
    }
}

fn bad_host(entry: &Entry, reason: &str) -> Error {
    host_error(&entry.key_mark, &entry.key, reason)
}

fn host_error(mark: &Mark, name: &str, reason: &str) -> Error {
    mark.error(format!("`{}` cannot be a host name: {reason}", shown(name))).hint(
        "A host name has letters, digits, `-` and dots. Use `address:` for what it is reached by.",
    )
}
