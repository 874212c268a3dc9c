//! How pirun reaches a node. [`Remote`] is the only door: `ssh` goes through it for real, `dry` wraps
//! any other and has no way to write, `fake` stands in where only logic is tested.
//!
//! A verb costs one round trip: [`Converge`] carries how to look, what is wanted and how to get there,
//! so that the node itself decides, and answers with what it found.

mod connect;
mod connect_error;
mod dry;
pub mod fake;
mod library;
mod listener;
mod login;
pub mod quote;
mod record;
mod refusal;
mod requests;
mod shell;
mod ssh;
mod ssh_config;
pub mod trust;

use std::fs::File;
use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

pub use connect::SshConnect;
pub use dry::DryRemote;
pub use listener::{Listener, Stream};
pub use record::RecordRemote;
pub use refusal::refusal;
pub use ssh::SshRemote;
pub use ssh_config::SshConfig;

use crate::error::Result;
use crate::inventory::Host;

/// What a command on a node gave back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Output {
    /// The exit code.
    pub code: i32,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

/// Shell text that only looks. The author promises it; `pirun check` warns at known writers.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// POSIX shell, run by busybox ash in a subshell.
    pub script: String,
    pub stdin: Option<Vec<u8>>,
    pub timeout: Option<Duration>,
}

/// Shell text that changes the node.
#[derive(Debug, Clone, Default)]
pub struct Run {
    pub script: String,
    pub scope: Scope,
    pub stdin: Option<Vec<u8>>,
    pub timeout: Option<Duration>,
    /// Hears what it prints while it runs.
    pub listener: Option<Listener>,
}

/// The `writable` that a change happens in: its first change stops the services and remounts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// The mount point; empty: no scope.
    pub mount: String,
    pub services: Vec<String>,
}

/// One wanted state: look, compare on the node, and put right what differs, in one round trip.
#[derive(Debug, Clone, Default)]
pub struct Converge {
    /// Names the thing for the dry run's overlay: `file /etc/hostname`, `service k3s`.
    pub key: String,
    /// Prints the present state as one line.
    pub probe: String,
    /// The line that `probe` prints when all is well.
    pub wanted: String,
    /// Names the words of the state line, so that a dry run can carry each over to a later verb that
    /// looks at other properties of the same thing. Empty: the line is one whole.
    pub facets: Vec<&'static str>,
    /// Prints what the diff needs when the states differ, such as the old content. May be empty.
    pub show: String,
    /// Makes it so. Never sent in a dry run.
    pub apply: String,
    /// The path that would be written, if it is one: a read-only mount is then noticed in a dry run too.
    pub path: String,
    /// Whether a symlink at `path` is itself the thing to replace.
    pub replaces_link: bool,
    /// Whether `apply` makes missing parent directories.
    pub makes_parents: bool,
    /// What the path would hold afterwards, for later reads in the same dry run.
    pub content: Option<Vec<u8>>,
    /// A mark to leave on the node before the change: a name, and a line for people.
    pub mark: Option<(String, String)>,
    pub scope: Scope,
}

/// The node's answer to a [`Converge`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Converged {
    /// The line that `probe` printed before anything was changed.
    pub found: String,
    /// Whether it differed from `wanted` (and was, or would be, put right).
    pub differs: bool,
    /// What `show` printed.
    pub shown: Vec<u8>,
    /// The mount point that holds the path, when the states differ.
    pub mount: String,
    /// A link of another user than root on the way to the path; empty if there is none.
    pub foreign_link: String,
    /// Whether that mount was read-only when it was looked at.
    pub read_only: bool,
    /// Whether a run that was cut has left a mount of this node writable.
    pub marked: bool,
    /// Whether a run that was cut has left handlers that are still due.
    pub due: bool,
}

/// A node, or something that behaves like one.
pub trait Remote: Send + Sync {
    /// Runs shell text that only looks.
    fn query(&self, query: &Query) -> Result<Output>;

    /// Looks and compares only.
    fn look(&self, converge: &Converge) -> Result<Converged>;

    /// Looks, compares, and applies what differs.
    fn converge(&self, converge: &Converge) -> Result<Converged>;

    /// Runs shell text that changes the node. `None` in a dry run: it was not run.
    fn run(&self, run: &Run) -> Result<Option<Output>>;

    /// Ends a writable scope: read-only again, services started again. Gives how the mount was found
    /// ("ro" or "rw") and the services that were, or would be, stopped meanwhile; on stderr, who holds
    /// the mount busy.
    fn close_scope(&self) -> Result<Output>;

    /// The content of a file; `None` if there is no such file.
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>>;

    /// Runs `script`, which may call the functions that write, with `input` streamed into it, over a
    /// channel of its own. `None` in a dry run.
    fn stream_to(&self, script: &str, input: &mut (dyn Read + Send)) -> Result<Option<Output>>;

    /// Like [`Remote::stream_to`], with a local file from where it stands to its end. `progress` is told where it
    /// stands.
    fn send_file(
        &self,
        script: &str,
        file: &File,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<Option<Output>> {
        let _ = progress;
        self.stream_to(script, &mut { file })
    }

    /// Runs `script` and streams what it prints into `output`, over a channel of its own.
    fn stream_from(&self, script: &str, output: &mut (dyn Write + Send)) -> Result<Output>;

    /// Whether this remote only pretends to write.
    fn is_dry(&self) -> bool;
}

/// Makes the connection to a host when a playbook first touches it.
pub trait Connect: Send + Sync {
    fn connect(&self, host: &Host) -> Result<Arc<dyn Remote>>;
}
