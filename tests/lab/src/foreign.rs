//! Debian packages for another architecture than the machine's, unpacked and never installed: what dpkg knows of
//! architectures stays as it is.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::fetch::{output, run};

/// A view of the machine's own package sources for one architecture, with lists of its own.
pub struct Foreign {
    architecture: &'static str,
    state: tempfile::TempDir,
}

impl Foreign {
    /// Downloads the lists.
    pub fn open(architecture: &'static str) -> Result<Self> {
        let foreign = Self { architecture, state: tempfile::tempdir()? };
        for dir in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(foreign.state.path().join(dir))?;
        }
        // Sources of others, without this architecture, make it fail; whether ours worked is seen by the next step.
        let updated = run(foreign.apt("apt-get").args(["-o", "Acquire::Languages=none", "update"]));
        let known = foreign.dependency("libc6").map(drop);
        known.map_err(|unknown| updated.err().unwrap_or(unknown))?;
        Ok(foreign)
    }

    /// The first package that `package` depends on: a metapackage's real one.
    pub fn dependency(&self, package: &str) -> Result<String> {
        let printed = output(self.apt("apt-cache").args(["depends", package]))?;
        let found = printed.lines().find_map(|line| line.trim().strip_prefix("Depends: "));
        let architecture = self.architecture;
        found
            .map(|name| name.trim_matches(['<', '>']).to_owned())
            .with_context(|| format!("apt knows no {package} for {architecture}"))
    }

    /// Downloads packages and unpacks them all into `dir`.
    pub fn unpack(&self, packages: &[&str], dir: &Path) -> Result<()> {
        let download = self.state.path().join("download");
        fs::create_dir(&download)?;
        run(self.apt("apt-get").arg("download").args(packages).current_dir(&download))?;
        for file in fs::read_dir(&download)? {
            run(Command::new("dpkg").arg("-x").arg(file?.path()).arg(dir))?;
        }
        Ok(fs::remove_dir_all(&download)?)
    }

    fn apt(&self, program: &str) -> Command {
        let mut apt = Command::new(program);
        let state = self.state.path().display();
        apt.args(["-q", "-o", "APT::Sandbox::User=root"]);
        for option in [
            format!("APT::Architecture={}", self.architecture),
            format!("APT::Architectures={}", self.architecture),
            format!("Dir::State::lists={state}/lists"),
            "Dir::State::status=/dev/null".to_owned(),
            format!("Dir::Cache={state}/cache"),
        ] {
            apt.arg("-o").arg(option);
        }
        apt
    }
}
