//! A project directory with a vault, and the program run in it.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use pirun::vault::{Credential, Kdf, Limits, OpenVault, SecretValue, Vault};
use tempfile::TempDir;

#[path = "../common/python.rs"]
mod python;
pub use python::python;

/// As cheap as Argon2 allows: what protects real passwords would cost a second a test.
pub const CHEAP: Kdf = Kdf { memory: 64, passes: 1, lanes: 1 };

pub const KEY: [u8; 32] = [7; 32];

pub fn password(text: &str) -> Credential {
    Credential::password(text.as_bytes()).unwrap()
}

pub fn limits() -> Limits {
    Limits::without_floor()
}

/// A vault with a password slot `main` (password `right`), a key-file slot `ci`, and three secrets.
pub fn sample() -> OpenVault {
    let mut vault = OpenVault::create("main", &password("right"), CHEAP).unwrap();
    vault.add_slot("ci", &Credential::key_file(KEY), CHEAP).unwrap();
    for (name, value) in [
        ("cloudflare_key", SecretValue::text("apikey")),
        ("k3s_token", SecretValue::text("K10abcdef::server:0123456789")),
        ("tunnel", SecretValue::json(r#"{"TunnelSecret":"c2VjcmV0"}"#).unwrap()),
    ] {
        vault.set(name, &value).unwrap();
    }
    vault
}

pub fn sample_text() -> String {
    sample().print().unwrap()
}

pub fn open(text: &str, password_text: &str) -> Result<OpenVault, pirun::vault::VaultError> {
    Vault::parse(text.as_bytes())?.open(&password(password_text), &limits())
}

/// A directory, and `pirun vault` in it, opened by a key file: that needs no slow derivation.
pub struct Project {
    pub directory: TempDir,
    /// What pirun remembers outside of the project.
    pub states: TempDir,
}

impl Project {
    /// No vault yet.
    pub fn empty() -> Self {
        let temporary = || tempfile::tempdir().unwrap();
        let project = Self { directory: temporary(), states: temporary() };
        project.write_private("key", &KEY);
        project
    }

    /// With the [`sample`] vault.
    pub fn new() -> Self {
        let project = Self::empty();
        fs::write(project.path("vault.enc"), sample_text()).unwrap();
        project
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn vault(&self) -> String {
        fs::read_to_string(self.path("vault.enc")).unwrap()
    }

    pub fn write_private(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.path(name);
        let file =
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
        file.unwrap().write_all(content).unwrap();
        path
    }

    /// `pirun vault …`, not started yet: without a terminal, and with nothing of the tester's environment.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("setsid");
        command
            .args(["--wait", env!("CARGO_BIN_EXE_pirun"), "vault"])
            .args(arguments)
            .current_dir(self.directory.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.directory.path())
            .env("XDG_STATE_HOME", self.states.path())
            .env("PIRUN_VAULT_KEY_FILE", "key")
            .stdin(Stdio::null());
        command
    }

    /// Runs it, and gives what a user sees.
    pub fn run(&self, arguments: &[&str]) -> String {
        self.shown(&self.command(arguments).output().unwrap())
    }

    pub fn run_with_stdin(&self, arguments: &[&str], stdin: &[u8]) -> String {
        let mut command = self.command(arguments);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(stdin).unwrap();
        self.shown(&child.wait_with_output().unwrap())
    }

    /// stdout, stderr and the exit code, with this run's directory and random parts replaced.
    pub fn shown(&self, output: &Output) -> String {
        let text =
            [String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)]
                .concat();
        let text = text.replace(&self.directory.path().display().to_string(), "DIR");
        let random = regex::Regex::new("[0-9a-f]{32}|sealed as [0-9a-f]{8}").unwrap();
        let text = random.replace_all(&text, "RANDOM");
        match output.status.code() {
            Some(0) => text.into_owned(),
            code => format!("{text}exit code {}\n", code.unwrap_or(-1)),
        }
    }
}

/// The directory of the tests' own files.
pub fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vault")
}
