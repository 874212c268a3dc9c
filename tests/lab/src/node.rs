//! A node, as tests see it.

use std::ffi::OsStr;
use std::fs;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Signal, pidfd_send_signal};

use crate::hub::Wire;
use crate::namespaces::{Kind, inside, inside_process};
use crate::rootless;
use crate::supply::{Parts, State, Supply, Wanted};

/// For everything that takes as long as it takes: a busy machine is no failure.
const PATIENCE: Duration = Duration::from_secs(180);

/// A Raspberry Pi of the lab. Clones are handles to the same one; it is taken away with its [`Lab`](crate::Lab).
#[derive(Clone)]
pub struct Node(Arc<Supply>);

impl Node {
    /// Puts it under power.
    pub(crate) fn start(parts: Parts) -> Result<Self> {
        Ok(Self(Supply::start(parts)?))
    }

    pub fn name(&self) -> &str {
        &self.0.parts.name
    }

    pub fn address(&self) -> Ipv4Addr {
        self.0.parts.address
    }

    /// The line of a `known_hosts` file for this node, without the line's end.
    pub fn host_key(&self) -> String {
        format!("{},{} {}", self.0.parts.name, self.0.parts.address, self.0.parts.host_key)
    }

    /// The public half of the node's host key: `ssh-ed25519 AAAA…`.
    pub fn public_host_key(&self) -> &str {
        &self.0.parts.host_key
    }

    /// The node's root directory as the kernel shows it from outside; no such path while the node is off. Many links
    /// in it are absolute and would lead out of it: [`read`](Self::read) and [`inside`](Self::inside) follow them
    /// as the node does.
    pub fn root(&self) -> PathBuf {
        match &self.0.state().running {
            Some(running) => PathBuf::from(format!("/proc/{}/root", running.pid)),
            None => PathBuf::from(format!("/proc/{} is off", self.0.parts.name)),
        }
    }

    /// Runs `work` in a thread for which the node's files are at `/`. Network and processes stay the caller's.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        inside_process(self.0.running()?.process.as_fd(), Kind::MOUNT, work)
    }

    /// A file's content, with links followed as the node does.
    pub fn read(&self, path: impl AsRef<Path> + Sync) -> Result<Vec<u8>> {
        let path = path.as_ref();
        self.inside(|| {
            fs::read(path).with_context(|| format!("read {} of {}", path.display(), self.name()))
        })
    }

    /// Runs a program in the node, not by SSH.
    pub fn exec<S: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = S>) -> Result<Output> {
        let mut words = words.into_iter();
        let mut command = Command::new(words.next().context("a command to run in the node")?);
        command
            .args(words)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", "/root")
            .stdin(Stdio::null());
        rootless::allow_logins(&mut command);
        let kinds = Kind::MOUNT
            | Kind::NETWORK
            | Kind::PROCESS_ID
            | Kind::HOST_NAME_AND_NIS_DOMAIN_NAME
            | Kind::INTER_PROCESS_COMMUNICATION;
        inside_process(self.0.running()?.process.as_fd(), kinds, move || {
            let output = command.current_dir("/").output();
            output.with_context(|| format!("run {command:?} in {}", self.name()))
        })
    }

    /// Runs a shell script in the node, not by SSH, and returns what it printed. Another exit status than 0 is an error.
    pub fn sh(&self, script: &str) -> Result<String> {
        let output = self.exec(["sh", "-c", script])?;
        let complaint = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "{}: `{script}`: {}\n{}",
            self.name(),
            output.status,
            complaint.trim_end()
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The node's SD card as a file, if it has one: to be read while the node is off.
    pub fn card(&self) -> Option<PathBuf> {
        self.0.parts.medium.image()
    }

    /// How many times the node has booted; 1 after the start.
    pub fn boots(&self) -> u32 {
        self.0.state().boots
    }

    /// How many times the node has booted after its start.
    pub fn reboots(&self) -> u32 {
        self.boots().saturating_sub(1)
    }

    pub fn is_on(&self) -> bool {
        self.0.state().running.is_some()
    }

    /// Returns when the SSH server listens. It watches the node's files: knocking at a port that is not open yet costs
    /// a second of ARP silence.
    pub fn wait_up(&self) -> Result<()> {
        self.wait("come up", |node, state| {
            if state.running.is_none() && state.wanted != Wanted::On {
                bail!(
                    "{} is off{}",
                    node.parts.name,
                    state.failure.iter().map(|text| format!(": {text}")).collect::<String>()
                );
            }
            Ok(state.running.as_ref().is_some_and(|running| {
                let run = format!("/proc/{}/root/run", running.pid);
                ["dropbear.pid", "sshd.pid"].iter().any(|pid| Path::new(&run).join(pid).exists())
            }))
        })
        .with_context(|| format!("its console:\n{}", self.console()))
    }

    /// Returns when the node has booted more than `boots` times and is up.
    pub fn wait_rebooted(&self, boots: u32) -> Result<()> {
        self.wait("reboot", |_, state| Ok(state.boots > boots && state.running.is_some()))?;
        self.wait_up()
    }

    /// Returns when nothing of the node runs any more.
    pub fn wait_off(&self) -> Result<()> {
        self.wait("go off", |_, state| Ok(state.running.is_none() && state.wanted != Wanted::On))
    }

    fn wait(&self, what: &str, done: impl Fn(&Supply, &State) -> Result<bool>) -> Result<()> {
        let start = Instant::now();
        loop {
            let state = self.0.state();
            if done(&self.0, &state)? {
                return Ok(());
            }
            // Files in the node change without a notification, so this is a wait with a limit.
            drop(self.0.changed.wait_timeout(state, Duration::from_millis(5)));
            ensure!(
                start.elapsed() < PATIENCE,
                "{} did not {what} within {PATIENCE:?}",
                self.name()
            );
        }
    }

    /// Orderly, by the node's own `poweroff`; returns when it is off.
    pub fn power_off(&self) -> Result<()> {
        self.sh("poweroff")?;
        self.wait_off()
    }

    /// Takes the power away: peers see silence, and what was not written is lost (on a card node; a `sync` anywhere on
    /// the machine writes it). Returns when it is off; [`power_on`](Self::power_on) boots it again.
    pub fn power_cut(&self) -> Result<()> {
        let running = self.0.running()?;
        self.0.want(Wanted::Off);
        self.cut()?;
        let root = PathBuf::from(format!("/proc/{}/root", running.pid));
        self.0.parts.medium.lose_unwritten(&root)?;
        pidfd_send_signal(&running.process, Signal::KILL)?;
        self.wait_off()
    }

    /// Boots a node that is off. Does not wait: see [`wait_up`](Self::wait_up).
    pub fn power_on(&self) -> Result<()> {
        ensure!(!self.is_on(), "{} is on already", self.name());
        self.0.want(Wanted::On);
        Ok(())
    }

    /// Pulls the network plug: nothing gets through, nobody is told.
    pub fn cut(&self) -> Result<()> {
        self.0.parts.hub.set_plug(&self.0.plug, false)
    }

    /// Puts the network plug back. A boot does that as well.
    pub fn mend(&self) -> Result<()> {
        self.0.parts.hub.set_plug(&self.0.plug, true)
    }

    /// Makes the network cable longer: each frame takes that much more time, in each direction. Zero ends it; a reboot
    /// does not.
    pub fn delay(&self, one_way: Duration) -> Result<()> {
        self.0.parts.hub.delay(&self.0.plug, one_way)
    }

    /// What has passed the node's network plug since it booted.
    pub fn wire(&self) -> Result<Wire> {
        self.0.parts.hub.wire(&self.0.plug)
    }

    /// Processes and threads started in the node since it booted. Looking does not count.
    pub fn process_count(&self) -> Result<u32> {
        let running = self.0.running()?;
        let mut probes = running.probes.lock().unwrap_or_else(PoisonError::into_inner);
        let last: u32 = inside_process(running.process.as_fd(), Kind::PROCESS_ID, || {
            let output = Command::new("cat").arg("/proc/sys/kernel/ns_last_pid").output()?;
            Ok(String::from_utf8_lossy(&output.stdout).trim().parse()?)
        })?;
        *probes += 1;
        Ok(last - *probes)
    }

    /// CPU time of all the node's processes since its start.
    pub fn cpu_time(&self) -> Result<Duration> {
        self.0
            .parts
            .cgroup
            .as_ref()
            .context("this system has no control groups (v2) the lab may make")?
            .cpu_time()
    }

    /// [`cpu_time`](Self::cpu_time) in seconds.
    pub fn cpu_seconds(&self) -> Result<f64> {
        Ok(self.cpu_time()?.as_secs_f64())
    }

    /// What the node wrote on its console, and what the lab noted of its boots.
    pub fn console(&self) -> String {
        let path = self.0.parts.dir.join("console.log");
        let text = inside(&[self.0.parts.hub.mounts()], || Ok(fs::read(&path)?));
        String::from_utf8_lossy(&text.unwrap_or_default()).into_owned()
    }

    /// Ends it without ceremony, for good. [`join`](Self::join) waits.
    pub(crate) fn doom(&self) {
        self.0.want(Wanted::Gone);
        if let Some(running) = &self.0.state().running {
            // It may have ended by itself.
            let _ = pidfd_send_signal(&running.process, Signal::KILL);
        }
    }

    pub(crate) fn join(&self) {
        self.0.join();
    }
}
