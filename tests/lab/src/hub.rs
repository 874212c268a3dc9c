//! The hub: the lab's network namespace with the bridge all nodes are plugged into, and the mount namespace with the
//! memory their disks are kept in. Both exist only as open files, and end with the lab.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};

use crate::delay;
use crate::namespaces::{Namespace, New, in_thread, inside, unshare};
use crate::userland::path_with_sbin;

/// The address of whoever talks to the nodes; they see it as their gateway.
pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 1);

/// Bits of the network part of all addresses in the lab.
pub const PREFIX: u8 = 16;

#[derive(Clone)]
pub struct Hub {
    network: Namespace,
    mounts: Namespace,
    disks: PathBuf,
    /// Longer cables, by plug.
    delays: Arc<Mutex<BTreeMap<String, delay::Cable>>>,
}

/// What has passed a node's network plug so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wire {
    pub bytes_to_node: u64,
    pub bytes_from_node: u64,
    pub packets_to_node: u64,
    pub packets_from_node: u64,
}

impl Hub {
    /// Makes the namespaces; `dir` is where the memory disk is mounted, seen inside the lab only.
    pub(crate) fn create(dir: &Path) -> Result<Self> {
        let disks = dir.join("disks");
        fs::create_dir_all(&disks)?;
        in_thread(|| {
            unshare(New::FS | New::NEWNS | New::NEWNET)?;
            // What the host unmounts later shall not be kept alive in here.
            mount_change("/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)?;
            mount("pirun-lab", &disks, "tmpfs", MountFlags::empty(), c"mode=0755,size=80%")
                .context("mount the lab's tmpfs")?;
            // Addresses nobody uses would only chatter. No such file: no IPv6 here.
            let _ = fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
            ip(
                None,
                &format!(
                    "link set lo up\n\
                     link add br0 type bridge\n\
                     addr add {ADDRESS}/{PREFIX} dev br0\n\
                     link set br0 up\n"
                ),
            )?;
            Ok(Self {
                network: Namespace::current("net")?,
                mounts: Namespace::current("mnt")?,
                disks: disks.clone(),
                delays: Arc::default(),
            })
        })
    }

    /// The network namespace, for programs that talk to nodes.
    pub(crate) fn network(&self) -> &Namespace {
        &self.network
    }

    /// The network namespace as an open file.
    pub fn network_fd(&self) -> BorrowedFd<'_> {
        self.network.as_fd()
    }

    /// The mount namespace in which [`disks`](Self::disks) can be seen.
    pub(crate) fn mounts(&self) -> &Namespace {
        &self.mounts
    }

    /// Where nodes keep what they store.
    pub(crate) fn disks(&self) -> &Path {
        &self.disks
    }

    /// Runs `work` in a thread whose sockets are on the hub's network.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        inside(&[&self.network], work)
    }

    /// Wires the calling thread's network namespace to the bridge: `eth0` there, `plug` here.
    pub(crate) fn plug_in(&self, plug: &str, mac: &str) -> Result<()> {
        let node = Namespace::current("net")?;
        let node_path = format!("/proc/{}/fd/{}", std::process::id(), node.as_fd().as_raw_fd());
        // The plug of the last boot outlives its namespace for a moment, and would be in the way.
        if self.plugs()?.iter().any(|(name, _)| name == plug) {
            let _ = ip(Some(&self.network), &format!("link del {plug}\n"));
        }
        let bridge = match self.lock_delays().contains_key(plug) {
            true => delay_bridge(plug),
            false => "br0".to_owned(),
        };
        ip(
            Some(&self.network),
            &format!(
                "link add {plug} master {bridge} up type veth peer name eth0 address {mac} netns {node_path}\n"
            ),
        )
    }

    /// Pulls the plug of a node, or puts it back.
    pub(crate) fn set_plug(&self, plug: &str, connected: bool) -> Result<()> {
        let state = if connected { "up" } else { "down" };
        ip(Some(&self.network), &format!("link set {plug} {state}\n"))
    }

    /// Makes the cable behind a plug longer: each frame takes that much more time, in each direction. Zero puts the
    /// short one back.
    pub(crate) fn delay(&self, plug: &str, one_way: Duration) -> Result<()> {
        let mut delays = self.lock_delays();
        let bridge = delay_bridge(plug);
        match delays.get(plug) {
            Some(_) if one_way.is_zero() => {
                // A node that is off has no plug.
                if self.wire(plug).is_ok() {
                    ip(Some(&self.network), &format!("link set {plug} master br0\n"))?;
                }
                ip(Some(&self.network), &format!("link del {bridge}\n"))?;
                delays.remove(plug);
            }
            Some(cable) => cable.set(one_way),
            None if one_way.is_zero() => {}
            None => {
                // Without `arp off`, the bridge would answer for the hub, on the near side of the cable.
                let (inner, outer) = (format!("{plug}n"), format!("{plug}h"));
                let cable = delay::Cable::between(&self.network, [&inner, &outer], one_way)?;
                ip(
                    Some(&self.network),
                    &format!(
                        "link add {bridge} type bridge\n\
                         link set {bridge} arp off up\n\
                         link set {inner} master {bridge} up\n\
                         link set {outer} master br0 up\n\
                         link set {plug} master {bridge}\n"
                    ),
                )?;
                delays.insert(plug.to_owned(), cable);
            }
        }
        Ok(())
    }

    fn lock_delays(&self) -> MutexGuard<'_, BTreeMap<String, delay::Cable>> {
        self.delays.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The counters of a plug. They start again at zero with each boot of the node.
    pub(crate) fn wire(&self, plug: &str) -> Result<Wire> {
        let found = self.plugs()?.into_iter().find(|(name, _)| name == plug);
        found
            .map(|(_, wire)| wire)
            .with_context(|| format!("no plug {plug} on the hub: the node is off"))
    }

    fn plugs(&self) -> Result<Vec<(String, Wire)>> {
        let text = self.run(|| {
            fs::read_to_string("/proc/thread-self/net/dev").context("read the hub's counters")
        })?;
        Ok(text.lines().filter_map(parse_counters).collect())
    }
}

/// The bridge between a plug and the near end of its longer cable.
fn delay_bridge(plug: &str) -> String {
    format!("{plug}b")
}

/// A line of `/proc/net/dev`: name, then eight figures received and eight sent.
fn parse_counters(line: &str) -> Option<(String, Wire)> {
    let (name, figures) = line.split_once(':')?;
    let figures: Vec<u64> =
        figures.split_whitespace().map_while(|word| word.parse().ok()).collect();
    let wire = Wire {
        bytes_from_node: *figures.first()?,
        packets_from_node: *figures.get(1)?,
        bytes_to_node: *figures.get(8)?,
        packets_to_node: *figures.get(9)?,
    };
    Some((name.trim().to_owned(), wire))
}

/// Runs lines of `ip -batch` in a network namespace, by default the calling thread's.
pub fn ip(network: Option<&Namespace>, lines: &str) -> Result<()> {
    let mut command = Command::new("ip");
    command.env("PATH", path_with_sbin()).args(["-batch", "-"]);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    if let Some(network) = network {
        network.enter_in_child(&mut command);
    }
    let mut child = command.spawn().context("run ip (of iproute2)")?;
    child.stdin.take().context("ip's stdin")?.write_all(lines.as_bytes())?;
    let output = child.wait_with_output()?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "ip -batch: {}\nof\n{lines}", complaint.trim_end());
    Ok(())
}
