//! One run of one tool, and what it cost.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::cgroup::Cgroup;
use crate::nodes::Nodes;

/// A command line, and where to run it.
pub struct Invocation {
    pub words: Vec<String>,
    pub env: Vec<(&'static str, String)>,
}

/// The cost of one run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    pub wall: Duration,
    /// The tool and everything it started, left behind or not.
    pub controller_cpu: Duration,
    /// All processes on all hosts.
    pub node_cpu: Duration,
    /// Most memory of the tool's own process, in KiB, its children not counted.
    pub peak_kib: u64,
    /// On the first host.
    pub logins: u64,
    pub channels: u64,
    pub processes: Option<u64>,
}

/// How often a running tool's memory is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// Runs it to its end, without any host: wall and CPU time, and most memory in KiB.
pub fn alone(invocation: &Invocation, dir: &Path, log: &Path) -> Result<Cost> {
    let cgroup = Cgroup::create("tool")?;
    let start = Instant::now();
    let mut child = start_in(&cgroup, invocation, dir, log)?;
    let (peak_kib, wall) = watch(&mut child, start)?;
    let status = child.wait()?;
    // What lingers shall not cost the next tool, nor hide its own cost.
    cgroup.end();
    let text = fs::read_to_string(log).unwrap_or_default();
    ensure!(status.success(), "{status}: {}", tail(&text));
    Ok(Cost { wall, controller_cpu: cgroup.cpu_time()?, peak_kib, ..Cost::default() })
}

/// Runs it to its end. `Err` holds the end of what it printed.
pub fn run(invocation: &Invocation, dir: &Path, log: &Path, nodes: &Nodes) -> Result<Cost> {
    let before = Counters::read(nodes)?;
    let cost = alone(invocation, dir, log)?;
    nodes.settle();
    let after = Counters::read(nodes)?;
    Ok(Cost {
        node_cpu: after.cpu - before.cpu,
        logins: after.logins - before.logins,
        channels: after.channels - before.channels,
        // The second look itself takes one.
        processes: after.processes.zip(before.processes).map(|(a, b)| a.saturating_sub(b + 1)),
        ..cost
    })
}

/// Starts it as a member of the control group from its first instruction on.
fn start_in(cgroup: &Cgroup, invocation: &Invocation, dir: &Path, log: &Path) -> Result<Child> {
    let output = File::create(log).with_context(|| format!("create {}", log.display()))?;
    Command::new("sh")
        .args(["-c", "echo 0 >\"$0\" && exec \"$@\""])
        .arg(cgroup.door())
        .args(&invocation.words)
        .current_dir(dir)
        .env_clear()
        .envs([
            ("PATH", "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
            ("LANG", "C.UTF-8"),
            ("NO_COLOR", "1"),
        ])
        .env("HOME", dir.join("home"))
        .envs(invocation.env.iter().cloned())
        .stdin(std::process::Stdio::null())
        .stderr(output.try_clone()?)
        .stdout(output)
        .spawn()
        .with_context(|| format!("run {:?}", invocation.words))
}

/// Waits for the end; the peak of memory seen until then, and the time.
fn watch(child: &mut Child, start: Instant) -> Result<(u64, Duration)> {
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    let process = rustix::process::Pid::from_child(child);
    let handle = rustix::process::pidfd_open(process, rustix::process::PidfdFlags::empty())?;
    loop {
        let mut ended = [rustix::event::PollFd::new(&handle, rustix::event::PollFlags::IN)];
        let pause = rustix::event::Timespec { tv_sec: 0, tv_nsec: LOOK.subsec_nanos().into() };
        let ready = rustix::event::poll(&mut ended, Some(&pause))?;
        if ready > 0 {
            return Ok((peak, start.elapsed()));
        }
        // The kernel keeps the peak, so that only what happens after the last look is missed.
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let words = line.and_then(|line| line.split_whitespace().next());
        peak = peak.max(words.and_then(|word| word.parse().ok()).unwrap_or(0));
    }
}

struct Counters {
    cpu: Duration,
    logins: u64,
    channels: u64,
    processes: Option<u64>,
}

impl Counters {
    fn read(nodes: &Nodes) -> Result<Self> {
        let first = nodes.iter().next().context("no hosts")?;
        let (logins, channels) = first.logins_and_channels();
        let cpu = nodes.cgroup.cpu_time()?;
        Ok(Self {
            cpu,
            logins: logins as u64,
            channels: channels as u64,
            processes: first.processes(),
        })
    }
}

/// The last lines of what a tool printed, for an error.
fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(8)..].join(" | ")
}
