//! Puts a server's backup into the place of what is there, and takes it out again if k3s does not come up with it.
//!
//! The state before is moved aside, never merged with. What is noted on the node says where a cut run stood; until both renames
//! are done, k3s cannot start there.

use std::collections::HashMap;
use std::fmt;

use super::access;
use super::stoppable::Stoppable;
use super::store::{Record, Store};
use crate::cancel::Cancel;
use crate::error::{Error, ErrorKind, Result};
use crate::remote::quote::sh_quote;
use crate::remote::{Query, Run};
use crate::state::{Action, Aspect, Change, Node};
use crate::vault::ProjectVault;

const PROGRAM: &str = include_str!("restore/node.sh");

/// What runs while a backup arrives; short, as the node's SSH server takes 9000 bytes at the most. `N` is where it goes.
const RECEIVE: &str = r#"b=/data/var/lib/rancher/k3s
[ -d /data/var/lib ] || b=/var/lib/rancher/k3s
N=$b/restore.new
rm -rf $N && mkdir -p $b && mkdir -m 700 $N && tar -xf - -C $N || exit
cd $N && sha256sum -cs MANIFEST || { echo "it arrived damaged" >&2; exit 1; }
[ -s server/db/state.db ] && echo "$RUN" >server/.pirun-restored && sync && echo whole"#;

/// What a node says of its control plane.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ControlPlane {
    /// Whether there is a datastore.
    pub is_there: bool,
    /// SHA-256 of the cluster's certificate authority; "" without one.
    pub cluster: String,
    /// The datastore's last revision; `None` where the node has no sqlite3 to tell.
    pub revision: Option<i64>,
    pub is_running: bool,
    /// Whether port 6443 answers.
    pub answers: bool,
    pub k3s: String,
    /// The backup that the state was restored from, if it was.
    pub restored: String,
    /// A restore that is not finished.
    pub unfinished: Option<Unfinished>,
    /// SHA-256 of the password in the token that k3s is started with; "" where there is none of its own.
    pub token: String,
    /// What earlier restores have moved aside.
    pub old: Vec<String>,
}

/// Where a restore stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// Backup and time.
    pub run: String,
    pub step: String,
    /// What the state before it is called.
    pub old: String,
}

impl Unfinished {
    /// The backup that is being restored.
    pub fn backup(&self) -> &str {
        self.run.split('@').next().unwrap_or_default()
    }
}

impl fmt::Display for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.backup(), self.step)
    }
}

impl ControlPlane {
    /// Asks a node.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub fn look(node: &Node) -> Result<Self> {
        let script = format!("RUN= OLD= SAME=\n{PROGRAM}\nlook");
        let output = node.remote().query(&Query { script, ..Query::default() })?;
        Ok(Self::parse(&String::from_utf8_lossy(&output.stdout)))
    }

    fn parse(text: &str) -> Self {
        let pairs: Vec<(&str, &str)> =
            text.lines().filter_map(|line| line.split_once(' ')).collect();
        let said: HashMap<&str, &str> = pairs.iter().copied().collect();
        let field = |name: &str| said.get(name).copied().unwrap_or_default().to_owned();
        let unfinished = said.get("step").and_then(|step| {
            let mut words = step.split(' ').map(str::to_owned);
            Some(Unfinished { run: words.next()?, step: words.next()?, old: words.next()? })
        });
        let old = pairs.iter().filter(|(name, _)| *name == "old");
        Self {
            is_there: said.contains_key("server"),
            cluster: field("cluster"),
            revision: field("revision").parse().ok(),
            is_running: said.contains_key("running"),
            answers: said.contains_key("answers"),
            k3s: field("k3s"),
            restored: field("restored").split('@').next().unwrap_or_default().to_owned(),
            unfinished,
            token: field("token"),
            old: old.map(|(_, name)| (*name).to_owned()).collect(),
        }
    }
}

/// A backup that a node is to run with.
pub struct Restore<'a> {
    pub store: &'a Store,
    pub vault: &'a ProjectVault,
    pub cancel: &'a Cancel,
    /// What verifying the backup has given.
    pub record: &'a Record,
    /// Seconds since 1970 by the operator's clock.
    pub now: i64,
}

impl Restore<'_> {
    /// Brings the backup to the node and starts k3s with it. Goes on where a cut run of the same backup stood; nothing to do
    /// where the node runs with it already.
    ///
    /// # Errors
    /// When another restore is not finished, the link or the node fails, or k3s does not start. What was there is there, or is
    /// moved aside, and the next run goes on.
    pub fn bring(&self, node: &Node, name: &str) -> Result<Change> {
        let found = ControlPlane::look(node)?;
        let change = Change::of("restore", &self.record.name);
        let unfinished = match &found.unfinished {
            Some(other) if other.backup() != self.record.name => return Err(in_the_way(other)),
            known => known.clone(),
        };
        if unfinished.is_none() && found.restored == self.record.name {
            return Ok(change);
        }
        let change = self.describe(&found, change);
        if !node.agrees(&change)? || node.is_dry() {
            return Ok(if node.is_dry() { change } else { change.unless_changed() });
        }
        let unfinished = match unfinished {
            Some(unfinished) => unfinished,
            None => self.receive(node)?,
        };
        let same = if self.record.node == name { "yes" } else { "" };
        act(node, &unfinished, same, "swap")?;
        Ok(change)
    }

    fn describe(&self, found: &ControlPlane, change: Change) -> Change {
        let before = found.is_there.then(|| match found.revision {
            Some(revision) => revision.to_string(),
            None => "unknown".to_owned(),
        });
        let after = self.record.max_id.to_string();
        let change = change.with(Aspect::Attribute { name: "revision", before, after });
        let change = match found.is_running {
            true => change.with(Aspect::Action { action: Action::Restart }),
            false => change.with(Aspect::Action { action: Action::Start }),
        };
        change.remark("k3s")
    }

    /// Sends the backup beside what is there.
    fn receive(&self, node: &Node) -> Result<Unfinished> {
        let stamp = self.now.to_string();
        let run = format!("{}@{stamp}", self.record.name);
        let source = access::open(self.store.read(&self.record.name)?, self.vault)?;
        let mut stoppable = Stoppable { source, cancel: self.cancel };
        let script = format!("RUN={}\n{RECEIVE}", sh_quote(&run));
        let output = node.remote().stream_to(&script, &mut stoppable)?;
        if let Some(output) = output
            && (output.code != 0 || output.stdout.trim_ascii() != b"whole")
        {
            return Err(wrong("the backup did not arrive on the node")
                .detail(String::from_utf8_lossy(&output.stderr))
                .hint("What runs there was not touched. It needs room for the restored state beside the present one."));
        }
        Ok(Unfinished { run, step: "received".into(), old: format!("server.old.{stamp}") })
    }
}

/// Takes the restored state out again, and what was there before back in.
///
/// # Errors
/// When the node fails.
pub fn undo(node: &Node) -> Result<Change> {
    step(node, "undo_restore", "undo", Aspect::Action { action: Action::Restart })
}

/// Says that the restored state is good: a later run does not go on with it. What was before stays aside.
///
/// # Errors
/// When the node fails.
pub fn finish(node: &Node) -> Result<Change> {
    let aspect = Aspect::Attribute { name: "state", before: None, after: "finished".into() };
    step(node, "finish_restore", "finish", aspect)
}

/// One of the ends of a restore; nothing to do where none is under way.
fn step(node: &Node, verb: &'static str, command: &str, aspect: Aspect) -> Result<Change> {
    let Some(unfinished) = ControlPlane::look(node)?.unfinished else {
        return Ok(Change::of(verb, "no restore"));
    };
    let change = Change::of(verb, unfinished.backup()).with(aspect);
    if !node.agrees(&change)? {
        return Ok(change.unless_changed());
    }
    act(node, &unfinished, "", command)?;
    Ok(change)
}

/// Removes what earlier restores have moved aside: all of it, or the states before a time, in seconds since 1970 by the
/// operator's clock.
///
/// # Errors
/// When all is to go and a restore is not finished, or the node fails.
pub fn accept(node: &Node, before: Option<i64>) -> Result<Change> {
    let found = ControlPlane::look(node)?;
    match &found.unfinished {
        Some(unfinished) if before.is_none() => return Err(in_the_way(unfinished)),
        // It may have to go back yet.
        Some(_) => return Ok(Change::of("accept_restore", "nothing aside")),
        None => {}
    }
    let mut goes = found.old;
    goes.retain(|name| {
        before.is_none_or(|before| moved_aside(name).is_some_and(|time| time <= before))
    });
    if goes.is_empty() {
        return Ok(Change::of("accept_restore", "nothing aside"));
    }
    let change = Change::of("accept_restore", goes.join(" ")).with(Aspect::Removed);
    if !node.agrees(&change)? {
        return Ok(change.unless_changed());
    }
    let none = Unfinished { run: String::new(), step: String::new(), old: String::new() };
    let names: Vec<_> = goes.iter().map(|name| sh_quote(name)).collect();
    act(node, &none, "", &format!("accept {}", names.join(" ")))?;
    Ok(change)
}

/// When a state was moved aside, by the operator's clock.
fn moved_aside(name: &str) -> Option<i64> {
    name.strip_prefix("server.old.")?.parse().ok()
}

fn act(node: &Node, at: &Unfinished, same: &str, command: &str) -> Result<()> {
    let script = format!(
        "RUN={} OLD={} SAME={same}\n{PROGRAM}\n{command}",
        sh_quote(&at.run),
        sh_quote(&at.old)
    );
    match node.run(Run { script, ..Run::default() })? {
        Some(output) if output.code != 0 => {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            let step = command.split(' ').next().unwrap_or_default();
            Err(wrong(format!("the restore stopped at `{step}`"))
                .detail(said)
                .hint("Run it again to go on, or with `--undo` to go back."))
        }
        _ => Ok(()),
    }
}

fn in_the_way(other: &Unfinished) -> Error {
    wrong(format!("a restore of {other} is not finished on this node")).hint(format!(
        "Finish it: pirun restore.rhai {}. Or go back: pirun restore.rhai --undo.",
        other.backup()
    ))
}

fn wrong(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Backup, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_a_node_says_of_its_control_plane() {
        let text = "server yes\ncluster abc\nrevision 42\nrunning yes\nk3s v1.34.2+k3s1\nrestored a.pbk@7\n\
            step b.pbk@9 swapping server.old.9\nold server.old.7\nold server.old.8\n";
        let found = ControlPlane::parse(text);
        assert_eq!((found.revision, &*found.restored), (Some(42), "a.pbk"));
        let unfinished = found.unfinished.unwrap();
        assert_eq!(unfinished.to_string(), "b.pbk (swapping)");
        assert_eq!((&*unfinished.old, found.old.len()), ("server.old.9", 2));
        assert_eq!(ControlPlane::parse("step \nrestored \n"), ControlPlane::default());
    }
}
