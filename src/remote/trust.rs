//! Host keys: who may be talked to. Keys live in the project's `known_hosts`, under inventory names.

use std::io::Write as _;
use std::process::{Command, Stdio};

/// The fingerprints of keys in `known_hosts` form, one a line, as `ssh-keygen -l` prints them.
pub fn fingerprints(keys: &str) -> String {
    let child = Command::new("ssh-keygen")
        .args(["-l", "-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = child else { return String::new() };
    if let Some(mut stdin) = child.stdin.take() {
        // A key file that ssh-keygen does not want to read to the end has no fingerprint.
        let _ = stdin.write_all(keys.as_bytes());
    }
    let output = child.wait_with_output();
    output.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default()
}
