//! A node's state as a stream: a script on the node copies what changes while it is read, and sends a
//! [unit](super::unit). The node needs `sh`, busybox and, better, `sqlite3`.
//!
//! Whatever happens to the script, the link or the power: k3s goes on, and nothing is left on the node but, after a power
//! cut, a directory in `/data/.pirun` that the next snapshot removes.

use std::collections::HashMap;
use std::io::Write;

use super::unit::Method;
use crate::error::{Error, ErrorKind, Result};
use crate::remote::quote::sh_quote;
use crate::remote::{Output, Query, Remote};

const WORK: &str = include_str!("snapshot/work.sh");
const SERVER: &str = include_str!("snapshot/server.sh");
const PATHS: &str = include_str!("snapshot/paths.sh");
const LOOK: &str = include_str!("snapshot/look.sh");

/// Another snapshot of the node is under way.
const BUSY: i32 = 75;
/// The node has not enough room.
const NO_ROOM: i32 = 28;
/// The node is no such node.
const NOTHING: i32 = 65;

/// What a snapshot is to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A control plane.
    Server(Method),
    /// Names below `/data`, with the shell's wildcards.
    Paths(Vec<String>),
}

/// What a look at a server has found. Sizes in KiB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// Size of the datastore with its log.
    pub database: u64,
    /// Size of keys, certificates and manifests.
    pub rest: u64,
    /// Room where a copy would be made.
    pub free: u64,
    /// SHA-256 of the cluster's certificate authority.
    pub cluster: String,
    pub has_sqlite3: bool,
    pub is_running: bool,
    /// Whether the node has its password as an agent.
    pub has_password: bool,
}

impl Survey {
    /// Looks at a server.
    ///
    /// # Errors
    /// It is no k3s server with SQLite, or its token is not its cluster's.
    pub fn look(remote: &dyn Remote) -> Result<Self> {
        let output = remote.query(&Query { script: LOOK.into(), ..Query::default() })?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let said: HashMap<&str, &str> =
            text.lines().filter_map(|line| line.split_once(' ')).collect();
        let kib = |key| said.get(key).and_then(|kib| kib.parse().ok()).unwrap_or(0);
        if !said.contains_key("server") {
            return Err(no_server());
        }
        let cluster = said.get("cluster").copied().unwrap_or_default().to_owned();
        let token = said.get("token").copied().unwrap_or_default();
        // With more than one authority in the file, the token has the hash of the root's alone.
        if !token.is_empty() && token != cluster && kib("authorities") == 1 {
            return Err(Error::new(
                ErrorKind::Backup,
                "the token in /var/lib/rancher/k3s/server is not of the cluster in tls/",
            )
            .hint("k3s itself would not start with it. Did somebody copy one of them here?"));
        }
        Ok(Self {
            database: kib("database"),
            rest: kib("rest"),
            free: kib("free"),
            cluster,
            has_sqlite3: said.contains_key("sqlite3"),
            is_running: said.contains_key("running"),
            has_password: said.contains_key("password"),
        })
    }

    /// The best way to copy the datastore.
    pub fn method(&self, stop: bool) -> Method {
        match (stop, self.has_sqlite3) {
            (true, _) => Method::Stop,
            (false, true) => Method::Vacuum,
            (false, false) => Method::Freeze,
        }
    }

    /// Room that a copy needs, in KiB.
    pub fn needed(&self) -> u64 {
        self.database * 12 / 10 + self.rest + 1024
    }

    /// Whether there is room for a copy.
    pub fn has_room(&self) -> bool {
        self.free >= self.needed()
    }
}

fn no_server() -> Error {
    Error::new(ErrorKind::Backup, "this node is no k3s server with an SQLite datastore")
        .hint("`--paths` backs up directories below /data of any node.")
}

/// A snapshot that is to be taken.
#[derive(Debug, Clone)]
pub struct Snapshot<'a> {
    /// The node's name in the inventory.
    pub node: &'a str,
    /// Seconds since 1970 by the operator's clock.
    pub taken: i64,
    pub what: &'a What,
}

impl Snapshot<'_> {
    /// Takes it, and writes the unit to `out` as it comes. Gives the node's remarks.
    ///
    /// # Errors
    /// Everything but the node's word that all was sent: what `out` got is worthless then.
    pub fn stream(&self, remote: &dyn Remote, out: &mut (dyn Write + Send)) -> Result<Vec<String>> {
        let output = remote.stream_from(&self.script(), out)?;
        self.judge(&output)
    }

    fn script(&self) -> String {
        let (method, paths, body) = match self.what {
            What::Server(method) => (method.name(), String::new(), SERVER),
            What::Paths(paths) => ("", paths.join("\n"), PATHS),
        };
        format!(
            "NODE={} TAKEN={} METHOD={method} PATHS={}\n{}{}",
            sh_quote(self.node),
            self.taken,
            sh_quote(&paths),
            compact(WORK),
            compact(body),
        )
    }

    fn judge(&self, output: &Output) -> Result<Vec<String>> {
        let said = String::from_utf8_lossy(&output.stderr);
        if let Some(error) = said.lines().find_map(|line| line.strip_prefix("pirun-error ")) {
            let error = Error::new(ErrorKind::Backup, error).with_code(output.code);
            return Err(match (output.code, self.what) {
                (BUSY, _) => error.hint("Wait for it, or stop it where it was started."),
                (NO_ROOM, _) => error.hint(
                    "Free some, or use `--stop`: k3s is stopped then while its datastore is sent.",
                ),
                (NOTHING, What::Server(_)) => no_server().detail(error.message()),
                (_, What::Server(Method::Freeze)) => {
                    error.hint("Install the package `sqlite` on the node, or use `--stop`.")
                }
                _ => error,
            });
        }
        let is_complete = said.lines().any(|line| line.starts_with("snapshot-complete "));
        if output.code != 0 || !is_complete {
            let why = format!("the snapshot ended early, with exit code {}", output.code);
            return Err(Error::new(ErrorKind::Backup, why)
                .detail(said.trim_end())
                .with_code(output.code));
        }
        let remarks = said.lines().filter_map(|line| line.strip_prefix("pirun-warning "));
        Ok(remarks.map(str::to_owned).collect())
    }
}

/// Names below `/data` as a user writes them: `/data/app` or `app`, with wildcards.
///
/// # Errors
/// One that is empty, or leads elsewhere.
pub fn data_paths(paths: &[String]) -> Result<Vec<String>> {
    let one = |path: &String| {
        let inner = path.strip_prefix("/data/").unwrap_or(path).trim_matches('/');
        let is_plain = !inner.is_empty()
            && path != "/data"
            && (!path.starts_with('/') || path.starts_with("/data/"))
            && !inner.chars().any(char::is_control)
            && inner.split('/').all(|part| !matches!(part, "" | "." | ".."));
        match is_plain {
            true => Ok(inner.to_owned()),
            false => Err(Error::usage(format!("`{path}` names nothing below /data"))
                .hint("Paths are below /data: `--paths 'app/*,/data/www'`.")),
        }
    };
    paths.iter().map(one).collect()
}

/// Without comments and indentation: the node's SSH server takes 9000 bytes at the most.
fn compact(script: &str) -> String {
    let lines = script.lines().map(str::trim_start);
    lines.filter(|line| !line.starts_with("# ")).map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scripts_fit_into_one_request_of_the_nodes_ssh_server() {
        for what in [What::Server(Method::Vacuum), What::Paths(vec!["x".repeat(1000)])] {
            let script = Snapshot { node: "rpi40", taken: 0, what: &what }.script();
            assert!(script.len() < 9000 - 1000, "{} bytes", script.len());
        }
    }

    #[test]
    fn only_names_below_data_are_backed_up() {
        let good = ["app", "/data/app", "app/*.d/", "a b"].map(str::to_owned);
        assert_eq!(data_paths(&good).unwrap(), ["app", "app", "app/*.d", "a b"]);
        for bad in ["", "/", "/data", "/data/", "/etc", "..", "a/../b", "a//b", "/database", "a\nb"]
        {
            assert!(data_paths(&[bad.to_owned()]).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_end_without_the_nodes_word_is_no_success() {
        let what = What::Server(Method::Freeze);
        let snapshot = Snapshot { node: "rpi40", taken: 0, what: &what };
        let judged = |code, stderr: &str| {
            snapshot.judge(&Output { code, stderr: stderr.into(), ..Output::default() })
        };
        assert!(judged(0, "pirun-warning left out: x\nsnapshot-complete freeze\n").is_ok());
        assert!(judged(0, "").is_err());
        assert!(judged(1, "snapshot-complete freeze\n").is_err());
        assert_eq!(judged(75, "pirun-error busy\n").unwrap_err().message(), "busy");
    }
}
