//! Deployments, daemon sets and whatever else becomes ready.

use std::time::Duration;

use super::{act, ask, failed, seconds, text};
use crate::error::{Error, ErrorKind, Result};
use crate::state::{Action, Aspect, Change, Node};

/// Something in a namespace, named as kubectl names it: `deploy/metallb-controller`.
#[derive(Debug, Clone)]
pub struct Workload<'a> {
    pub what: &'a str,
    pub namespace: &'a str,
}

impl Workload<'_> {
    /// Whether all of it is updated and runs.
    ///
    /// # Errors
    /// When there is no such thing, or the API server does not answer.
    pub fn is_ready(&self, server: &Node) -> Result<bool> {
        let args = ["rollout", "status", self.what, "-n", self.namespace, "--watch=false"];
        let output = ask(server, &args, None)?;
        if output.code != 0 {
            return Err(failed(&args, &output));
        }
        // While it is under way kubectl says what it waits for, and ends well all the same.
        let said = text(&output.stdout);
        Ok(said.contains("successfully rolled out") || said.contains("roll out complete"))
    }
}

/// Waits for a condition, such as `condition=Available` or `delete`.
///
/// # Errors
/// When it does not come in time.
pub fn wait(server: &Node, thing: &Workload, condition: &str, timeout: Duration) -> Result<()> {
    let Workload { what, namespace } = thing;
    let (condition, limit) =
        (format!("--for={condition}"), format!("--timeout={}", seconds(timeout)));
    let args = ["wait", what, "-n", namespace, &condition, &limit];
    let query = crate::remote::Query {
        script: super::command(&args),
        stdin: None,
        timeout: Some(timeout + Duration::from_secs(30)),
    };
    let output = server.remote().query(&query)?;
    if output.code == 0 {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Timeout,
        format!("{what} in {namespace} did not come to {condition} within {}", seconds(timeout)),
    )
    .detail(text(&output.stderr)))
}

/// Restarts the pods of a workload one after the other, and waits until they run.
///
/// # Errors
/// When they do not run in time.
pub fn restart(server: &Node, thing: &Workload, timeout: Duration) -> Result<Change> {
    let Workload { what, namespace } = thing;
    act(server, &["rollout", "restart", what, "-n", namespace], None, None)?;
    let limit = format!("--timeout={}", seconds(timeout));
    let args = ["rollout", "status", what, "-n", namespace, &limit];
    act(server, &args, None, Some(timeout + Duration::from_secs(30)))?;
    Ok(Change::of("rollout", *what).with(Aspect::Action { action: Action::Restart }))
}
