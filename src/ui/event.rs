//! Everything that a run can tell its user. One enum feeds the terminal, the log file and `--json`.

use std::time::Duration;

use serde::Serialize;

use crate::error::Error;
use crate::state::Change;

/// One thing that happened. `host` is the inventory name.
#[derive(Debug, Clone)]
pub enum Event {
    /// A playbook starts. `hosts`: how many hosts the inventory selection has.
    RunStarted { playbook: String, dry_run: bool, hosts: usize },
    /// An `on(…)` starts on these hosts, out of `total` named ones.
    FanOutStarted { hosts: Vec<String>, total: usize, limit: Option<String> },
    /// An `on(…)` ended: a dry run's held-back lines can be grouped and shown now.
    FanOutFinished,
    /// What a host is doing right now, for its live line.
    Step { host: String, text: String },
    /// A verb compared, and changed (or would change) something, or found nothing to change.
    Change { host: String, change: Change },
    /// Bytes of a long transfer.
    Progress { host: Option<String>, label: String, done: u64, total: Option<u64> },
    /// A line that a long-running command printed (shown with `-v`).
    Output { host: String, line: String },
    /// `print(…)`: text for the user.
    Print { host: Option<String>, text: String },
    /// `log(…)` and pirun's own remarks (shown with `-v`, always in the log file).
    Log { host: Option<String>, text: String },
    /// Something the user should know.
    Warning { host: Option<String>, text: String },
    /// A host failed; it sits out the rest of the run.
    HostFailed { host: String, error: Error, unreachable: bool },
    /// A host has finished one `on(…)`.
    HostFinished { host: String },
    /// The end: one row a host, in inventory order.
    Recap(Recap),
}

/// The end of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Recap {
    pub dry_run: bool,
    pub cancelled: bool,
    pub rows: Vec<RecapRow>,
    /// Where the log of this run is.
    pub log: Option<String>,
}

/// What one host did in the whole run.
#[derive(Debug, Clone, Serialize)]
pub struct RecapRow {
    pub host: String,
    /// Verbs that found nothing to change.
    pub ok: usize,
    /// Verbs that changed something, or would.
    pub changed: usize,
    /// Changes that the user, asked with `--step`, did not want.
    pub skipped: usize,
    pub failed: usize,
    pub unreachable: bool,
    #[serde(rename = "seconds", serialize_with = "as_seconds")]
    pub time: Duration,
}

fn as_seconds<S: serde::Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_secs_f64())
}
