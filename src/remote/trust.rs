//! Host keys: who may be talked to. Keys live in the project's `known_hosts`, under inventory names.

use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use super::ssh_config::SshConfig;
use crate::child;
use crate::error::{Error, ErrorKind, Result};
use crate::inventory::Host;

/// The keys of one host, as lines of `known_hosts`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostKeys(Vec<String>);

impl HostKeys {
    /// The key that the node offers now. Nothing is logged in to, and jump hosts are honoured.
    pub fn offered(host: &Host, config: &SshConfig) -> Result<Self> {
        let seen =
            tempfile::NamedTempFile::new().map_err(|e| Error::io(std::env::temp_dir(), &e))?;
        let output = child::command("ssh")
            .arg("-F")
            .arg(config.path())
            .args(["-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=accept-new"])
            .args(["-o", "PreferredAuthentications=none", "-o", "HashKnownHosts=no", "-o"])
            .arg(format!("UserKnownHostsFile=\"{}\"", seen.path().display()))
            .args(["--", &host.name, "true"])
            .stdin(Stdio::null())
            .output()
            .map_err(|e| Error::io("ssh", &e))?;
        let keys = Self::read(seen.path(), &host.name)?;
        if keys.0.is_empty() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(super::connect_error::explain(host, config, &said));
        }
        Ok(keys)
    }

    /// The keys that `known_hosts` has for `name`; a missing file has none.
    pub fn read(known_hosts: &Path, name: &str) -> Result<Self> {
        let text = match std::fs::read_to_string(known_hosts) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(Error::io(known_hosts, &error)),
        };
        let of_host = |line: &&str| {
            line.split(' ').next().is_some_and(|names| names.split(',').any(|n| n == name))
        };
        Ok(Self(text.lines().filter(of_host).map(str::to_owned).collect()))
    }

    /// The one key of `name` that is known because we made it: algorithm and public key, separated by a space.
    pub fn of(name: &str, public: &str) -> Self {
        Self(vec![format!("{name} {public}")])
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of the keys is among those of `other`, whatever names stand before them.
    pub fn shares_a_key_with(&self, other: &Self) -> bool {
        self.0.iter().any(|line| other.0.iter().any(|known| key_of(known) == key_of(line)))
    }

    /// `ED25519 SHA256:…`, one a key.
    pub fn fingerprints(&self) -> Vec<String> {
        let shown = run_keygen(&(self.0.join("\n") + "\n"));
        shown
            .lines()
            .filter_map(|line| {
                let hash = line.split(' ').find(|word| word.starts_with("SHA256:"))?;
                let kind = line.rsplit(' ').next()?.trim_matches(['(', ')']);
                Some(format!("{kind} {hash}"))
            })
            .collect()
    }

    /// Puts the keys into `known_hosts` in place of those that it has for `name`.
    pub fn remember(&self, known_hosts: &Path, name: &str) -> Result<()> {
        let io = |e: std::io::Error| Error::io(known_hosts, &e);
        let text = match std::fs::read_to_string(known_hosts) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            other => other.map_err(io)?,
        };
        let mut lines: Vec<String> = text.lines().filter_map(|line| without(line, name)).collect();
        lines.extend(self.0.iter().map(|line| format!("{name} {}", key_of(line))));
        let folder = known_hosts.parent().unwrap_or(Path::new("."));
        let mut temp = tempfile::NamedTempFile::new_in(folder).map_err(io)?;
        temp.write_all((lines.join("\n") + "\n").as_bytes()).map_err(io)?;
        temp.as_file().sync_all().map_err(io)?;
        temp.persist(known_hosts).map_err(|e| io(e.error))?;
        Ok(())
    }
}

/// The line without `name` among its names; `None` if that was the only one.
fn without(line: &str, name: &str) -> Option<String> {
    let (names, key) = line.split_once(' ')?;
    if line.starts_with(['#', '@', '|']) || !names.split(',').any(|n| n == name) {
        return Some(line.to_owned());
    }
    let others: Vec<&str> = names.split(',').filter(|n| *n != name).collect();
    (!others.is_empty()).then(|| format!("{} {key}", others.join(",")))
}

/// Type and data of a line of `known_hosts`.
fn key_of(line: &str) -> &str {
    line.split_once(' ').map_or("", |(_, key)| key)
}

fn run_keygen(keys: &str) -> String {
    let child = child::command("ssh-keygen")
        .args(["-l", "-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = child else { return String::new() };
    if let Some(mut stdin) = child.stdin.take() {
        // Keys that ssh-keygen does not want to read to the end have no fingerprint.
        let _ = stdin.write_all(keys.as_bytes());
    }
    let output = child.wait_with_output();
    output.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default()
}

/// Lets the operator's public key in, over a login that may ask for a password on the terminal.
pub fn install_key(host: &Host, config: &SshConfig, key: &str) -> Result<()> {
    // The key travels over stdin: nothing of it is read as shell text.
    let script = "umask 077; mkdir -p ~/.ssh && IFS= read -r key && f=~/.ssh/authorized_keys && \
                  { grep -qxF -- \"$key\" $f 2>/dev/null || printf '%s\\n' \"$key\" >>$f; }";
    let mut child = child::command("ssh")
        .arg("-F")
        .arg(config.path())
        .args(["--", &host.name, script])
        .stdin(Stdio::piped())
        .spawn()
        .map_err(|e| Error::io("ssh", &e))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A login that fails closes the pipe; its status tells below.
        let _ = writeln!(stdin, "{}", key.trim());
    }
    let status = child.wait().map_err(|e| Error::io("ssh", &e))?;
    if status.success() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Connect, format!("the key was not installed on {}", host.name))
        .on_host(&host.name)
        .hint("`ssh` has said why above. Images of pirun have no password at all: their key is put in when the card is written."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remembered_key_replaces_the_old_one_of_that_name_only() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("known_hosts");
        std::fs::write(
            &file,
            "# mine\nrpi40,rpi41 ssh-ed25519 AAAAold\nrpi42 ssh-ed25519 AAAAother\n",
        )
        .expect("written");
        let keys = HostKeys(vec!["10.0.0.41 ssh-ed25519 AAAAnew".into()]);
        keys.remember(&file, "rpi41").expect("remembered");
        assert_eq!(
            std::fs::read_to_string(&file).expect("read"),
            "# mine\nrpi40 ssh-ed25519 AAAAold\nrpi42 ssh-ed25519 AAAAother\nrpi41 ssh-ed25519 AAAAnew\n"
        );
        assert!(HostKeys::read(&file, "rpi41").expect("read").shares_a_key_with(&keys));
    }
}
