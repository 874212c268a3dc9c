//! The operator's side of SSH: a key pair, host keys, and a configuration that names them.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::fetch::{output, run};
use crate::node::Node;

/// Files in the lab's directory.
pub struct Operator {
    dir: PathBuf,
}

impl Operator {
    /// Makes the key pair.
    pub fn create(dir: &Path) -> Result<Self> {
        let operator = Self { dir: dir.to_owned() };
        run(Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", "pirun-lab", "-f"])
            .arg(operator.private_key()))?;
        fs::write(operator.known_hosts(), "")?;
        let options = format!(
            "Host *\n  User root\n  IdentityFile {}\n  IdentitiesOnly yes\n  UserKnownHostsFile {}\n  GlobalKnownHostsFile none\n  \
             StrictHostKeyChecking yes\n",
            operator.private_key().display(),
            operator.known_hosts().display()
        );
        fs::write(operator.config(), options)?;
        Ok(operator)
    }

    pub fn private_key(&self) -> PathBuf {
        self.dir.join("id_ed25519")
    }

    pub fn public_key(&self) -> PathBuf {
        self.dir.join("id_ed25519.pub")
    }

    pub fn known_hosts(&self) -> PathBuf {
        self.dir.join("known_hosts")
    }

    /// For `ssh -F`.
    pub fn config(&self) -> PathBuf {
        self.dir.join("ssh_config")
    }

    /// Makes a node known by name: its host key, and its address in the configuration.
    pub fn add(&self, node: &Node) -> Result<()> {
        append(&self.known_hosts(), &format!("{}\n", node.host_key()))?;
        let (name, address) = (node.name(), node.address());
        let known = fs::read_to_string(self.config())?;
        // The first value found wins in this format, so what is special goes before what is general.
        fs::write(
            self.config(),
            format!("Host {name}\n  HostName {address}\n  HostKeyAlias {name}\n{known}"),
        )?;
        Ok(())
    }
}

fn append(path: &Path, text: &str) -> Result<()> {
    let mut file = OpenOptions::new()
        .append(true)
        .open(path)
        .with_context(|| format!("open {}", path.display()))?;
    // One write, so that lines of nodes that start at the same time do not mix.
    Ok(file.write_all(text.as_bytes())?)
}

/// The public half, as `ssh-ed25519 AAAA…`, of the host key in `file`, which is made if it is missing.
pub fn make_host_key(file: &Path) -> Result<String> {
    if !file.exists() {
        run(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(file))?;
    }
    let printed = output(Command::new("ssh-keygen").args(["-y", "-f"]).arg(file))?;
    Ok(printed.split(' ').take(2).collect::<Vec<_>>().join(" ").trim().to_owned())
}
