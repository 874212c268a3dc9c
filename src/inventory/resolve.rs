//! From definitions on five levels to one host with one value per variable.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use super::host::Host;
use super::mark::{Mark, shown};
use super::tree::{ALL, Tree};
use super::vars::{Level, Var};
use super::warning::Warning;
use super::yaml::{Data, Node};
use super::{Render, check, files, kubernetes, render};
use crate::error::{Error, Result};

/// Ansible's names for the three variables that say how to connect.
const ADDRESS: [&str; 3] = ["address", "ansible_host", "ansible_ssh_host"];
const PORT: [&str; 3] = ["port", "ansible_port", "ansible_ssh_port"];
const USER: [&str; 3] = ["user", "ansible_user", "ansible_ssh_user"];

/// The definitions of one level, from weak to strong.
pub(crate) struct Layer<'a> {
    pub level: Level,
    pub vars: &'a [Arc<Var>],
}

/// The definition that won.
pub(crate) struct Winner<'a> {
    pub var: &'a Arc<Var>,
    pub level: &'a Level,
    /// The number of its layer; a larger one is stronger.
    strength: usize,
}

/// Everything that defines variables of a host, from weak to strong.
pub(crate) fn layers<'a>(tree: &'a Tree, host: usize, extra: &'a [Arc<Var>]) -> Vec<Layer<'a>> {
    let groups = tree.groups_of(host);
    let mut layers = vec![Layer { level: Level::Defaults, vars: &tree.groups[ALL].vars }];
    for &number in &groups {
        let group = &tree.groups[number];
        let has_child = group.children.iter().any(|(child, _)| groups.contains(child));
        let name = Arc::clone(&group.name);
        let level = if has_child { Level::ParentGroup(name) } else { Level::ChildGroup(name) };
        layers.push(Layer { level, vars: &group.vars });
    }
    layers.push(Layer { level: Level::Host, vars: &tree.hosts[host].vars });
    layers.push(Layer { level: Level::CommandLine, vars: extra });
    layers
}

/// The definition that wins for each variable, in the order of the first definitions.
pub(crate) fn winners<'a>(layers: &'a [Layer<'a>]) -> Vec<Winner<'a>> {
    let mut winners: Vec<Winner<'a>> = Vec::new();
    let mut numbers: HashMap<&str, usize> = HashMap::new();
    for (strength, Layer { level, vars }) in layers.iter().enumerate() {
        for var in *vars {
            let winner = Winner { var, level, strength };
            match numbers.get(var.name.as_str()) {
                Some(&number) => winners[number] = winner,
                None => {
                    numbers.insert(&var.name, winners.len());
                    winners.push(winner);
                }
            }
        }
    }
    winners
}

/// Resolves and checks one host.
pub(crate) fn host(
    tree: &Tree,
    number: usize,
    extra: &[Arc<Var>],
    render: Option<Render<'_>>,
    warnings: &mut Vec<Warning>,
) -> Result<Host> {
    let name = tree.hosts[number].name.to_string();
    let groups: Vec<String> =
        tree.groups_of(number).iter().map(|&group| tree.groups[group].name.to_string()).collect();
    let layers = layers(tree, number, extra);
    let winners = winners(&layers);
    let rendered = match render {
        Some(render) => render::templates(&winners, &name, &groups, render)?,
        None => HashMap::new(),
    };
    let values = Values { winners: &winners, rendered: &rendered };
    values.check_kubernetes(warnings)?;
    let mut host = Host {
        address: values.address(warnings)?.unwrap_or_else(|| name.clone()),
        port: values.port(warnings)?,
        user: values.user(warnings)?.unwrap_or_else(|| "root".into()),
        name,
        groups,
        ..Host::default()
    };
    for winner in &winners {
        let var = winner.var;
        let values_by_name = if var.sealed { &mut host.sealed } else { &mut host.vars };
        values_by_name.insert(var.name.clone(), values.node(winner).to_json());
        host.origins.insert(var.name.clone(), var.origin(winner.level));
    }
    Ok(host)
}

/// The values that won, rendered where they were templates.
struct Values<'a> {
    winners: &'a [Winner<'a>],
    rendered: &'a HashMap<&'a str, Node>,
}

impl<'a> Values<'a> {
    fn node(&self, winner: &Winner<'a>) -> &'a Node {
        self.rendered.get(winner.var.name.as_str()).unwrap_or(&winner.var.value)
    }

    fn find(&self, name: &str) -> Option<&'a Winner<'a>> {
        self.winners.iter().find(|winner| winner.var.name == name)
    }

    /// The strongest of several names for one thing, unless it is null. Says so where they disagree.
    fn strongest(&self, names: [&str; 3], warnings: &mut Vec<Warning>) -> Result<Option<&'a Node>> {
        let mut found: Vec<&Winner> = names.iter().filter_map(|name| self.find(name)).collect();
        // Stable: at the same level the first name wins.
        found.sort_by_key(|winner| std::cmp::Reverse(winner.strength));
        let Some(&winner) = found.first() else { return Ok(None) };
        for other in &found[1..] {
            if self.node(other).data != self.node(winner).data {
                Warning::new(format!(
                    "`{}` wins over `{}` ({})",
                    winner.var.name,
                    other.var.name,
                    other.var.name_mark.site()
                ))
                .at(&winner.var.name_mark)
                .hint("Both say how to connect: keep one of them.")
                .push_to(warnings);
            }
        }
        if winner.var.sealed {
            let message = format!("`{}` is encrypted with ansible-vault", winner.var.name);
            return Err(winner.var.value.mark.error(message).hint(files::IMPORT_HINT));
        }
        Ok(Some(self.node(winner)).filter(|node| !node.is_null()))
    }

    fn address(&self, warnings: &mut Vec<Warning>) -> Result<Option<String>> {
        let Some(node) = self.strongest(ADDRESS, warnings)? else { return Ok(None) };
        let Some(text) = text(node) else { return Err(not_text("address", node)) };
        check::address(text).map_err(|reason| unfit(node, "an address", text, &reason))?;
        Ok(Some(text.to_owned()))
    }

    fn user(&self, warnings: &mut Vec<Warning>) -> Result<Option<String>> {
        let Some(node) = self.strongest(USER, warnings)? else { return Ok(None) };
        let Some(text) = text(node) else { return Err(not_text("user", node)) };
        check::user(text).map_err(|reason| unfit(node, "a user", text, &reason))?;
        Ok(Some(text.to_owned()))
    }

    fn port(&self, warnings: &mut Vec<Warning>) -> Result<Option<u16>> {
        let Some(node) = self.strongest(PORT, warnings)? else { return Ok(None) };
        let written = match &node.data {
            Data::Plain(Value::Number(number)) => number.to_string(),
            Data::Text(text) | Data::Literal(text) => text.clone(),
            _ => {
                return Err(node
                    .mark
                    .error(format!("a port must be a number, and this is {}", node.kind())));
            }
        };
        match check::port(&written) {
            Some(port) => Ok(Some(port)),
            None => Err(unfit(node, "a port", &written, "a port is a number from 1 to 65535")),
        }
    }

    fn check_kubernetes(&self, warnings: &mut Vec<Warning>) -> Result<()> {
        let readable = |name| {
            let winner = self.find(name).filter(|winner| !winner.var.sealed)?;
            Some(self.node(winner)).filter(|node| !node.is_null())
        };
        if let Some(node) = readable("labels") {
            kubernetes::labels(node)?;
            for (label, mark) in kubernetes::reserved_labels(node) {
                reserved_label(label, mark).push_to(warnings);
            }
        }
        if let Some(node) = readable("taints") {
            kubernetes::taints(node)?;
        }
        readable("node_name").map_or(Ok(()), kubernetes::node_name)
    }
}

fn reserved_label(label: &str, mark: &Mark) -> Warning {
    Warning::new(format!(
        "a node cannot give itself the label `{label}`: k3s will not start with it"
    ))
    .at(mark)
    .hint("Use a domain of your own, or `node.kubernetes.io/`.")
}

fn text(node: &Node) -> Option<&str> {
    match &node.data {
        Data::Text(text) | Data::Literal(text) => Some(text),
        _ => None,
    }
}

fn not_text(name: &str, node: &Node) -> Error {
    node.mark.error(format!("`{name}` must be text, and this is {}", node.kind()))
}

fn unfit(node: &Node, what: &str, text: &str, reason: &str) -> Error {
    node.mark.error(format!("`{}` cannot be {what}: {reason}", shown(text)))
}
