//! A node as Kubernetes sees it: Ready or not, and whether new pods may come.

use std::time::Duration;

use serde::Deserialize;

use super::{act, ask, failed, seconds, text};
use crate::error::{Error, ErrorKind, Result};
use crate::state::{Action, Aspect, Change, Node};

/// What pirun leaves on a node that it has cordoned, so that it frees only those.
const MARK: &str = "pirun/cordoned";

/// How pods are moved away.
#[derive(Debug, Clone)]
pub struct DrainOptions {
    /// How long their ends may take.
    pub timeout: Duration,
    /// Whether pods with local scratch space may lose it.
    pub delete_emptydir: bool,
}

impl Default for DrainOptions {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(300), delete_emptydir: false }
    }
}

#[derive(Deserialize)]
struct Object {
    metadata: Metadata,
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    annotations: std::collections::BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
struct Spec {
    #[serde(default)]
    unschedulable: bool,
}

#[derive(Default, Deserialize)]
struct Status {
    #[serde(default)]
    conditions: Vec<Condition>,
}

#[derive(Deserialize)]
struct Condition {
    r#type: String,
    status: String,
}

/// The node called `name`; `None` when Kubernetes does not know it.
fn find(server: &Node, name: &str) -> Result<Option<Object>> {
    let args = ["get", "node", name, "--ignore-not-found", "-o", "json"];
    let output = ask(server, &args, None)?;
    if output.code != 0 {
        return Err(failed(&args, &output));
    }
    if text(&output.stdout).is_empty() {
        return Ok(None);
    }
    serde_json::from_slice(&output.stdout).map(Some).map_err(|error| {
        Error::new(ErrorKind::Command, format!("kubectl's answer about node {name} is no object"))
            .detail(error.to_string())
    })
}

/// Whether Kubernetes knows the node.
///
/// # Errors
/// When the API server does not answer.
pub fn is_known(server: &Node, name: &str) -> Result<bool> {
    Ok(find(server, name)?.is_some())
}

/// Whether the node is Ready.
///
/// # Errors
/// When the API server does not answer, or does not know the node.
pub fn is_ready(server: &Node, name: &str) -> Result<bool> {
    let node = find(server, name)?.ok_or_else(|| {
        Error::new(ErrorKind::Command, format!("Kubernetes does not know a node {name}"))
            .hint("k3s on the node registers it when it first starts.")
    })?;
    Ok(node.status.conditions.iter().any(|c| c.r#type == "Ready" && c.status == "True"))
}

/// Keeps new pods away from the node and moves those away that are there. A node that Kubernetes does not know has
/// none: nothing to change.
///
/// # Errors
/// When pods do not end in time, or must not be moved.
pub fn drain(server: &Node, name: &str, options: &DrainOptions) -> Result<Change> {
    let change = Change::of("drain", name);
    let Some(node) = find(server, name)? else {
        return Ok(change.remark("not in Kubernetes"));
    };
    // One that is cordoned already is somebody else's doing, or an earlier run's: nobody's mark is changed.
    if !node.spec.unschedulable {
        // The mark first: cut in between, `uncordon` finds it and frees a node that is free already.
        act(
            server,
            &["annotate", "node", name, &format!("{MARK}=yes"), "--overwrite"],
            None,
            None,
        )?;
        act(server, &["cordon", name], None, None)?;
    }
    let timeout = format!("--timeout={}", seconds(options.timeout));
    let mut args = vec!["drain", name, "--ignore-daemonsets", &timeout];
    if options.delete_emptydir {
        args.push("--delete-emptydir-data");
    }
    // kubectl keeps to the time itself; the margin is for its start.
    let limit = options.timeout + Duration::from_secs(30);
    act(server, &args, None, Some(limit)).map_err(|error| {
        error.hint("`delete_emptydir: true` lets pods with scratch space go; `kubectl get pods -A` shows what is left.")
    })?;
    Ok(change.with(Aspect::Action { action: Action::Drain }))
}

/// Lets pods come again, if it was pirun that kept them away.
///
/// # Errors
/// When the API server does not answer.
pub fn uncordon(server: &Node, name: &str) -> Result<Change> {
    let change = Change::of("uncordon", name);
    let Some(node) = find(server, name)? else { return Ok(change) };
    if !node.metadata.annotations.contains_key(MARK) {
        return Ok(change);
    }
    act(server, &["uncordon", name], None, None)?;
    act(server, &["annotate", "node", name, &format!("{MARK}-")], None, None)?;
    Ok(change.with(Aspect::Action { action: Action::Uncordon }))
}
