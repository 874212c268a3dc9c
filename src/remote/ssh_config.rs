//! The configuration that every `ssh` of a run reads: pirun's rules first, then the user's own files.
//!
//! OpenSSH takes the first value that it finds, so host keys are always checked against the project's
//! `known_hosts`, under the inventory name, while jump hosts, identities and algorithms stay the user's.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::error::{Error, Result};
use crate::inventory::Host;

/// The configuration on disk; it goes away with this value.
#[derive(Debug)]
pub struct SshConfig {
    dir: TempDir,
    known_hosts: PathBuf,
}

impl SshConfig {
    /// Writes the configuration for `hosts`. `known_hosts` is the project's file; it need not exist.
    pub fn write<'a>(
        hosts: impl IntoIterator<Item = &'a Host>,
        known_hosts: &Path,
    ) -> Result<Self> {
        let dir = tempfile::Builder::new()
            .prefix("pirun-")
            .tempdir()
            .map_err(|e| Error::io(std::env::temp_dir(), &e))?;
        let known_hosts =
            std::path::absolute(known_hosts).map_err(|e| Error::io(known_hosts, &e))?;
        let config = Self { dir, known_hosts };
        let path = config.path();
        fs::write(&path, config.text(hosts)).map_err(|e| Error::io(&path, &e))?;
        Ok(config)
    }

    /// What `ssh -F` is given.
    pub fn path(&self) -> PathBuf {
        self.dir.path().join("ssh_config")
    }

    /// Where the control sockets go: a short path, because a socket's name has at most 107 bytes.
    pub fn control_dir(&self) -> &Path {
        self.dir.path()
    }

    /// The project's `known_hosts`.
    pub fn known_hosts(&self) -> &Path {
        &self.known_hosts
    }

    fn text<'a>(&self, hosts: impl IntoIterator<Item = &'a Host>) -> String {
        let mut text = String::new();
        for host in hosts {
            self.host_block(&mut text, host);
        }
        if let Some(home) = std::env::home_dir() {
            let own = home.join(".ssh/config");
            if own.is_file() {
                let _ = writeln!(text, "Host *\nInclude \"{}\"", own.display());
            }
        }
        text.push_str("Host *\nInclude /etc/ssh/ssh_config\n");
        text
    }

    fn host_block(&self, text: &mut String, host: &Host) {
        let _ = writeln!(text, "Host {}", host.name);
        if host.address != host.name {
            let _ = writeln!(text, "HostName {}", host.address);
        }
        if let Some(port) = host.port {
            let _ = writeln!(text, "Port {port}");
        }
        if !host.user.is_empty() {
            let _ = writeln!(text, "User {}", host.user);
        }
        let _ = writeln!(text, "HostKeyAlias {}", host.name);
        let _ = writeln!(text, "UserKnownHostsFile \"{}\"", self.known_hosts.display());
        text.push_str(
            "GlobalKnownHostsFile /dev/null\nStrictHostKeyChecking yes\nUpdateHostKeys no\nCheckHostIP no\n\
             ConnectTimeout 10\nServerAliveInterval 5\nServerAliveCountMax 3\n\
             ForwardAgent no\nForwardX11 no\nClearAllForwardings yes\nPermitLocalCommand no\nRequestTTY no\n",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_looked_up_by_inventory_name_in_the_projects_file() {
        let host = Host {
            name: "rpi41".into(),
            address: "10.0.0.41".into(),
            user: "root".into(),
            ..Host::default()
        };
        let config = SshConfig::write([&host], Path::new("/p/known hosts")).expect("written");
        let text = fs::read_to_string(config.path()).expect("readable");
        let start: Vec<_> = text.lines().take(6).collect();
        assert_eq!(
            start,
            [
                "Host rpi41",
                "HostName 10.0.0.41",
                "User root",
                "HostKeyAlias rpi41",
                "UserKnownHostsFile \"/p/known hosts\"",
                "GlobalKnownHostsFile /dev/null",
            ]
        );
        assert!(text.contains("StrictHostKeyChecking yes"));
    }
}
