//! Kubernetes, through the `kubectl` that k3s brings on a server node: nothing to install, no API port to open.

mod manifests;
mod node;
mod workload;

pub use manifests::{Delete, apply, differences};
pub use node::{DrainOptions, drain, is_known, is_ready, uncordon};
pub use workload::{Workload, restart, wait};

use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::remote::quote::sh_words;
use crate::remote::{Output, Query, Run};
use crate::state::Node;

/// What every call begins with.
const KUBECTL: [&str; 2] = ["k3s", "kubectl"];
/// How long the API server may take to answer a plain question.
const PATIENCE: Duration = Duration::from_secs(60);

/// A call of kubectl that only looks.
fn ask(server: &Node, args: &[&str], stdin: Option<&[u8]>) -> Result<Output> {
    server.remote().query(&Query {
        script: command(args),
        stdin: stdin.map(<[u8]>::to_vec),
        timeout: Some(PATIENCE),
    })
}

/// A call of kubectl that changes the cluster. `None` in a dry run: it was not made.
fn act(
    server: &Node,
    args: &[&str],
    stdin: Option<&[u8]>,
    timeout: Option<Duration>,
) -> Result<Option<Output>> {
    let run =
        Run { script: command(args), stdin: stdin.map(<[u8]>::to_vec), timeout, ..Run::default() };
    let output = server.run(run)?;
    match &output {
        Some(done) if done.code != 0 => Err(failed(args, done)),
        _ => Ok(output),
    }
}

fn command(args: &[&str]) -> String {
    sh_words(&KUBECTL.iter().chain(args).map(|word| (*word).to_owned()).collect::<Vec<_>>())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end().to_owned()
}

fn failed(args: &[&str], output: &Output) -> Error {
    let said = text(if output.stderr.is_empty() { &output.stdout } else { &output.stderr });
    let error = Error::new(
        ErrorKind::Command,
        format!("`kubectl {}` ended with code {}", args.join(" "), output.code),
    )
    .detail(said.clone());
    if said.contains("refused") || said.contains("Unable to connect") {
        return error.hint("Does k3s run on this server? `rc-service k3s status` tells.");
    }
    if output.code == 127 {
        return error.hint("`kube(host)` takes a server node, where k3s is installed.");
    }
    error
}

/// The duration as kubectl writes it.
fn seconds(time: Duration) -> String {
    format!("{}s", time.as_secs().max(1))
}
