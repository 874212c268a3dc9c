//! Programs of another architecture, run by qemu's user mode: for a script that is run in a copy of the tree.
//!
//! Where the machine has not told its kernel of qemu, it is told for the namespace alone in which the script runs, which
//! kernels can since 6.7 (`Documentation/admin-guide/binfmt-misc.rst`). Nothing on the machine changes.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::Script;
use crate::error::{Error, ErrorKind, Result};

/// Who runs a program.
#[derive(Debug, PartialEq, Eq)]
pub enum Runner {
    /// The kernel does by itself, or through what it was told.
    Kernel,
    /// The kernel is to be told this line.
    Told(String),
}

/// An architecture: qemu's name for it, and what its programs begin with: class, byte order and machine of ELF.
const MACHINES: [(&str, &str, u8, u8); 3] = [
    ("aarch64", "aarch64", 2, 0xb7),
    ("armv7 armhf", "arm", 1, 0x28),
    ("x86_64", "x86_64", 2, 0x3e),
];

impl Runner {
    /// Who runs programs for `arch` here.
    ///
    /// # Errors
    /// When nobody does.
    pub fn find(script: Script<'_>, arch: &str) -> Result<Self> {
        let machine = MACHINES.iter().find(|machine| machine.0.split(' ').any(|name| name == arch));
        let nobody = || {
            let message =
                format!("{script} cannot be run: this machine runs no programs for {arch}");
            Error::new(ErrorKind::Image, message).hint(
                "Install qemu-user-static (and binfmt-support, if the kernel is older than 6.7), or leave it out: \
                 `scripts: \"skip\"`.",
            )
        };
        let (_, program, class, number) = machine.ok_or_else(nobody)?;
        let handler = format!("/proc/sys/fs/binfmt_misc/qemu-{program}");
        if *program == std::env::consts::ARCH || Path::new(&handler).exists() {
            return Ok(Self::Kernel);
        }
        let qemu = [format!("qemu-{program}-static"), format!("qemu-{program}")];
        let qemu = qemu.iter().find_map(|name| which(name)).ok_or_else(nobody)?;
        Ok(Self::Told(registration(&qemu, *class, *number)))
    }

    /// Runs `command` to its end; where the kernel has to be told first, as root of a namespace of users of its own, with the
    /// line in `BINFMT`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn run(&self, command: &mut Command) -> std::io::Result<Output> {
        match self {
            Self::Kernel => command.output(),
            Self::Told(line) => as_root_of_a_namespace(command.env("BINFMT", line)),
        }
    }
}

/// `:name:M:offset:magic:mask:interpreter:flags`; `F` opens qemu now, where its path still leads to it.
fn registration(qemu: &Path, class: u8, machine: u8) -> String {
    let magic = format!(
        r"\x7fELF\x{class:02x}\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x{machine:02x}\x00"
    );
    let mask = r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff";
    format!(":pirun:M::{magic}:{mask}:{}:F", qemu.display())
}

fn which(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file())
}

/// The same numbers in a namespace below: `inside outside count` a line.
fn unchanged(map: &str) -> String {
    let lines = map.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let (inside, count) = (words.next()?, words.nth(1)?);
        Some(format!("{inside} {inside} {count}\n"))
    });
    lines.collect()
}

/// Users and groups keep their numbers in it: what the script gives to somebody belongs to him outside.
fn as_root_of_a_namespace(command: &mut Command) -> std::io::Result<Output> {
    const WAIT: &str = r#"echo; read -r _; exec "$@""#;
    let mut inside = Command::new("unshare");
    inside.args(["--user", "sh", "-c", WAIT, "sh"]).arg(command.get_program());
    inside.args(command.get_args()).env_clear();
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            inside.env(name, value);
        }
    }
    let piped = inside.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn()?;
    let process = PathBuf::from(format!("/proc/{}", child.id()));
    let mut said = child.stdout.take().map(BufReader::new);
    if let Some(said) = &mut said {
        said.read_line(&mut String::new())?;
    }
    for map in ["uid_map", "gid_map"] {
        let own = fs::read_to_string(Path::new("/proc/self").join(map))?;
        fs::write(process.join(map), unchanged(&own))?;
    }
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(b"\n")?;
    }
    child.stdout = said.map(BufReader::into_inner);
    child.wait_with_output()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_the_kernel_which_programs_are_qemu_s() {
        let line = registration(Path::new("/usr/bin/qemu-arm-static"), 1, 0x28);
        assert_eq!(
            line,
            r":pirun:M::\x7fELF\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x28\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:/usr/bin/qemu-arm-static:F"
        );
    }
}
