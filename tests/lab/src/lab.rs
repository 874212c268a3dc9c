//! A lab: a hub, the operator's keys, and nodes.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{fs, thread};

use anyhow::{Context, Result, bail};

use crate::cache::Cache;
use crate::hub::Hub;
use crate::node::Node;
use crate::plan::NodePlan;
use crate::relay::Relay;
use crate::rundir::RunDir;
use crate::ssh::Operator;
use crate::userland::{Layout, Userland};
use crate::{card_image, warm};

/// A running lab. Dropping it, also by a panic, ends its nodes and takes everything away.
pub struct Lab {
    nodes: Mutex<BTreeMap<String, Node>>,
    numbers: AtomicU16,
    relays: AtomicU16,
    pub(crate) operator: Operator,
    authorized_keys: Mutex<String>,
    hub: Hub,
    pub(crate) userland: Userland,
    pub(crate) run_state: Option<PathBuf>,
    // Last, as its directory is what the others live in.
    rundir: RunDir,
}

impl Lab {
    /// Starts a lab without nodes. The first one on a machine downloads and builds what all of them share; an error
    /// says what is missing and what to do about it.
    pub fn start() -> Result<Self> {
        Self::start_in(RunDir::create()?)
    }

    /// Starts a lab that is to be found under a known path.
    pub fn start_at(dir: &Path) -> Result<Self> {
        Self::start_in(RunDir::create_at(dir)?)
    }

    fn start_in(rundir: RunDir) -> Result<Self> {
        ensure_root()?;
        let cache = Cache::open()?;
        let userland = Userland::obtain(&cache)?;
        let run_state = warm::obtain(&cache, &userland)?;
        Self::assemble_in(rundir, userland, Some(run_state))
    }

    /// A lab of that userland; without a `run_state` its fast nodes boot the long way.
    pub(crate) fn assemble(userland: Userland, run_state: Option<PathBuf>) -> Result<Self> {
        Self::assemble_in(RunDir::create()?, userland, run_state)
    }

    fn assemble_in(rundir: RunDir, userland: Userland, run_state: Option<PathBuf>) -> Result<Self> {
        let operator = Operator::create(rundir.path())?;
        Ok(Self {
            nodes: Mutex::default(),
            numbers: AtomicU16::new(1),
            relays: AtomicU16::new(1),
            authorized_keys: Mutex::new(fs::read_to_string(operator.public_key())?),
            operator,
            hub: Hub::create(rundir.path())?,
            userland,
            run_state,
            rundir,
        })
    }

    /// The plan of a node; nothing happens before [`NodePlan::fast`] or [`NodePlan::card`].
    pub fn node<'a>(&'a self, name: &'a str) -> NodePlan<'a> {
        NodePlan::new(self, name)
    }

    /// Starts a fast node; it answers SSH when this returns.
    pub fn fast_node(&self, name: &str) -> Result<Node> {
        self.node(name).fast()
    }

    /// Starts fast nodes, several at a time.
    pub fn fast_nodes<S: AsRef<str> + Sync>(&self, names: &[S]) -> Result<Vec<Node>> {
        in_parallel(names, |name| self.fast_node(name.as_ref()))
    }

    /// Starts a card node; it answers SSH when this returns.
    pub fn card_node(&self, name: &str) -> Result<Node> {
        self.node(name).card()
    }

    /// Starts card nodes, several at a time.
    pub fn card_nodes<S: AsRef<str> + Sync>(&self, names: &[S]) -> Result<Vec<Node>> {
        in_parallel(names, |name| self.card_node(name.as_ref()))
    }

    /// Makes a root file system for a card's slot: the one all nodes have, after `change` has been at a copy of it. The
    /// file is in the lab's directory, ready to be written to `/dev/mmcblk0p3`.
    pub fn slot_image(
        &self,
        name: &str,
        change: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let path = self.dir().join(format!("{name}.ext4"));
        card_image::root_image(&self.userland, Layout::Own, &path, change)?;
        Ok(path)
    }

    /// The nodes started so far, by name: `rpi9` before `rpi10`.
    pub fn nodes(&self) -> Vec<Node> {
        let mut nodes: Vec<Node> = self.lock_nodes().values().cloned().collect();
        nodes.sort_by(|a, b| (a.name().len(), a.name()).cmp(&(b.name().len(), b.name())));
        nodes
    }

    /// A node started before.
    pub fn find(&self, name: &str) -> Result<Node> {
        let nodes = self.lock_nodes();
        let names = || nodes.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        nodes
            .get(name)
            .cloned()
            .with_context(|| format!("no node {name} in this lab, only: {}", names()))
    }

    /// A command that runs where the nodes can be reached: on the host, but on the hub's network.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        self.hub.network().enter_in_child(&mut command);
        command
    }

    /// `ssh` to a node, as root by key, host key checked.
    pub fn ssh(&self, node: &Node) -> Command {
        let mut command = self.command("ssh");
        command.arg("-F").arg(self.operator.config()).arg(node.name());
        command
    }

    /// A relay in front of a node, for as long as it is kept: it counts, delays and cuts connections.
    pub fn relay(&self, node: &Node) -> Result<Relay> {
        let number = self.relays.fetch_add(1, Ordering::Relaxed);
        let [c, d] = number.to_be_bytes();
        Relay::start(&self.hub, Ipv4Addr::from([10, 99, 200 + c, d]), node)
    }

    /// Makes the network cables of all nodes started so far longer; see [`Node::delay`].
    pub fn delay(&self, one_way: Duration) -> Result<()> {
        self.nodes().iter().try_for_each(|node| node.delay(one_way))
    }

    /// The hub, for sockets on the lab's network.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// The lab's directory: keys, `known_hosts`, `ssh_config`. A place for small files of a test as well.
    pub fn dir(&self) -> &Path {
        self.rundir.path()
    }

    /// The key that may log in as root on all nodes; the public half has `.pub` behind it.
    pub fn private_key(&self) -> PathBuf {
        self.operator.private_key()
    }

    /// Host keys of all nodes, by name and by address.
    pub fn known_hosts(&self) -> PathBuf {
        self.operator.known_hosts()
    }

    /// A configuration for `ssh -F`: names of nodes, key, host keys.
    pub fn ssh_config(&self) -> PathBuf {
        self.operator.config()
    }

    /// Lets another key (a line of `authorized_keys`) log in on nodes started from now on.
    pub fn authorize(&self, public_key: &str) {
        let mut keys = self.authorized_keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.push_str(public_key.trim_end());
        keys.push('\n');
    }

    /// What goes into a node's `authorized_keys`.
    pub(crate) fn authorized_keys(&self) -> String {
        self.authorized_keys.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A word no other lab alive has.
    pub(crate) fn id(&self) -> String {
        self.rundir.id()
    }

    /// An inventory of all nodes in Ansible's YAML form: the first is the server, the others are agents.
    pub fn inventory(&self) -> String {
        let host = |node: &Node| {
            format!("        {}:\n          ansible_host: {}\n", node.name(), node.address())
        };
        let nodes = self.nodes();
        let (server, agents) = nodes.split_at(nodes.len().min(1));
        let group = |name, hosts: &[Node]| match hosts {
            [] => String::new(),
            hosts => {
                format!("    {name}:\n      hosts:\n{}", hosts.iter().map(host).collect::<String>())
            }
        };
        format!(
            "all:\n  vars:\n    ansible_user: root\n  children:\n{}{}",
            group("server", server),
            group("agent", agents)
        )
    }

    pub(crate) fn lock_nodes(&self) -> MutexGuard<'_, BTreeMap<String, Node>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn next_address(&self) -> Ipv4Addr {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        // 10.99.1.1 … 10.99.1.250, 10.99.2.1 …
        let (c, d) = ((number - 1) / 250 + 1, (number - 1) % 250 + 1);
        Ipv4Addr::from([10, 99, c.to_le_bytes()[0], d.to_le_bytes()[0]])
    }
}

impl Lab {
    /// Ends all nodes, as dropping the lab does.
    pub fn end_nodes(&self) {
        let nodes = self.nodes();
        nodes.iter().for_each(Node::doom);
        nodes.iter().for_each(Node::join);
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.end_nodes();
    }
}

fn ensure_root() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        bail!(
            "the lab makes namespaces and mounts, which takes root: run as root, or, for fast nodes only, \
             run the same command in a user namespace: `pirun-lab rootless -- COMMAND…`"
        );
    }
    Ok(())
}

/// Applies `work` to all items, a few at a time; results in their order, or the first error.
fn in_parallel<I: Sync, T: Send>(
    items: &[I],
    work: impl Fn(&I) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    let workers = thread::available_parallelism().map_or(2, usize::from) + 2;
    thread::scope(|scope| {
        for _ in 0..workers.min(items.len()) {
            scope.spawn(|| {
                while let Some((number, item)) = Some(next.fetch_add(1, Ordering::Relaxed))
                    .and_then(|n| Some((n, items.get(n)?)))
                {
                    let result = work(item);
                    results.lock().unwrap_or_else(PoisonError::into_inner).push((number, result));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(number, _)| *number);
    results.into_iter().map(|(_, result)| result).collect()
}
