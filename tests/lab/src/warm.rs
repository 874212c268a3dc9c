//! The state of a node that has booted. OpenRC takes most of a second of CPU to boot; a fast node is given what it
//! leaves behind in /run instead, and starts only the processes.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::cache::{Cache, Key};
use crate::lab::Lab;
use crate::node::Node;
use crate::tree;
use crate::userland::Userland;

/// What to fill a fast node's /run with: from the cache, or taken from a node that is booted for it.
pub fn obtain(cache: &Cache, userland: &Userland) -> Result<PathBuf> {
    let mut key = Key::new("warm 1");
    key.add(userland.id());
    cache.entry("warm", key, |dir| {
        let lab = Lab::assemble(userland.clone(), None)?;
        let node = lab.fast_node("cold")?;
        wait_for_default_runlevel(&node)?;
        let run = node.root().join("run");
        for name in ["openrc", "ifstate"] {
            tree::copy(&run.join(name), &dir.join(name))?;
        }
        Ok(())
    })
}

fn wait_for_default_runlevel(node: &Node) -> Result<()> {
    let start = Instant::now();
    let openrc = node.root().join("run/openrc");
    // Started services are absolute links, which lead nowhere from outside.
    let is = |name: &str| fs::symlink_metadata(openrc.join(name)).is_ok();
    while !is("started/local")
        || !is("started/dropbear")
        || is("rc.starting")
        || softlevel(&openrc) != "default"
    {
        ensure!(
            start.elapsed() < Duration::from_secs(120),
            "OpenRC did not finish its boot:\n{}",
            node.console()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn softlevel(openrc: &Path) -> String {
    fs::read_to_string(openrc.join("softlevel")).unwrap_or_default().trim().to_owned()
}
