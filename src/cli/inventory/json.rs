//! The inventory for programs, in the form of `ansible-inventory --list`.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::error::{Error, Result};
use crate::inventory::{Group, Host, Inventory};

/// `_meta.hostvars` with every variable of `hosts`, and the groups with what they hold of them.
pub(super) fn list(inventory: &Inventory, hosts: &[Arc<Host>]) -> Result<String> {
    let hostvars: Map<String, Value> =
        hosts.iter().map(|host| (host.name.clone(), variables(host))).collect();
    let mut all = Map::new();
    all.insert("_meta".into(), json!({ "hostvars": hostvars }));
    for group in inventory.groups() {
        let members = members(group, &hostvars);
        if !members.is_empty() {
            all.insert(group.name.clone(), Value::Object(members));
        }
    }
    serde_json::to_string_pretty(&all).map_err(|error| Error::bug(error.to_string()))
}

fn variables(host: &Host) -> Value {
    let all = host.vars.iter().chain(&host.sealed);
    Value::Object(all.map(|(name, value)| (name.clone(), value.clone())).collect())
}

/// A group's children and its own hosts, without what is empty. Ansible leaves out the hosts of `all`.
fn members(group: &Group, chosen: &Map<String, Value>) -> Map<String, Value> {
    let mut members = Map::new();
    if !group.children.is_empty() {
        members.insert("children".into(), json!(group.children));
    }
    let hosts: Vec<&String> =
        group.own_hosts.iter().filter(|host| chosen.contains_key(*host)).collect();
    if group.name != "all" && !hosts.is_empty() {
        members.insert("hosts".into(), json!(hosts));
    }
    members
}
