//! Why a variable has the value it has.

use serde_json::Value;

use super::resolve;
use super::vars::{Level, Origin, Var};
use super::{Host, Inventory};

/// A variable of a host, with every definition of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Explained {
    pub name: String,
    /// The value that the host has, templates rendered.
    pub value: Value,
    /// Whether ansible-vault encrypted it.
    pub sealed: bool,
    pub origin: Origin,
    /// The definitions that lost, the strongest first, as they are written.
    pub overridden: Vec<Definition>,
}

/// One definition of a variable.
#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    pub value: Value,
    pub sealed: bool,
    pub origin: Origin,
}

impl Definition {
    fn new(var: &Var, level: &Level) -> Self {
        Self { value: var.value.to_json(), sealed: var.sealed, origin: var.origin(level) }
    }
}

impl Inventory {
    /// Where each variable of a host comes from, in the order of the first definitions.
    pub fn explain(&self, host: &Host) -> Vec<Explained> {
        let Some(number) = self.tree.host_named(&host.name) else { return Vec::new() };
        let layers = resolve::layers(&self.tree, number, &self.extra.0);
        let winners = resolve::winners(&layers);
        let explained = winners.iter().map(|winner| {
            let name = winner.var.name.as_str();
            let definitions = layers.iter().flat_map(|layer| {
                let of_this_name = layer.vars.iter().filter(|var| var.name == name);
                of_this_name.map(|var| Definition::new(var, &layer.level))
            });
            let mut overridden: Vec<Definition> = definitions.collect();
            // The last one is the winner itself.
            overridden.pop();
            overridden.reverse();
            let values = if winner.var.sealed { &host.sealed } else { &host.vars };
            Explained {
                name: name.to_owned(),
                value: values.get(name).cloned().unwrap_or_default(),
                sealed: winner.var.sealed,
                origin: winner.var.origin(winner.level),
                overridden,
            }
        });
        explained.collect()
    }
}
