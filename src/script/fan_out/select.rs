//! Which of the named hosts an `on` works on.

use std::sync::Arc;

use rhai::{Array, Dynamic};

use super::OnOptions;
use crate::error::{Error, Result};
use crate::script::context::RunContext;
use crate::script::host::HostHandle;
use crate::script::options::describe;
use crate::script::results::Results;

/// The hosts of one `on`.
pub(super) struct Chosen {
    /// In the order of their turns.
    pub ready: Vec<HostHandle>,
    /// Failed earlier in the run.
    pub sitting_out: Vec<(HostHandle, Error)>,
    /// How many were named, before `--limit`.
    pub total: usize,
    /// False: `--tags` leaves this `on` out.
    pub wanted: bool,
    names: Vec<String>,
}

impl Chosen {
    /// Where the playbook named a host.
    pub fn place(&self, host: &str) -> usize {
        self.names.iter().position(|name| name == host).unwrap_or(usize::MAX)
    }
}

pub(super) fn choose(
    run: &Arc<RunContext>,
    hosts: &Dynamic,
    options: &OnOptions,
) -> Result<Chosen> {
    let named = read(hosts)?;
    let names: Vec<_> = named.iter().map(|host| host.name().to_owned()).collect();
    let mut chosen = Chosen {
        ready: Vec::new(),
        sitting_out: Vec::new(),
        total: named.len(),
        wanted: wanted(&run.options().tags, &options.tags),
        names,
    };
    if !chosen.wanted {
        run.remark(format!("left out by --tags {}", run.options().tags.join(",")));
        return Ok(chosen);
    }
    for host in within_limit(run, named)? {
        match host.state().failure() {
            Some(error) => chosen.sitting_out.push((host, error)),
            None => chosen.ready.push(host),
        }
    }
    options.order.apply(&mut chosen.ready);
    Ok(chosen)
}

/// Without `--tags` everything runs; with it, what has one of the tags, or the tag `always`.
fn wanted(asked: &[String], tags: &[String]) -> bool {
    asked.is_empty() || tags.iter().any(|tag| tag == "always" || asked.contains(tag))
}

fn within_limit(run: &RunContext, hosts: Vec<HostHandle>) -> Result<Vec<HostHandle>> {
    let Some(limit) = &run.options().limit else { return Ok(hosts) };
    let allowed = run.hosts().select(limit)?;
    let within = |host: &HostHandle| allowed.iter().any(|other| other.name == host.name());
    Ok(hosts.into_iter().filter(within).collect())
}

/// An array of hosts, one host, or the rows of an earlier `on`. A host that is named twice counts once.
fn read(value: &Dynamic) -> Result<Vec<HostHandle>> {
    let wrong = |item: &Dynamic| {
        let error = Error::playbook(format!("`on` needs hosts, not {}", describe(item)));
        match item.is_string() {
            true => error.hint(format!("Write `on(hosts({}), |host| …)`.", describe(item))),
            false => error.hint("`hosts(\"all\")` gives hosts; arrays of hosts can be added: `hosts(\"agent\") + [server]`."),
        }
    };
    let items = if let Some(host) = value.read_lock::<HostHandle>() {
        vec![host.clone()]
    } else if let Some(results) = value.read_lock::<Results>() {
        results.0.iter().map(|row| row.host.clone()).collect()
    } else if let Some(array) = value.read_lock::<Array>() {
        array
            .iter()
            .map(|item| {
                item.read_lock::<HostHandle>().map(|h| h.clone()).ok_or_else(|| wrong(item))
            })
            .collect::<Result<_>>()?
    } else {
        return Err(wrong(value));
    };
    let mut hosts: Vec<HostHandle> = Vec::new();
    for host in items {
        if !hosts.iter().any(|other| other.name() == host.name()) {
            hosts.push(host);
        }
    }
    Ok(hosts)
}
