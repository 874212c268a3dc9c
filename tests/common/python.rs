//! The Python environment with the peers that read and write the same formats.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where the programs are of the vault's peers. `None` where `PIRUN_TESTS_OFFLINE` says that there is no network.
pub fn python() -> Option<PathBuf> {
    python_with("tests/vault")
}

/// Where the programs are that a directory's `requirements.txt` asks for.
pub fn python_with(directory: &str) -> Option<PathBuf> {
    if std::env::var_os("PIRUN_TESTS_OFFLINE").is_some() {
        return None;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(root.join("tests/vault/venv.sh"))
        .arg(root.join(directory))
        .stderr(Stdio::inherit())
        .output()
        .expect("it runs");
    assert!(
        output.status.success(),
        "venv.sh failed; PIRUN_TESTS_OFFLINE=1 leaves these tests out"
    );
    let path = String::from_utf8(output.stdout).expect("a path");
    Some(PathBuf::from(path.trim()).join("bin"))
}
