//! The comparison's own network, mounts and processes: what it makes is seen by nobody else, and ends with it.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

const INSIDE: &str = "PIRUN_COMPARE_INSIDE";

/// All of this network is local to the inside: a node only has to listen on an address of it.
const NETWORK: &str = "10.98.0.1/16";

pub fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// Starts this program again in namespaces of its own, in place of the one that runs. The shell is there because the
/// first process of a process namespace is deaf to Ctrl-C; everything ends when it does.
pub fn enter() -> Result<()> {
    let root = rustix::process::geteuid().is_root();
    ensure!(root, "the comparison makes namespaces and mounts, which takes root");
    let error = Command::new("unshare")
        .args(["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"])
        .args(["--propagation", "private", "sh", "-c", "\"$@\"; exit $?", "sh"])
        .arg(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .env(INSIDE, "1")
        .exec();
    Err(error).context("run unshare (of util-linux)")
}

/// What has to be done first inside: a network, and a place in memory for all files.
pub fn set_up(work: &Path) -> Result<()> {
    run(Command::new("ip").args(["link", "set", "lo", "up"]))?;
    run(Command::new("ip").args(["addr", "add", NETWORK, "dev", "lo"]))?;
    let options = ["-t", "tmpfs", "-o", "mode=0755,size=90%", "compare"];
    run(Command::new("mount").args(options).arg(work))?;
    hide_ssh(work)
}

/// Gives `ssh` an empty directory in place of the user's `~/.ssh`: it looks there whatever `HOME` says, and a tool
/// that takes any host key would leave our hosts' keys in the user's file.
fn hide_ssh(work: &Path) -> Result<()> {
    let Some(home) = std::env::home_dir() else { return Ok(()) };
    let (own, empty) = (home.join(".ssh"), work.join("no-ssh"));
    for dir in [&own, &empty] {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    }
    run(Command::new("mount").arg("--bind").args([&empty, &own]))
}

/// Runs a program to its end; an error holds what it wrote on stderr.
pub fn run(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("run {command:?}"))?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {}\n{}", output.status, complaint.trim_end());
    Ok(())
}
