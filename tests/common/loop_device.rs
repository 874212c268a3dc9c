//! Loop devices: what a card is played by.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A loop device over a file. It is taken off again, the file stays.
pub struct LoopDevice {
    pub device: String,
    pub file: PathBuf,
}

impl LoopDevice {
    /// One over a new sparse file of so many bytes.
    pub fn new(file: &Path, bytes: u64) -> Self {
        File::create(file).expect("made").set_len(bytes).expect("a size");
        Self { device: attach(file), file: file.to_owned() }
    }

    /// What a playbook with `force` and `expect_serial` as parameters needs to write to it unasked.
    pub fn consent(&self) -> [&str; 5] {
        let serial = self.file.to_str().expect("UTF-8");
        ["--yes", "--force", "not-removable", "--expect-serial", serial]
    }
}

impl Drop for LoopDevice {
    fn drop(&mut self) {
        detach(&self.device);
    }
}

pub fn attach(file: &Path) -> String {
    let output =
        Command::new("losetup").args(["-f", "--show"]).arg(file).output().expect("losetup");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

pub fn detach(device: &str) {
    let _ = Command::new("losetup").args(["-d", device]).status();
}
