//! The variables that every template has: the host, its variables, and the whole inventory.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use minijinja::Value;
use minijinja::value::Serde;
use rhai::{Array, Dynamic, Map};

use super::context::{Hosts, RunContext};
use super::host::HostHandle;
use crate::error::{Error, Result};
use crate::inventory::Host;
use crate::template::secret;
use crate::vault::Secret;

/// What is the same for all hosts of a run: made once.
#[derive(Default)]
pub struct SharedVars(OnceLock<BTreeMap<&'static str, Value>>);

impl SharedVars {
    fn get(&self, inventory: &dyn Hosts) -> &BTreeMap<&'static str, Value> {
        self.0.get_or_init(|| {
            let all = inventory.all();
            let hosts: BTreeMap<String, Value> =
                all.iter().map(|host| (host.name.clone(), host_value(host))).collect();
            let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for host in &all {
                for group in host.groups.iter().map(String::as_str).chain(["all"]) {
                    groups.entry(group.to_owned()).or_default().push(host.name.clone());
                }
            }
            let (hosts, groups) = (Value::from_pairs(hosts), Value::from(Serde(&groups)));
            let inventory = BTreeMap::from([("hosts", hosts.clone()), ("groups", groups.clone())]);
            BTreeMap::from([
                ("inventory", Value::from_pairs(inventory)),
                ("hosts", hosts.clone()),
                ("hostvars", hosts),
                ("groups", groups),
            ])
        })
    }
}

/// All variables for a template of `host`: its own under their names, then the playbook's.
pub fn template_vars(host: &HostHandle, given: &Map) -> Result<Value> {
    let run: &RunContext = host.run();
    let mut vars: BTreeMap<String, Value> = BTreeMap::new();
    for (name, value) in &host.host().vars {
        vars.insert(name.clone(), Value::from(Serde(value)));
    }
    for (name, value) in run.shared_vars().get(run.hosts()) {
        vars.insert((*name).to_owned(), value.clone());
    }
    vars.insert("host".into(), host_value(host.host()));
    vars.insert("vars".into(), Value::from(Serde(&host.host().vars)));
    vars.insert("inventory_hostname".into(), host.name().into());
    vars.insert("group_names".into(), Value::from(Serde(&host.host().groups)));
    for (name, value) in given {
        vars.insert(name.to_string(), to_value(value)?);
    }
    Ok(Value::from_pairs(vars))
}

/// A host as templates see it: name, address, groups, and its variables beside them.
fn host_value(host: &Host) -> Value {
    let mut map: BTreeMap<&str, Value> =
        host.vars.iter().map(|(name, value)| (name.as_str(), Value::from(Serde(value)))).collect();
    map.insert("name", Value::from(host.name.as_str()));
    map.insert("address", Value::from(host.address.as_str()));
    map.insert("groups", Value::from(Serde(&host.groups)));
    map.insert("vars", Value::from(Serde(&host.vars)));
    Value::from_pairs(map)
}

/// A playbook's value as templates see it. A secret stays one until the template looks at it.
fn to_value(value: &Dynamic) -> Result<Value> {
    if let Some(known) = value.read_lock::<Secret>() {
        let text = known.expose_text().ok_or_else(|| {
            Error::playbook(format!(
                "the secret `{}` is bytes, which a template cannot hold",
                known.name()
            ))
        })?;
        return Ok(secret(known.name(), text));
    }
    if let Some(host) = value.read_lock::<HostHandle>() {
        return Ok(host_value(host.host()));
    }
    if let Some(list) = value.read_lock::<Array>() {
        return Ok(Value::from(list.iter().map(to_value).collect::<Result<Vec<_>>>()?));
    }
    if let Some(map) = value.read_lock::<Map>() {
        let pairs = map.iter().map(|(name, value)| Ok((name.to_string(), to_value(value)?)));
        return Ok(Value::from_pairs(pairs.collect::<Result<Vec<_>>>()?));
    }
    super::values::to_json(value).map(|json| Value::from(Serde(&json)))
}
