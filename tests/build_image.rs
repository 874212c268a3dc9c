//! Images that are built from the lab's mirror: of real Alpine packages, and of fixtures for what the mirror lacks.

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use common::builder::{Builder, key_pair, run};
use common::loop_device::LoopDevice;
use common::{Cluster, eventually};
use pirun_lab::Lab;

/// The hashes of all files of `output` but signatures, which are new each time.
fn hashes(builder: &Builder) -> String {
    let script = "ls | grep -v minisig | xargs sha256sum";
    run(Command::new("sh").args(["-c", script]).current_dir(builder.path("output")))
}

#[test]
fn two_builds_of_the_shipped_image_have_the_same_bytes_and_no_checker_complains() {
    let dir = tempfile::tempdir().expect("a directory");
    let login = key_pair(dir.path());
    let (first, mut second) = (Builder::new(&login), Builder::new(&login));
    // Where apk on the node looks is part of the image.
    second.url.clone_from(&first.url);
    let built = first.build(&[]).ok();
    assert!(built.stdout.contains("+ image output/sdcard_update.img.gz"), "{}", built.stdout);
    // The key that signs is the vault's.
    std::fs::copy(first.path("vault.enc"), second.path("vault.enc")).expect("copied");
    second.build(&[]).ok();
    assert_eq!(hashes(&first), hashes(&second));

    let again = first.build(&["--offline"]).ok();
    assert!(!again.stdout.contains("image.lock"), "the lock file is new again: {}", again.stdout);
    for image in ["output/sdcard.img.gz", "output/sdcard_update.img.gz"] {
        assert!(again.stdout.contains(&format!("{image} is as it was")), "{}", again.stdout);
    }
    assert_eq!(hashes(&first), hashes(&second));

    let output = first.path("output");
    for hash in ["sdcard.img.gz.sha256", "sdcard_update.img.gz.sha256"] {
        run(Command::new("sha256sum").args(["-c", hash]).current_dir(&output));
    }
    first.write("public.rhai", "print(signing_key_public(vault(\"image_signing_key\")));");
    let said = first.pirun(&["public.rhai"]).ok().stdout;
    let public = said.lines().find(|line| line.starts_with("RW")).expect("a public key");
    for manifest in ["sdcard.img.gz.manifest", "sdcard_update.img.gz.manifest"] {
        let mut minisign = Command::new("minisign");
        run(minisign.args(["-V", "-P", public, "-m", manifest]).current_dir(&output));
    }
    check_file_systems(&first.unpack("output/sdcard.img.gz"));
    if let Some(python) = common::python::python_with("tests/image") {
        let mut validator = Command::new(python.join("pyspdxtools"));
        run(validator.arg("-i").arg(output.join("sdcard_update.img.gz.spdx.json")));
    }

    // The same again, and a card of it.
    let card = LoopDevice::new(&first.path("loop.img"), 1 << 30);
    let all = [&["all", &card.device, "--offline", "--personalize", "rpi40"], &card.consent()[..]];
    let said = first.build(&all.concat()).ok().stdout;
    assert!(said.contains("~ write_card /dev/loop"), "{said}");
    let said = first.build(&all.concat()).ok().stdout;
    assert!(!said.contains("write_card"), "it is written twice: {said}");
    check_file_systems(&card.file);
    let refused = first.build(&["all"]).code(2);
    assert!(refused.stderr.contains("no card was named"), "{}", refused.stderr);
}

/// All that knows cards' formats looks at one.
fn check_file_systems(card: &Path) {
    let table = run(Command::new("/sbin/sfdisk").args(["--json"]).arg(card));
    run(Command::new("/sbin/sfdisk").args(["--verify"]).arg(card));
    let table: serde_json::Value = serde_json::from_str(&table).expect("JSON");
    let partitions = table["partitiontable"]["partitions"].as_array().expect("partitions").clone();
    let checks = ["/sbin/fsck.vfat -n", "/sbin/e2fsck -fn", "/sbin/e2fsck -fn", "/sbin/e2fsck -fn"];
    for (partition, check) in partitions.iter().zip(checks) {
        let start = partition["start"].as_u64().expect("a number");
        let size = partition["size"].as_u64().expect("a number");
        assert_eq!(start % 8192, 0, "aligned to 4 MiB");
        let script = format!(
            "dd if='{0}' of='{0}.part' bs=1M iflag=skip_bytes,count_bytes,fullblock skip={1} count={2} conv=sparse \
             status=none && {check} '{0}.part' && rm '{0}.part'",
            card.display(),
            start * 512,
            size * 512
        );
        run(Command::new("sh").args(["-c", &script]));
    }
}

/// The shipped stages on the machine's own architecture, with what a namespace lacks left out.
const FOR_THE_LAB: &str = r#"
import "image" as image;
let mirror = required_param("mirror", "string", "URL");
let key    = required_param("keys", "string", "File");
let card   = required_param("card", "string", "Device");
let serial = required_param("expect_serial", "string", "Its serial number");
let force  = param("force", [], "Reasons against it that do not count");
let root = rootfs(#{ arch: "x86_64", mirrors: [mirror], keys: [key] });
let ssh     = param("ssh", "dropbear", "SSH server");
let devices = param("devices", "mdev", "Device manager");
let overlay = param("overlay", "", "What really runs where the mirror has stand-ins");
root.packages(image::packages(ssh, devices).filter(|name| !image::BOARD.contains(name)) + image::K3S);
image::prepare(root, devices);
image::configure(root, "alpine", "Europe/Berlin");
image::access(root, ssh, read_local("login.pub"));
if overlay != "" {
    root.overlay(overlay, "/");
    // Debian's sshd wants a directory that Alpine's does not.
    root.line("/etc/conf.d/sshd", "mkdir -p /run/sshd");
}
image::clock(root);
root.file("/etc/conf.d/pirun-clock-wait", #{ content: "wait_seconds=1\n" });
image::k3s(root);
image::boot_logic(root);
// In a namespace /dev is made already, and the kernel has no FAT.
if devices == "mdev" { root.file("/etc/init.d/mdev", #{ source: "mdev.initd", mode: "0755" }); }
root.line("/etc/fstab", "/dev/mmcblk0p1 /uboot ext4 ro 0 0", #{ regex: "^/dev/mmcblk0p1" });
// It starts without a kernel of its own, but the boot loader looks for one.
root.file("/boot/vmlinuz-rpi", #{ content: "a stand-in\n" });
image::clean(root);
image::keep_on_data(root);
// From the layout to the card: no file is between.
write_card(image(root, #{ boot: "48M", root: "shrink", data: "128M" }), card, #{ force: force, expect_serial: serial });
"#;

/// The arguments that build it and write it to `card`.
fn for_the_lab(builder: &Builder, card: &LoopDevice) -> Vec<String> {
    builder.write("for_the_lab.rhai", FOR_THE_LAB);
    std::fs::copy("tests/lab/image/mdev.initd", builder.path("mdev.initd")).expect("copied");
    let key = builder.key.display().to_string();
    let args = ["for_the_lab.rhai", "--mirror", &builder.url, "--keys", &key];
    let all = [&args[..], &["--card", &card.device], &card.consent()].concat();
    all.into_iter().map(str::to_owned).collect()
}

#[test]
fn a_built_root_runs_as_a_node_and_is_provisioned_as_any_other() {
    let lab = Lab::start().expect("a lab");
    let login = PathBuf::from(format!("{}.pub", lab.private_key().display()));
    let builder = Builder::new(&login);
    let card = LoopDevice::new(&builder.path("card.img"), 1 << 30);
    let write = for_the_lab(&builder, &card);
    let write: Vec<&str> = write.iter().map(String::as_str).collect();
    let planned = builder.pirun(&[&write[..], &["--dry-run"]].concat()).ok().stdout;
    assert!(planned.contains("card  ~ write_card /dev/loop"), "{planned}");
    assert!(std::fs::read(&card.device).expect("read").iter().all(|byte| *byte == 0));
    builder.pirun(&write).ok();
    let again = builder.pirun(&write).ok().stdout;
    assert!(!again.contains("write_card"), "it is written twice:\n{again}");

    let node = lab.node("rpi40").card_of(&card.file).expect("a node");
    assert_eq!(
        node.sh("cat /etc/timezone; grep -c . /data/etc/machine-id").expect("read"),
        "Europe/Berlin\n1\n"
    );
    let mounts = node.sh("cat /proc/mounts").expect("mounts");
    for path in ["/var/lib", "/var/log", "/root", "/etc/rancher", "/etc/iscsi", "/run/k3s"] {
        assert!(mounts.contains(&format!(" {path} ext4 rw")), "{path} is not bound:\n{mounts}");
    }
    assert!(mounts.contains("/dev/mmcblk0p2 / ext4 ro"), "{mounts}");
    eventually("the node has booted", || node.sh("rc-service local status").is_ok());
    assert!(node.sh("rc-service k3s status").is_err(), "k3s is down while nothing is configured");
    assert!(node.sh("grep ^root: /etc/shadow").expect("read").starts_with("root:*:"));

    let cluster = Cluster::around(lab, vec![node]);
    cluster.pirun(&["provision.rhai"]).ok();
    cluster.pirun(&["provision.rhai", "--assert-unchanged"]).ok();
    let node = cluster.node("rpi40");
    node.sh("rc-service k3s status").expect("k3s runs once it is configured");
    node.sh("mount")
        .expect("mounts")
        .lines()
        .any(|line| line.contains(" / ") && line.contains("ro"));
}

#[test]
fn a_root_with_openssh_and_eudev_runs_as_a_node_too() {
    let lab = Lab::start().expect("a lab");
    let login = PathBuf::from(format!("{}.pub", lab.private_key().display()));
    let builder = Builder::new(&login);
    let cache = pirun_lab::Cache::open().expect("a cache");
    pirun_lab::openssh(&cache, &builder.path("real")).expect("OpenSSH");
    let card = LoopDevice::new(&builder.path("card.img"), 1 << 30);
    let mut build = for_the_lab(&builder, &card);
    let more = ["--ssh", "openssh", "--devices", "eudev", "--overlay", "real"];
    build.extend(more.map(str::to_owned));
    builder.pirun(&build.iter().map(String::as_str).collect::<Vec<_>>()).ok();

    let node = lab.node("rpi40").card_of(&card.file).expect("a node");
    let cluster = Cluster::around(lab, vec![node]);
    let login = "print(host(\"rpi40\").query(\"echo over $SSH_CONNECTION\").stdout);";
    let said = cluster.play(login, &[]).ok().stdout;
    assert!(said.contains("over 10."), "{said}");
    let node = cluster.node("rpi40");
    let sh = |script: &str| node.sh(script).expect("the node answers");
    assert!(node.sh("pidof dropbear || command -v dropbear").is_err(), "who has answered?");
    for service in ["sshd", "udev", "udev-trigger", "udev-settle", "udev-postmount"] {
        assert_eq!(sh(&format!("rc-service {service} status")), " * status: started\n");
    }
    let settings = sh("sshd -T");
    for line in [
        "passwordauthentication no",
        "kbdinteractiveauthentication no",
        "hostkey /data/etc/ssh/ssh_host_ed25519_key",
    ] {
        assert!(settings.lines().any(|found| found == line), "{line} is not in\n{settings}");
    }
    assert!(!settings.contains("hostkey /etc"), "{settings}");
    assert_eq!(
        sh("ls /etc/ssh; ls /etc/dropbear 2> /dev/null || true"),
        "sshd_config\nsshd_config.d\n"
    );

    // Without the key that was laid there, the node makes its own.
    sh("rm /data/etc/ssh/ssh_host_*; rc-service pirun-first-boot restart");
    assert_eq!(sh("ssh-keygen -l -f /data/etc/ssh/ssh_host_ed25519_key | grep -c ED25519"), "1\n");
    sh("sshd -t");
}

#[test]
fn a_build_that_is_killed_leaves_no_half_file_and_the_next_one_goes_on() {
    let dir = tempfile::tempdir().expect("a directory");
    let builder = Builder::new(&key_pair(dir.path()));
    let mut cut = 0;
    for pause in (0..12).map(|step| Duration::from_millis(100 + 250 * step)) {
        let mut build = builder.build_command(&[]).spawn().expect("it starts");
        std::thread::sleep(pause);
        cut += u32::from(build.try_wait().expect("a state").is_none());
        build.kill().expect("killed");
        build.wait().expect("ended");
        let Ok(files) = std::fs::read_dir(builder.path("output")) else { continue };
        for file in files {
            let name = file.expect("an entry").file_name().into_string().expect("a name");
            assert!(name.starts_with("sdcard"), "{name} is left behind");
            if name.ends_with(".sha256") {
                run(Command::new("sha256sum")
                    .args(["-c", &name])
                    .current_dir(builder.path("output")));
            }
        }
    }
    assert!(cut >= 3, "only {cut} builds were cut");
    let downloaded = builder.server.bytes();
    builder.build(&[]).ok();
    assert_eq!(builder.server.bytes(), downloaded, "the last build takes all from the cache");
    let manifests = "for hash in *.sha256; do sha256sum -c $hash || exit 1; done";
    run(Command::new("sh").args(["-c", manifests]).current_dir(builder.path("output")));
}

#[test]
fn a_dry_run_shows_the_choice_and_writes_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let builder = Builder::new(&key_pair(dir.path()));
    let said = builder.build(&["--dry-run"]).ok();
    for part in [
        "+ file image.lock",
        "+package k3s 1.34",
        "~ file /etc/fstab",
        "+ image output/sdcard.img.gz",
    ] {
        assert!(said.stdout.contains(part), "{part} is not in\n{}", said.stdout);
    }
    assert!(!builder.path("image.lock").exists() && !builder.path("output").exists());
    assert!(!builder.path("cache").exists(), "a dry run keeps nothing that it downloads");
}

#[test]
fn mistakes_are_said_with_the_line_and_what_to_try() {
    let dir = tempfile::tempdir().expect("a directory");
    let builder = Builder::new(&key_pair(dir.path()));
    let error = |args: &[&str]| {
        let said = builder.build(args).all();
        said.split_once("error: ").map(|(_, error)| error.to_owned()).expect("an error")
    };
    // Lines move when the playbook is edited.
    insta::with_settings!({ filters => vec![(r":\d+:\d+", ":LINE"), (r"(?m)^ *\d* \|", "|")] }, {
        insta::assert_snapshot!(error(&["--arch", "arm64"]));
        insta::assert_snapshot!(error(&["--packages", "k3ss"]));
        insta::assert_snapshot!(error(&["--timezone", "Europe/Berln"]));
    });
}
