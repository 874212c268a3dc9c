//! CPU accounting of a node: a control group (v2) of its own, where the system has one that may be written to.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

pub struct Cgroup {
    dir: PathBuf,
}

impl Cgroup {
    /// A new group; `None` where the system has none to offer.
    pub fn create(lab: &str, node: &str) -> Option<Self> {
        let dir = lab_dir(lab)?.join(node);
        fs::create_dir_all(&dir).ok()?;
        Some(Self { dir })
    }

    /// To write `0` to: the writer joins the group.
    pub fn members(&self) -> Result<File> {
        let path = self.dir.join("cgroup.procs");
        OpenOptions::new()
            .write(true)
            .open(&path)
            .with_context(|| format!("open {}", path.display()))
    }

    /// CPU time used so far by all that ran in the group.
    pub fn cpu_time(&self) -> Result<Duration> {
        let path = self.dir.join("cpu.stat");
        let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        let usage = text.lines().find_map(|line| line.strip_prefix("usage_usec "));
        let microseconds =
            usage.and_then(|value| value.parse().ok()).context("no usage_usec in cpu.stat")?;
        Ok(Duration::from_micros(microseconds))
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // Busy while something of the node is still dying: reaped with the lab then.
        remove_tree(&self.dir);
    }
}

/// Removes the groups of a lab; those in use stay.
pub fn remove(lab: &str) {
    if let Some(dir) = lab_dir(lab) {
        remove_tree(&dir);
    }
}

/// Removes the groups of labs whose processes have died; those are named after them.
pub fn reap() {
    let Some(all) = lab_dir("") else { return };
    for entry in fs::read_dir(all).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name.split_once('-').and_then(|(pid, _)| pid.parse::<u32>().ok());
        if owner.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            remove_tree(&entry.path());
        }
    }
}

/// Control groups are directories whose files cannot be removed, only the directories, innermost first.
fn remove_tree(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            remove_tree(&entry.path());
        }
    }
    let _ = fs::remove_dir(dir);
}

fn lab_dir(lab: &str) -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let root = mounts.lines().find_map(|line| {
        let mut words = line.split(' ');
        let (_, path, kind) = (words.next()?, words.next()?, words.next()?);
        (kind == "cgroup2").then(|| PathBuf::from(path))
    })?;
    Some(root.join("pirun-lab").join(lab))
}
