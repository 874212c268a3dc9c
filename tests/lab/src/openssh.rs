//! OpenSSH's server of Debian, for roots where the mirror has only a stand-in for it.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::cache::Cache;
use crate::dropbear::{MACHINE, copy_program};
use crate::fetch::{debian_packages, output};

const PACKAGES: [&str; 3] = ["openssh-client", "openssh-server", "libwrap0"];
const PROGRAMS: [&str; 2] = ["usr/bin/ssh-keygen", "usr/sbin/sshd"];

/// Lays out the programs, the libraries that they need and their loader in `root`, for this machine's architecture.
pub fn openssh(cache: &Cache, root: &Path) -> Result<()> {
    let packages = debian_packages(cache, &PACKAGES)?;
    let libraries = ["", "usr/"].map(|dir| packages.join(dir).join(MACHINE.library_dir));
    let libraries = libraries.map(|dir| dir.display().to_string()).join(":");
    for program in PROGRAMS {
        copy_program(&packages.join(program), &root.join(program))?;
        let ldd = &mut Command::new("ldd");
        let printed = output(ldd.env("LD_LIBRARY_PATH", &libraries).arg(packages.join(program)))?;
        for library in printed.split_whitespace().filter(|word| word.starts_with('/')) {
            let name = Path::new(library).file_name().context("a library without a name")?;
            let dir = if name == MACHINE.loader { MACHINE.loader_dir } else { MACHINE.library_dir };
            copy_program(Path::new(library), &root.join(dir).join(name))?;
        }
    }
    Ok(())
}
