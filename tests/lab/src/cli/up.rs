//! `pirun-lab up`: starts the process that holds the lab, and waits until it has nodes to show.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail};
use clap::Args;

use super::control::{Request, ask};

#[derive(Args)]
pub struct Options {
    /// How many nodes
    #[arg(default_value_t = 3)]
    pub nodes: u16,
    /// Nodes with an SD card, A/B slots and a boot loader, instead of fast ones
    #[arg(long)]
    pub card: bool,
    /// Lets this public key log in as well
    #[arg(long, value_name = "PUB")]
    pub ssh_key: Option<PathBuf>,
}

pub fn up(dir: &Path, options: &Options) -> Result<ExitCode> {
    if ask(dir, &Request::Status).is_ok() {
        bail!(
            "a lab is running in {} already: `pirun-lab status` shows it, `pirun-lab down` ends it",
            dir.display()
        );
    }
    // What it writes before it has a directory, and when it fails.
    let log = tempfile::NamedTempFile::new()?;
    let mut child =
        holder(dir, options, log.as_file())?.spawn().context("start the lab's process")?;
    let mut said = String::new();
    child.stdout.take().context("its output")?.read_to_string(&mut said)?;
    if said != super::serve::READY {
        child.wait()?;
        bail!("{}", fs::read_to_string(log.path())?.trim_end().trim_start_matches("pirun-lab: "));
    }
    print!("{}", ask(dir, &Request::Status)?);
    println!(
        "log in with `pirun-lab ssh NAME`, reach them with `pirun-lab exec -- COMMAND`, end with `pirun-lab down`"
    );
    Ok(ExitCode::SUCCESS)
}

fn holder(dir: &Path, options: &Options, log: &File) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("--dir").arg(dir).arg("serve").arg(options.nodes.to_string());
    if options.card {
        command.arg("--card");
    }
    if let Some(key) = &options.ssh_key {
        command
            .arg("--ssh-key")
            .arg(fs::canonicalize(key).with_context(|| format!("find {}", key.display()))?);
    }
    // A group of its own: Ctrl-C in the terminal is not meant for it.
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log.try_clone()?)
        .process_group(0)
        .current_dir("/");
    Ok(command)
}
