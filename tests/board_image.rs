//! The image that the shipped playbook builds, on a board: real U-Boot runs its boot script, a real kernel starts its
//! OpenRC, and the operator's key logs in.
//!
//! What is not the image's: the board's device tree and an initial RAM disk with what Debian's kernel has as modules
//! (`tests/lab/src/board`). The mirror's `linux-rpi` is that kernel, as Alpine's own is in no package registry.

mod common;

use common::builder::{Builder, key_pair};
use pirun_lab::{Board, BoardOptions};

/// QEMU's network has one address for its guest.
const INTERFACES: &str = "auto lo\niface lo inet loopback\n\nauto eth0\niface eth0 inet static\n\taddress 10.0.2.15/24\n\tgateway 10.0.2.2\n";

#[test]
fn a_built_image_boots_through_u_boot_to_ssh_and_confirms_itself() {
    let dir = tempfile::tempdir().expect("a directory");
    let builder = Builder::new(&key_pair(dir.path()));
    std::fs::create_dir_all(builder.path("over/etc/network")).expect("made");
    builder.write("over/etc/network/interfaces", INTERFACES);
    let minimal = ["--no-k3s", "--devices", "mdev", "--overlay", "over", "--root-size", "shrink"];
    // Serial, so that the test can read along.
    let serial = ["--cmdline", r#"{"console": "ttyAMA0,115200", "quiet": null}"#];
    builder
        .build_with(
            &["--boot-size", "48M", "--data-size", "64M"],
            &[&minimal[..], &serial].concat(),
        )
        .ok();
    let card = builder.unpack("output/sdcard.img.gz");

    let identity = dir.path().join("login");
    let mut board = Board::start(&card, BoardOptions { identity }).expect("a board");
    let mut wait = |marker: &str| board.wait_for(marker).expect("the board gets on");
    wait("uboot.dat is missing or damaged: slot A");
    wait("boot counter: 0 of 2, partition 2");
    wait("Starting dropbear");
    let sh = |script: &str| board.sh(script).expect("the board answers");
    let manifest =
        std::fs::read_to_string(builder.path("output/sdcard.img.gz.manifest")).expect("read");
    let id = sh("cat /etc/pirun/image");
    assert!(id.starts_with("img-") && manifest.contains(id.trim()), "{id} {manifest}");
    let mounts = sh("cat /proc/mounts");
    assert!(mounts.contains(" / ext4 ro,"), "{mounts}");
    for path in ["/data", "/var/lib", "/var/log", "/root"] {
        assert!(
            mounts.contains(&format!(" {path} ext4 rw")),
            "{path} cannot be written to:\n{mounts}"
        );
    }
    let status = sh("until rc-service -q pirun-boot status; do sleep 1; done; pirun-slot status");
    for line in ["record=ok", "counter=0", "next=A", "running=A", "state=confirmed"] {
        assert!(status.lines().any(|found| found == line), "{line} is not in {status}");
    }
    let keys = sh("ls /data/etc/dropbear; grep -c . /data/etc/machine-id");
    assert!(keys.contains("dropbear_ed25519_host_key") && keys.ends_with("1\n"), "{keys}");
    assert!(board.cpu_seconds() < 300.0, "{:.0} QEMU CPU seconds", board.cpu_seconds());
}
