//! `pirun ssh`: the very connection that playbooks use.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;

use clap::Args;

use super::inventory::InventorySource;
use crate::child;
use crate::error::{Error, ErrorKind, Result};
use crate::remote::SshConfig;
use crate::ui::Ui;

/// Logs in to a node as playbooks do: same address, same keys, same checks.
#[derive(Debug, Args)]
pub struct SshArgs {
    /// A host of the inventory.
    host: String,

    /// A command to run instead of a login shell.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,

    #[command(flatten)]
    source: InventorySource,
}

/// Runs `pirun ssh` in the current directory, and passes on the exit code of what it ran.
pub fn run(args: &SshArgs, _ui: &Ui) -> Result<()> {
    let inventory = args.source.load(Path::new("."))?;
    let host = inventory.select_one(&args.host)?;
    let config = SshConfig::write([&*host], &inventory.root().join("known_hosts"))?;
    let status = child::command("ssh")
        .arg("-F")
        .arg(config.path())
        .args(["-o", if args.command.is_empty() { "RequestTTY=auto" } else { "RequestTTY=no" }])
        .args(["--", &host.name])
        .args(&args.command)
        .status()
        .map_err(|error| Error::io("ssh", &error))?;
    match status.code() {
        Some(0) => Ok(()),
        Some(code) => Err(Error::new(ErrorKind::Command, format!("ssh ended with code {code}"))
            .on_host(&host.name)
            .with_code(code)),
        None => Err(Error::new(
            ErrorKind::Command,
            format!("ssh was ended by signal {}", status.signal().unwrap_or_default()),
        )),
    }
}
