//! One host of the inventory.

use std::collections::BTreeMap;

use serde_json::Value;

use super::files::IMPORT_HINT;
use super::mark::wrong;
use super::vars::Origin;
use crate::error::Result;

/// A host with its variables resolved through all levels of precedence.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Host {
    /// The inventory name, which is also the node's host name.
    pub name: String,
    /// What to connect to: a name or an IP address. Equals `name` unless the inventory says otherwise.
    pub address: String,
    /// Only when the inventory says so; else the user's SSH configuration decides.
    pub port: Option<u16>,
    /// The login user; `root` unless the inventory says otherwise.
    pub user: String,
    /// All groups that contain it, outermost first, without `all`.
    pub groups: Vec<String>,
    /// All variables that can be read, by name, in file order.
    pub vars: serde_json::Map<String, Value>,
    /// Variables that hold a `!vault` value, as Ansible's `{"__ansible_vault": "…"}`. They are kept
    /// apart so that no template can write the encrypted text into a file.
    pub sealed: serde_json::Map<String, Value>,
    /// Where each variable, readable or sealed, got its value.
    pub origins: BTreeMap<String, Origin>,
}

impl Host {
    /// The value of a variable, or `None` where no level sets it.
    ///
    /// # Errors
    /// When ansible-vault encrypted the value, with the command that makes it readable.
    pub fn get(&self, name: &str) -> Result<Option<&Value>> {
        if !self.sealed.contains_key(name) {
            return Ok(self.vars.get(name));
        }
        let error = wrong(format!("the variable `{name}` is encrypted with ansible-vault"))
            .on_host(&self.name)
            .hint(format!("{IMPORT_HINT} A playbook then reads it with `vault(\"{name}\")`."));
        Err(match self.origins.get(name) {
            Some(origin) => error.at(origin.site()),
            None => error,
        })
    }
}
