//! A cluster of lab nodes with a project around it: what a user has on the table.

#![allow(dead_code, reason = "each test file uses its part of this")]

pub mod backups;
pub mod builder;
pub mod control_plane;
pub mod loop_device;
pub mod python;
pub mod upgrades;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use pirun_lab::{Lab, Node};
use tempfile::TempDir;

/// The password of the sample vault.
pub const PASSWORD: &str = "raspberry";

/// Nodes, a project directory that knows them, and a home directory with the key to them.
pub struct Cluster {
    pub nodes: Vec<Node>,
    pub project: TempDir,
    home: TempDir,
    pub lab: Lab,
}

/// What is put before a node's program to end it before its `CUT`-th step that changes something.
pub const CUT: &str = r#"
step() { CUT=$((CUT - 1)); [ $CUT -gt 0 ] || kill -9 $$; }
mv() { step; command mv "$@"; }
cp() { step; command cp "$@"; }
rm() { step; command rm "$@"; }
mkdir() { step; command mkdir "$@"; }
"#;

/// What a command said, and how it ended.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Cluster {
    /// Fast nodes; the first is the server, the others are agents.
    pub fn start(names: &[&str]) -> Self {
        let lab = Lab::start().expect("a lab");
        let nodes = lab.fast_nodes(names).expect("nodes");
        Self::around(lab, nodes)
    }

    /// A project around nodes that run already.
    pub fn around(lab: Lab, nodes: Vec<Node>) -> Self {
        let cluster = Self { nodes, project: temp(), home: temp(), lab };
        let addresses: Vec<_> =
            cluster.nodes.iter().map(|n| (n.name().to_owned(), n.address().to_string())).collect();
        cluster.write_inventory(&addresses, "");
        std::fs::copy(cluster.lab.known_hosts(), cluster.path("known_hosts")).expect("copied");
        copy_tree(Path::new("playbooks"), &cluster.path("playbooks"));
        std::fs::copy("vault.enc", cluster.path("vault.enc")).expect("the sample vault");
        let ssh = cluster.home.path().join(".ssh");
        std::fs::create_dir(&ssh).expect("made");
        let key = cluster.lab.private_key();
        std::fs::write(ssh.join("config"), format!("IdentityFile {}\n", key.display()))
            .expect("written");
        let public = format!("{}.pub", key.display());
        std::fs::copy(public, ssh.join("id_ed25519.pub")).expect("copied");
        cluster
    }

    /// Writes `inventory.yaml`; `more` is put at its end.
    pub fn write_inventory(&self, addresses: &[(String, String)], more: &str) {
        let mut text = "all:\n  children:\n    server:\n      hosts:\n".to_owned();
        for (index, (name, address)) in addresses.iter().enumerate() {
            if index == 1 {
                text += "    agent:\n      hosts:\n";
            }
            let (address, port) = address.split_once(':').unwrap_or((address, "22"));
            let _ = writeln!(text, "        {name}: {{ address: {address}, port: {port} }}");
        }
        self.write("inventory.yaml", &(text + more));
    }

    /// Where `~` is for this cluster's commands.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Sets variables of a host.
    pub fn host_vars(&self, host: &str, yaml: &str) {
        std::fs::create_dir_all(self.path("host_vars")).expect("made");
        self.write(&format!("host_vars/{host}.yaml"), yaml);
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.project.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("written");
    }

    pub fn node(&self, name: &str) -> &Node {
        self.nodes.iter().find(|node| node.name() == name).expect("a node of that name")
    }

    /// The command, ready to run in the project and on the lab's network.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = self.lab.command(env!("CARGO_BIN_EXE_pirun"));
        command
            .args(args)
            .current_dir(self.project.path())
            .env("HOME", self.home.path())
            .env("PIRUN_VAULT_PASSWORD", PASSWORD)
            .env_remove("SSH_AUTH_SOCK")
            .env("COLUMNS", "100")
            .env("NO_COLOR", "1")
            .stdin(Stdio::null());
        command
    }

    /// Runs pirun in the project.
    pub fn pirun(&self, args: &[&str]) -> Said {
        said(self.command(args).output().expect("pirun runs"))
    }

    /// Waits until a host answers: after a power cut, the network takes its time to find it again.
    #[track_caller]
    pub fn wait_for_answer(&self, host: &str) {
        eventually("it answers again", || {
            self.pirun(&["exec", host, "--", "true"]).code == Some(0)
        });
    }

    /// Starts pirun and leaves it running.
    pub fn spawn(&self, args: &[&str]) -> Child {
        self.command(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("pirun starts")
    }

    /// Writes a playbook and runs it.
    pub fn play(&self, text: &str, args: &[&str]) -> Said {
        self.write("play.rhai", text);
        self.pirun(&[&["play.rhai"], args].concat())
    }
}

impl Said {
    /// The run must have gone well.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{}\n{}", self.stdout, self.stderr);
        self
    }

    /// The run must have ended with this code.
    #[track_caller]
    pub fn code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stdout, self.stderr);
        self
    }

    /// Everything that was said.
    pub fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// The recap's row of a host: ok, changed, failed.
    #[track_caller]
    pub fn recap(&self, host: &str) -> (usize, usize, usize) {
        let row = self.stdout.lines().rev().find_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let numbers: Vec<usize> = words.iter().skip(1).map_while(|w| w.parse().ok()).collect();
            (words.first() == Some(&host) && numbers.len() >= 3)
                .then(|| (numbers[0], numbers[1], numbers[2]))
        });
        row.unwrap_or_else(|| panic!("no recap of {host} in\n{}\n{}", self.stdout, self.stderr))
    }
}

/// How a command ended, as text.
pub fn said(output: Output) -> Said {
    Said {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Waits until something holds; generous, because machines are slow and busy.
#[track_caller]
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < end, "never: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Whether something comes to hold while a command runs.
pub fn waits_for(child: &mut Child, holds: impl Fn() -> bool) -> bool {
    let end = Instant::now() + Duration::from_secs(400);
    while Instant::now() < end {
        if holds() {
            return true;
        }
        if child.try_wait().expect("asked").is_some() {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    false
}

/// Names, modes, owners, sizes and times of everything that a run could change on a node.
pub fn listing(node: &Node) -> String {
    let find = "find / /data -xdev \\( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path '/var/log*' \
                -o -path '/data/var/log*' -o -path /tmp \\) -prune -o -print | sort -u";
    node.sh(&format!("{find} | while read -r f; do stat -c '%n %f %u %g %s %Y %Z' \"$f\"; done"))
        .expect("a listing")
}

/// The content of everything that a run could change on a node.
pub fn contents(node: &Node) -> String {
    node.sh("find / /data -xdev \\( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path '/var/log*' \
             -o -path '/data/var/log*' -o -path /tmp \\) -prune -o -type f -print | sort -u | tr '\\n' '\\0' | xargs -0 sha256sum")
        .expect("hashes")
}

fn temp() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("made");
    for entry in std::fs::read_dir(from).expect("readable") {
        let entry = entry.expect("readable");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("copied");
        }
    }
}
