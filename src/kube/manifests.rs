//! Manifests: what would change, applying, deleting.

use super::{act, ask, failed, text};
use crate::error::Result;
use crate::state::{Aspect, Change, Node};

/// What applying would change, as a unified diff; empty when nothing. Kubernetes itself hides secrets' values in it.
///
/// # Errors
/// When the manifests are wrong, or the API server does not answer.
pub fn differences(server: &Node, manifests: &[u8]) -> Result<String> {
    let args = ["diff", "--server-side", "--force-conflicts", "-f", "-"];
    let output = ask(server, &args, Some(manifests))?;
    match output.code {
        0 => Ok(String::new()),
        // Differences were found.
        1 => Ok(text(&output.stdout)),
        _ => Err(failed(&args, &output)),
    }
}

/// Applies manifests (YAML or JSON); `subject` names them in the output.
///
/// # Errors
/// When the manifests are wrong, or the API server does not answer.
pub fn apply(server: &Node, subject: &str, manifests: &[u8], secret: bool) -> Result<Change> {
    let change = Change::of("apply", subject);
    let diff = differences(server, manifests)?;
    if diff.is_empty() {
        return Ok(change);
    }
    let lines = diff.lines().filter(|line| is_change(line)).count();
    act(
        server,
        &["apply", "--server-side", "--force-conflicts", "-f", "-"],
        Some(manifests),
        None,
    )?;
    let aspect =
        if secret { Aspect::Secret { lines } } else { Aspect::Patch { text: only_hunks(&diff) } };
    Ok(change.with(aspect))
}

/// What is to go.
#[derive(Debug, Clone)]
pub enum Delete<'a> {
    /// `deploy/web` in a namespace.
    Named { what: &'a str, namespace: &'a str },
    /// All that manifests name.
    Manifests { subject: &'a str, manifests: &'a [u8] },
}

impl Delete<'_> {
    /// Deletes it; nothing to change when it is not there.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub fn run(&self, server: &Node) -> Result<Change> {
        let (subject, target, stdin): (&str, Vec<&str>, _) = match self {
            Self::Named { what, namespace } => (what, vec![what, "-n", namespace], None),
            Self::Manifests { subject, manifests } => (subject, vec!["-f", "-"], Some(*manifests)),
        };
        let change = Change::of("delete", subject);
        let look = [&["get"], &target[..], &["--ignore-not-found", "-o", "name"]].concat();
        let found = ask(server, &look, stdin)?;
        if found.code != 0 {
            return Err(failed(&look, &found));
        }
        if text(&found.stdout).is_empty() {
            return Ok(change);
        }
        let delete = [&["delete"], &target[..], &["--ignore-not-found"]].concat();
        act(server, &delete, stdin, None)?;
        Ok(change.with(Aspect::Removed))
    }
}

fn is_change(line: &str) -> bool {
    let header = line.starts_with("+++") || line.starts_with("---");
    line.starts_with(['+', '-']) && !header
}

/// The diff without the names of kubectl's temporary files, which say nothing.
fn only_hunks(diff: &str) -> String {
    let noise =
        |line: &str| ["diff ", "--- ", "+++ "].iter().any(|prefix| line.starts_with(prefix));
    diff.lines().filter(|line| !noise(line)).map(|line| format!("{line}\n")).collect()
}
