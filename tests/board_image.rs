//! The image that the shipped playbook builds, on a board: written as one host's card, booted by real U-Boot and its own boot
//! script, reached at first contact by the host key that pirun put on it, upgraded by the shipped playbook, and fallen back to.
//!
//! What is not the image's: the board's device tree and an initial RAM disk with what Debian's kernel has as modules
//! (`tests/lab/src/board`). The mirror's `linux-rpi` is that kernel, as Alpine's own is in no package registry.

mod common;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::builder::{Builder, key_pair, run};
use common::{Said, said};
use pirun_lab::{Board, BoardOptions};

/// What a node is here: no k3s, which would take minutes of emulation.
const NODE: &str = "fn configure(host, server, token, key) { host.hostname(host.name); }\n\
    fn is_healthy(host, kube) { host.query(\"grep -q ' / ext4 ro' /proc/mounts\", #{ ok_codes: [0, 1] }).ok }\n";

/// A project whose home directory has the key to the board.
struct Project {
    builder: Builder,
    home: tempfile::TempDir,
}

impl Project {
    fn new() -> Self {
        let home = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(home.path().join(".ssh")).expect("made");
        let builder = Builder::new(&key_pair(home.path()));
        for name in ["write_image.rhai", "upgrade_image.rhai"] {
            let shipped = std::fs::read_to_string(Path::new("playbooks").join(name));
            builder.write(&format!("playbooks/{name}"), &shipped.expect("shipped"));
        }
        builder.write("playbooks/node.rhai", NODE);
        let config = format!("IdentityFile {}\n", home.path().join("login").display());
        std::fs::write(home.path().join(".ssh/config"), config).expect("written");
        Self { builder, home }
    }

    fn build(&self, more: &[&str]) {
        let minimal = [
            "--no-k3s",
            "--devices",
            "mdev",
            "--root-size",
            "shrink",
            "--free-size",
            "8M",
            "--modules",
            "ext4",
        ];
        // Serial, so that the test can read along.
        let serial = ["--cmdline", r#"{"console": "ttyAMA0,115200", "quiet": null}"#];
        let sizes = ["--boot-size", "48M", "--data-size", "64M"];
        self.builder.build_with(&sizes, &[&minimal[..], &serial, more].concat()).ok();
    }

    /// Writes the card of `rpi40`: a loop device over a file.
    fn write_card(&self) -> PathBuf {
        let card = self.builder.path("sdcard");
        std::fs::File::create(&card).and_then(|file| file.set_len(512 << 20)).expect("a card");
        let attached = run(Command::new("losetup").args(["-f", "--show"]).arg(&card));
        let device = attached.trim();
        let written = self.pirun(&[
            "write_image.rhai",
            device,
            "--personalize",
            "rpi40",
            "--key",
            "login.pub",
            "--yes",
            "--force",
            "not-removable",
            "--expect-serial",
            &card.display().to_string(),
        ]);
        run(Command::new("losetup").args(["-d", device]));
        written.ok();
        card
    }

    fn pirun(&self, args: &[&str]) -> Said {
        let mut command = self.builder.command(args);
        command.env("HOME", self.home.path()).env_remove("SSH_AUTH_SOCK");
        said(command.output().expect("pirun runs"))
    }
}

#[test]
fn a_personalized_card_boots_to_its_own_key_and_is_upgraded_and_falls_back() {
    let project = Project::new();
    project.build(&[]);
    let card = project.write_card();

    let identity = project.home.path().join("login");
    let mut board = Board::start(&card, BoardOptions { identity }).expect("a board");
    let inventory = format!(
        "all:\n  children:\n    server:\n      hosts:\n        rpi40: {{ address: 127.0.0.1, port: {} }}\n",
        board.ssh_port()
    );
    project.builder.write("inventory.yaml", &inventory);
    for marker in [
        "uboot.dat is missing or damaged: slot A",
        "boot counter: 0 of 2, partition 2",
        "Starting dropbear",
    ] {
        board.wait_for(marker).expect("the board gets on");
    }
    is_whole(&board, &project);

    // First contact, by the key that the card was written with and no question asked; then the upgrade.
    std::fs::create_dir_all(project.builder.path("over/etc")).expect("made");
    project.builder.write("over/etc/issue", "the second image\n");
    project.build(&[
        "--overlay",
        "over",
        "--output",
        "next",
        "--previous",
        "output/sdcard_update.img.gz",
    ]);
    // An emulated board may take its time.
    let patience = ["--reboot-timeout", "30m", "--wait", "20m"];
    let upgrade =
        ["upgrade_image.rhai", "--image", "next/sdcard_update.img.gz", "--key", "login.pub"];
    let upgrade = [&upgrade[..], &patience].concat();
    let said = project.pirun(&upgrade).ok();
    assert!(said.stdout.contains("~ confirm_slot slot B"), "{}", said.stdout);
    for marker in
        ["boot counter: 1 of 2, partition 3", "This image is on trial", "Starting dropbear"]
    {
        board.wait_for(marker).expect("the board gets on");
    }
    let sh = |board: &Board, script: &str| board.sh(script).expect("the board answers");
    assert_eq!(sh(&board, "cat /etc/issue /etc/hostname"), "the second image\nrpi40\n");
    let status = sh(&board, "pirun-slot status");
    for line in ["record=ok", "counter=0", "next=B", "running=B", "state=confirmed"] {
        assert!(status.lines().any(|found| found == line), "{line} is not in {status}");
    }

    // Then the image breaks: two boots in vain, and the third is the other slot's.
    sh(&board, "mount -o remount,rw / && mv /boot/vmlinuz-rpi /boot/kept && mount -o remount,ro /");
    sh(&board, "(sync; sleep 1; reboot -f) > /dev/null 2>&1 < /dev/null &");
    for marker in [
        "partition 3 does not boot",
        "boot counter: 1 of 2, partition 3",
        "partition 3 does not boot",
        "falling back to partition 2",
        "Starting dropbear",
    ] {
        board.wait_for(marker).expect("the board gets on");
    }
    let status = project.pirun(&["upgrade_image.rhai", "--status"]).ok();
    let row = status.stdout.lines().find(|line| line.starts_with("rpi40")).unwrap_or_default();
    assert!(row.starts_with("rpi40  A ") && row.contains("confirmed"), "{}", status.stdout);

    let used = board.cpu_seconds();
    let _ = writeln!(std::io::stderr(), "{used:.0} CPU seconds of emulation");
}

/// Whether the system on the card is what the build says, with what is written to on `/data`.
fn is_whole(board: &Board, project: &Project) {
    let sh = |script: &str| board.sh(script).expect("the board answers");
    let manifest = project.builder.path("output/sdcard.img.gz.manifest");
    let manifest = std::fs::read_to_string(manifest).expect("read");
    let id = sh("cat /etc/pirun/image");
    assert!(id.starts_with("img-") && manifest.contains(id.trim()), "{id} {manifest}");
    let mounts = sh("cat /proc/mounts");
    assert!(mounts.contains(" / ext4 ro,"), "{mounts}");
    for path in ["/data", "/var/lib", "/var/log", "/root"] {
        let bound = mounts.contains(&format!(" {path} ext4 rw"));
        assert!(bound, "{path} cannot be written to:\n{mounts}");
    }
    let status = sh("until rc-service -q pirun-boot status; do sleep 1; done; pirun-slot status");
    for line in ["record=ok", "counter=0", "next=A", "running=A", "state=confirmed"] {
        assert!(status.lines().any(|found| found == line), "{line} is not in {status}");
    }
    assert_eq!(sh("cat /etc/hostname; grep -c . /data/etc/machine-id"), "rpi40\n1\n");
}
