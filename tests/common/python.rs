//! The Python environment with the peers that read and write the same formats.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where its programs are. `None` where `PIRUN_TESTS_OFFLINE` says that there is no network.
pub fn python() -> Option<PathBuf> {
    if std::env::var_os("PIRUN_TESTS_OFFLINE").is_some() {
        return None;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vault/venv.sh");
    let output = Command::new(script).stderr(Stdio::inherit()).output().expect("it runs");
    assert!(
        output.status.success(),
        "venv.sh failed; PIRUN_TESTS_OFFLINE=1 leaves these tests out"
    );
    let path = String::from_utf8(output.stdout).expect("a path");
    Some(PathBuf::from(path.trim()).join("bin"))
}
