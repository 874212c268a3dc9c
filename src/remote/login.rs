//! One login: an `ssh` that stays, and lets sessions in over a control socket.
//!
//! The crate `openssh` could start it too, but with all of pirun's environment, the vault's password included.

use std::path::Path;
use std::process::Stdio;

use openssh::Session;
use tempfile::TempDir;
use tokio::process::Command;

use super::connect_error;
use super::ssh_config::SshConfig;
use crate::child;
use crate::error::{Error, Result};
use crate::inventory::Host;

/// Logs in.
pub async fn log_in(host: &Host, config: &SshConfig) -> Result<Session> {
    let dir = tempfile::Builder::new()
        .prefix("m")
        .tempdir_in(config.control_dir())
        .map_err(|error| Error::io(config.control_dir(), &error))?;
    let log = dir.path().join("log");
    // It forks, and its parent ends, when it has logged in.
    let status = Command::from(master(host, config, &dir, &log))
        .status()
        .await
        .map_err(|error| not_started(&error))?;
    if status.success() {
        return Ok(Session::new_native_mux(dir));
    }
    let said = std::fs::read(&log).unwrap_or_default();
    Err(connect_error::explain(host, config, &String::from_utf8_lossy(&said)))
}

fn master(host: &Host, config: &SshConfig, dir: &TempDir, log: &Path) -> std::process::Command {
    let mut ssh = child::command("ssh");
    ssh.arg("-F").arg(config.path()).arg("-E").arg(log).arg("-S").arg(dir.path().join("master"));
    // The run owns its connections; one that pirun could not close any more ends by itself.
    ssh.args(["-M", "-N", "-f", "-o", "ControlPersist=10s", "-o", "BatchMode=yes"]);
    ssh.args(["-o", "StrictHostKeyChecking=yes", "--", &host.name]);
    ssh.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    ssh
}

fn not_started(error: &std::io::Error) -> Error {
    Error::io("ssh", error).hint("pirun logs in by OpenSSH's client. Is it installed?")
}
