//! Cards: real loop devices under a real pirun, and what nodes and servers make of what is on them.

mod common;
#[path = "card/project.rs"]
mod project;

use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use common::{Cluster, eventually, said};
use pirun::device::HostKey;
use pirun::image::mbr::Mbr;
use pirun::image::volume::Window;
use project::{CARD, Loop, MIB, Project, image};

/// Everything that a script needs to say to write to a loop device.
const FORCED: [&str; 3] = ["--yes", "--force", "not-removable"];

#[test]
fn a_dry_run_shows_both_partition_tables_and_changes_nothing() {
    let (project, card) = (Project::new(), Loop::new());
    card.fill(&[(MIB, b"somebody's holiday pictures")]);
    let before = card.content();
    let shown = project.write(&card, &["-C", "--force", "not-removable", "--personalize", "rpi41"]);
    insta::assert_snapshot!(project.tidy(&shown.ok().all(), &card), @r"
        write_image.rhai · dry run · 1 host

        card  ~ write_card /dev/loopN                                    loop device 201.3 MB, loop, host key a new one
            @@ -1 +1,5 @@
            -no partition table
            +MBR, disk id 70697275
            +1  FAT32    37.7 MB at    4.2 MB
            +2  Linux    25.2 MB at   41.9 MB
            +3  Linux    25.2 MB at   67.1 MB
            +4  Linux   109.1 MB at   92.3 MB   the rest of the card
        ");
    assert!(card.content() == before);
    assert!(!project.path("known_hosts").exists());
}

#[test]
fn a_card_becomes_that_of_one_host_and_a_second_run_changes_nothing() {
    let (project, card) = (Project::new(), Loop::new());
    let serial = card.serial();
    let args = [&FORCED[..], &["--expect-serial", &serial, "--personalize", "rpi41"]].concat();
    let before = card.sectors_written();
    let shown = project.write(&card, &args).ok();
    insta::assert_snapshot!(project.tidy(&shown.all(), &card), @r"
        write_image.rhai · 1 host

        card  ~ write_card /dev/loopN                                    loop device 201.3 MB, loop
            host key ED25519 SHA256:…
        ");

    let written = (card.sectors_written() - before) * 512;
    let needed = project::needed(&card);
    assert!(written * 100 <= needed * 105, "wrote {written} where {needed} were needed");

    let table = Mbr::parse(&card.content()[..512]).expect("a partition table");
    let end = table.partitions[3].map(|data| data.offset() + data.bytes());
    assert_eq!(end, Some(CARD), "the data partition is the rest of the card");
    card.check();
    let content = card.content();
    let data = table.partitions[3].expect("a data partition");
    let data = Window::new(&content[..], data.offset(), data.bytes());
    let data = pirun::image::ext4::read(&data).expect("ext4");
    let text = |path: &str| {
        let bytes = data.read(path).expect("readable").unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    assert_eq!(text("etc/hostname"), "rpi41\n");
    assert!(
        text("etc/network/interfaces").contains("address 192.168.1.41/24\n    gateway 192.168.1.1")
    );
    assert_eq!(text("etc/resolv.conf"), "nameserver 192.168.1.1\n");
    assert_eq!(text("etc/kept"), "by the image\n");
    assert_eq!(text("root/.ssh/authorized_keys"), project.public_key());
    assert_eq!(data.get("root/.ssh/authorized_keys").map(|entry| entry.mode), Some(0o600));

    let known = std::fs::read_to_string(project.path("known_hosts")).expect("written");
    let sectors = card.sectors_written();
    let again = project.write(&card, &args).ok();
    assert!(!again.all().contains("write_card"), "{}", again.all());
    assert_eq!(card.sectors_written(), sectors);

    // Another card for the same host has the same key.
    let other = Loop::new();
    let serial = other.serial();
    let args = [&FORCED[..], &["--expect-serial", &serial, "--personalize", "rpi41"]].concat();
    project.write(&other, &args).ok();
    assert_eq!(std::fs::read_to_string(project.path("known_hosts")).expect("read"), known);
    assert!(other.content() == content);
}

#[test]
fn the_machines_own_disk_is_refused_whatever_is_forced() {
    let project = Project::new();
    let listed = project.pirun(&["devices", "--json"]).ok();
    let disks: serde_json::Value = serde_json::from_str(&listed.stdout).expect("JSON");
    let holds = |disk: &&serde_json::Value| disk.to_string().contains("holds-system");
    let own = disks.as_array().into_iter().flatten().filter(holds);
    for disk in own {
        let device = disk["path"].as_str().expect("a path");
        let all = "partition,no-medium,read-only,too-small,holds-system,swap,in-use,mounted,lvm-member,raid-member,\
                   encrypted,zfs-member,bcache-member,not-removable,too-large";
        let refused = project.pirun(&["write_image.rhai", device, "--yes", "--force", all]).code(1);
        assert!(refused.stderr.contains("holds-system: "), "{}", refused.stderr);
        assert!(refused.stderr.contains("pirun never writes to such a disk"));
    }
    // The same for a disk that holds this process's /home.
    let card = Loop::formatted();
    let script = format!(
        "mount {0} /home && exec \"$0\" write_image.rhai {0} --yes --force not-removable,mounted",
        card.device
    );
    let refused = said(project.in_a_namespace(&script).output().expect("unshare runs")).code(1);
    assert!(refused.stderr.contains("holds this machine's /home"), "{}", refused.stderr);
}

#[test]
fn a_mounted_card_is_refused_and_unmounted_by_force() {
    let (project, card) = (Project::new(), Loop::formatted());
    let place = project.path("mnt");
    std::fs::create_dir(&place).expect("made");
    let (device, place, serial) = (&card.device, place.display(), card.serial());
    let run = |reasons: &str| {
        let script = format!(
            "mount {device} {place} && exec \"$0\" write_image.rhai {device} --yes --expect-serial {serial} --force {reasons}"
        );
        said(project.in_a_namespace(&script).output().expect("unshare runs"))
    };
    let refused = run("not-removable").code(1);
    assert!(refused.stderr.contains("is mounted at"), "{}", refused.stderr);
    assert!(refused.stderr.contains("--force mounted"), "{}", refused.stderr);
    run("not-removable,mounted").ok();
    assert!(card.has_table());
}

#[test]
fn a_card_that_somebody_uses_elsewhere_is_refused() {
    let (project, card) = (Project::new(), Loop::formatted());
    let place = project.path("mnt");
    std::fs::create_dir(&place).expect("made");
    // A mount that pirun cannot see.
    let script =
        format!("mount {} {} && echo mounted && exec sleep 60", card.device, place.display());
    let mut holder = Command::new("unshare")
        .args(["-m", "sh", "-c", &script])
        .stdout(Stdio::piped())
        .spawn()
        .expect("unshare runs");
    let mut ready = [0; 8];
    std::io::Read::read_exact(&mut holder.stdout.take().expect("piped"), &mut ready)
        .expect("mounted");
    let serial = card.serial();
    let refused = project.write(&card, &[&FORCED[..], &["--expect-serial", &serial]].concat());
    holder.kill().expect("killed");
    holder.wait().expect("ended");
    let refused = refused.code(1);
    assert!(refused.stderr.contains("is in use by another program"), "{}", refused.stderr);
    assert!(!card.has_table());
}

#[test]
fn scripts_must_name_the_card_and_people_must_type_it() {
    let (project, card) = (Project::new(), Loop::new());
    let unnamed = project.write(&card, &FORCED).code(2);
    assert!(unnamed.stderr.contains("--expect-serial"), "{}", unnamed.stderr);
    let wrong = project.write(&card, &[&FORCED[..], &["--expect-serial", "0x1234"]].concat());
    assert!(wrong.code(1).stderr.contains("not 0x1234"));
    let alone = project.write(&card, &["--force", "not-removable"]).code(2);
    assert!(alone.stderr.contains("nobody is there to say"), "{}", alone.stderr);
    assert!(card.content().iter().all(|byte| *byte == 0));

    let typed = |text: &str| project.at_a_terminal(&card, &["--force", "not-removable"], text);
    let other = typed("yes\n");
    assert!(other.all().contains("not confirmed: nothing was written"), "{}", other.all());
    assert!(card.content().iter().all(|byte| *byte == 0));
    let right = typed(&format!("{} \n", card.title().to_uppercase())).ok();
    assert!(right.all().contains("Everything on /dev/loop"), "{}", right.all());
    assert!(card.has_table());
}

#[test]
fn a_writer_that_is_killed_leaves_no_table_and_a_second_run_completes_it() {
    let project = Project::new();
    let mut caught = 0;
    for percent in [5, 30, 60, 85] {
        let mut card = Loop::new();
        card.fill(&[(0, &Mbr { disk_id: 9, ..old_table() }.encode())]);
        let serial = card.serial();
        let args = [&FORCED[..], &["--expect-serial", &serial]].concat();
        let mut writer =
            project.command(&card, &args).stdout(Stdio::null()).spawn().expect("started");
        let goal = card.sectors_written() + image().written / 512 * percent / 100;
        while card.sectors_written() < goal && writer.try_wait().expect("asked").is_none() {
            std::thread::sleep(Duration::from_micros(200));
        }
        writer.kill().expect("killed");
        let killed = writer.wait().expect("ended").code().is_none();
        caught += usize::from(killed);
        // Pulled out, and put in again.
        card.reattach();
        assert!(!killed || !card.has_table(), "the table must come last ({percent} %)");
        let serial = card.serial();
        project.write(&card, &[&FORCED[..], &["--expect-serial", &serial]].concat()).ok();
        assert!(card.has_table());
        card.check();
    }
    assert!(caught >= 2, "only {caught} writers were caught in the middle");
}

/// Of a card that was in use.
fn old_table() -> Mbr {
    let part = pirun::image::mbr::Partition::new(pirun::image::mbr::LINUX, 4 * MIB, 8 * MIB);
    Mbr { disk_id: 0, partitions: [part.ok(), None, None, None] }
}

#[test]
fn ctrl_c_stops_the_writer() {
    let (project, card) = (Project::new(), Loop::new());
    let serial = card.serial();
    let mut command =
        project.command(&card, &[&FORCED[..], &["--expect-serial", &serial]].concat());
    let start = card.sectors_written();
    let mut writer = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("started");
    while card.sectors_written() < start + 4096 && writer.try_wait().expect("asked").is_none() {
        std::thread::sleep(Duration::from_micros(200));
    }
    let pid = writer.id().to_string();
    Command::new("kill").args(["-INT", &pid]).status().expect("kill runs");
    let ended = said(writer.wait_with_output().expect("ended")).code(130);
    assert!(ended.stderr.contains("has no partition table now"), "{}", ended.stderr);
    assert!(!card.has_table());
}

#[test]
fn a_card_that_has_less_room_than_it_says_is_an_error() {
    let project = Project::new();
    // A sparse file in a memory disk of a fifth of its size.
    let card = Loop::in_memory_of(24 * MIB);
    let serial = card.serial();
    let failed = project.write(&card, &[&FORCED[..], &["--expect-serial", &serial]].concat());
    let failed = failed.code(1);
    assert!(
        failed.stderr.contains("/dev/loop") && failed.stderr.contains(" MB"),
        "{}",
        failed.stderr
    );
    assert!(failed.stderr.contains("no partition table now"), "{}", failed.stderr);
    assert!(!card.has_table());
}

#[test]
fn a_node_with_the_cards_data_is_trusted_at_first_contact() {
    let cluster = Cluster::start(&["rpi41"]);
    std::fs::remove_file(cluster.path("known_hosts")).expect("removed");
    let (project, card) = (Project::new(), Loop::new());
    std::fs::copy(cluster.path("inventory.yaml"), project.path("inventory.yaml")).expect("copied");
    let serial = card.serial();
    let key = format!("{}.pub", cluster.lab.private_key().display());
    let args = ["--expect-serial", &serial, "--personalize", "rpi41", "--key", &key];
    project.write(&card, &[&FORCED[..], &args].concat()).ok();

    let data = project::data_of(&card);
    let (node, data) = (cluster.node("rpi41"), &data);
    node.inside(move || {
        for path in ["etc/dropbear/dropbear_ed25519_host_key", "root/.ssh/authorized_keys"] {
            let bytes = data.read(path)?.unwrap_or_default();
            std::fs::write(std::path::Path::new("/data").join(path), bytes)?;
        }
        Ok(())
    })
    .expect("the card's files are on the node");
    node.sh("rc-service dropbear restart").expect("dropbear restarts");
    std::fs::copy(project.path("known_hosts"), cluster.path("known_hosts")).expect("copied");
    eventually("the node answers", || {
        cluster.pirun(&["exec", "rpi41", "--", "hostname"]).stdout == "rpi41  rpi41\n"
    });
}

#[test]
fn opensshs_server_offers_the_key_that_was_made() {
    let packages = pirun_lab::Cache::open()
        .and_then(|cache| pirun_lab::debian_packages(&cache, &["openssh-server", "libwrap0"]))
        .expect("OpenSSH's server");
    let dir = tempfile::tempdir().expect("a directory");
    let key = HostKey::generate("rpi41").expect("a key");
    let file = dir.path().join("key");
    std::fs::write(&file, key.openssh().expect("text").as_bytes()).expect("written");
    // Nobody runs it: then it needs no user of its own.
    let copied =
        Command::new("cp").arg("-r").arg(&packages).arg(dir.path().join("packages")).status();
    assert!(copied.expect("cp runs").success());
    let packages = dir.path().join("packages");
    for path in [dir.path(), &file] {
        std::os::unix::fs::chown(path, Some(65_534), Some(65_534)).expect("given away");
    }
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600))
        .expect("private");
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|l| l.local_addr())
        .expect("a port")
        .port()
        .to_string();
    let libraries = std::fs::read_dir(packages.join("usr/lib")).expect("libraries");
    let libraries: Vec<String> =
        libraries.flatten().map(|d| d.path().display().to_string()).collect();
    let mut command = Command::new(packages.join("usr/sbin/sshd"));
    let session = packages.join("usr/lib/openssh/sshd-session");
    if session.exists() {
        command.arg(format!("-oSshdSessionPath={}", session.display()));
    }
    let mut server = command
        .args([
            "-D",
            "-e",
            "-f",
            "/dev/null",
            "-oListenAddress=127.0.0.1",
            "-oPidFile=none",
            "-p",
            &port,
            "-h",
        ])
        .arg(&file)
        .env("LD_LIBRARY_PATH", libraries.join(":"))
        .uid(65_534)
        .gid(65_534)
        .stderr(Stdio::null())
        .spawn()
        .expect("sshd starts");
    let mut offered = String::new();
    eventually("sshd offers its key", || {
        let scan =
            Command::new("ssh-keyscan").args(["-t", "ed25519", "-p", &port, "127.0.0.1"]).output();
        offered = String::from_utf8_lossy(&scan.expect("ssh-keyscan runs").stdout).into_owned();
        !offered.is_empty()
    });
    server.kill().expect("killed");
    server.wait().expect("ended");
    assert_eq!(offered.trim(), format!("[127.0.0.1]:{port} {}", key.public()));
}
