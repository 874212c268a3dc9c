//! Programs that pirun starts on this machine.

use std::ffi::OsStr;
use std::process::Command;

/// The environment variable that may hold the vault's password.
pub const PASSWORD_VARIABLE: &str = "PIRUN_VAULT_PASSWORD";

/// A command that does not inherit the vault's password: what it starts in turn may show its environment to anybody.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_remove(PASSWORD_VARIABLE);
    command
}
