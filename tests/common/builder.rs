//! A project that builds images from the lab's mirror.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use pirun_lab::{Mirror, MirrorServer};
use tempfile::TempDir;

use super::{PASSWORD, Said, said};

/// A project that builds images from a mirror.
pub struct Builder {
    pub project: TempDir,
    pub server: MirrorServer,
    /// What playbooks get as the mirror; another server's for the same bytes in another project.
    pub url: String,
    pub key: PathBuf,
}

impl Builder {
    pub fn new(login: &Path) -> Self {
        let mirror = Mirror::obtain().expect("the mirror");
        let project = tempfile::tempdir().expect("a directory");
        let server = mirror.serve().expect("a server");
        let builder =
            Self { url: server.url(), server, key: mirror.keys().join(mirror.key_name()), project };
        std::fs::copy("vault.enc", builder.path("vault.enc")).expect("the sample vault");
        std::fs::copy(login, builder.path("login.pub")).expect("a public key");
        builder.write("inventory.yaml", "all:\n  hosts:\n    rpi40:\n");
        std::fs::create_dir(builder.path("playbooks")).expect("made");
        for name in ["playbooks/build_image.rhai", "playbooks/write_image.rhai"] {
            std::fs::copy(name, builder.path(name)).expect("copied");
        }
        builder
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.project.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("written");
    }

    pub fn pirun(&self, args: &[&str]) -> Said {
        said(self.command(args).output().expect("pirun runs"))
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pirun"));
        command
            .args(args)
            .current_dir(self.project.path())
            .env("XDG_CACHE_HOME", self.path("cache"))
            .env("XDG_STATE_HOME", self.path("state"))
            .env("PIRUN_VAULT_PASSWORD", PASSWORD)
            .env("COLUMNS", "100")
            .env("NO_COLOR", "1")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// The shipped playbook, with sizes that are enough for fixtures.
    pub fn build(&self, more: &[&str]) -> Said {
        said(self.build_command(more).output().expect("pirun runs"))
    }

    pub fn build_command(&self, more: &[&str]) -> Command {
        let sizes = ["--boot-size", "48M", "--root-size", "320M", "--data-size", "64M"];
        self.build_command_with(&sizes, more)
    }

    /// The shipped playbook with other sizes.
    pub fn build_with(&self, sizes: &[&str], more: &[&str]) -> Said {
        said(self.build_command_with(sizes, more).output().expect("pirun runs"))
    }

    fn build_command_with(&self, sizes: &[&str], more: &[&str]) -> Command {
        let key = self.key.display().to_string();
        let args =
            ["build_image.rhai", "--mirror", &self.url, "--keys", &key, "--key", "login.pub"];
        self.command(&[&args[..], sizes, more].concat())
    }

    pub fn unpack(&self, packed: &str) -> PathBuf {
        let image = self.path("card.img");
        let script = format!(
            "gzip -dc '{}' | dd of='{}' bs=1M conv=sparse iflag=fullblock status=none",
            self.path(packed).display(),
            image.display()
        );
        run(Command::new("sh").args(["-c", &script]));
        image
    }
}

/// Runs a program that must end well; what it printed.
#[track_caller]
pub fn run(command: &mut Command) -> String {
    let output = command.output().expect("it starts");
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {text}");
    text
}

pub fn key_pair(dir: &Path) -> PathBuf {
    let key = dir.join("login");
    run(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key));
    key.with_extension("pub")
}
