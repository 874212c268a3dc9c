//! CPU time of a set of processes, however they were started and whoever has left whom: a control group (v2).

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};

pub struct Cgroup {
    dir: PathBuf,
}

impl Cgroup {
    pub fn create(name: &str) -> Result<Self> {
        // Process numbers are no names inside: every run is number two or so there.
        let dir = root()?.join(format!("pirun-compare-{name}-{}", now_nanoseconds()?));
        fs::create_dir(&dir).with_context(|| format!("create {}", dir.display()))?;
        Ok(Self { dir })
    }

    /// The file to write `0` to in order to join.
    pub fn door(&self) -> PathBuf {
        self.dir.join("cgroup.procs")
    }

    /// CPU time used so far by all that ran in it.
    pub fn cpu_time(&self) -> Result<Duration> {
        let text = fs::read_to_string(self.dir.join("cpu.stat")).context("read cpu.stat")?;
        let usage = text.lines().find_map(|line| line.strip_prefix("usage_usec "));
        let microseconds = usage.and_then(|value| value.parse().ok());
        Ok(Duration::from_micros(microseconds.context("no usage_usec in cpu.stat")?))
    }

    /// The processes in it.
    pub fn members(&self) -> Vec<Pid> {
        let text = fs::read_to_string(self.door()).unwrap_or_default();
        text.lines().filter_map(|line| Pid::from_raw(line.parse().ok()?)).collect()
    }

    /// Waits until no more than `count` processes are left; whether that came true.
    pub fn settles_at(&self, count: usize, patience: Duration) -> bool {
        let end = Instant::now() + patience;
        while self.members().len() > count {
            if Instant::now() > end {
                return false;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        true
    }

    /// Ends what is left in it.
    pub fn end(&self) {
        for signal in [Signal::TERM, Signal::KILL] {
            for process in self.members() {
                // It may have ended by itself meanwhile.
                let _ = kill_process(process, signal);
            }
            if self.settles_at(0, Duration::from_secs(2)) {
                return;
            }
        }
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        self.end();
        let _ = fs::remove_dir(&self.dir);
    }
}

/// Removes groups that a killed run has left behind; those in use stay.
pub fn sweep() {
    let Ok(root) = root() else { return };
    for entry in fs::read_dir(root).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with("pirun-compare-") {
            let _ = fs::remove_dir(entry.path());
        }
    }
}

fn root() -> Result<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let root = mounts.lines().find_map(|line| {
        let mut words = line.split(' ');
        let (_, path, kind) = (words.next()?, words.next()?, words.next()?);
        (kind == "cgroup2").then(|| Path::new(path).to_owned())
    });
    let root = root
        .context("this system has no control groups (v2) mounted: CPU time cannot be measured")?;
    ensure!(root.join("cgroup.procs").exists(), "{} is no control group", root.display());
    Ok(root)
}

fn now_nanoseconds() -> Result<u128> {
    Ok(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_nanos())
}
