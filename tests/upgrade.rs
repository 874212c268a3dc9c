//! Upgrades of real cards in real Alpine, through the shipped playbook: what succeeds, what is refused, and what goes back.

mod common;

use std::time::Duration;

use common::upgrades::{Images, runs, slot_hash};
use common::{Cluster, Said, waits_for};
use pirun_lab::{ByteOrder, Lab};

/// The shipped playbook, to an image.
fn upgrade(cluster: &Cluster, image: &str, more: &[&str]) -> Said {
    let image = Images::get().update(image);
    cluster.pirun(&[&["upgrade_image.rhai", "--image", &image], more].concat())
}

/// Without what differs from run to run.
fn settled(said: &Said) -> String {
    let images = Images::get();
    let mut text = said.all();
    for name in ["v1", "v2", "v3", "hangs", "sick"] {
        text = text.replace(&images.id(name), name);
    }
    let text = regex::Regex::new(r"\d+(\.\d)? [kM]?B of").expect("one").replace_all(&text, "… of");
    let text = regex::Regex::new(r"of \d+(\.\d)? MB").expect("one").replace_all(&text, "of …");
    let text =
        regex::Regex::new(r"\b(\d+m )?\d+(\.\d)? ?s\b").expect("one").replace_all(&text, "… s");
    text.lines()
        .filter(|line| !line.starts_with("log: "))
        .map(|line| format!("{}\n", line.trim_end()))
        .collect()
}

#[test]
fn an_upgrade_is_foreseen_made_confirmed_and_not_made_twice() {
    let images = Images::get();
    let cluster = images.cluster(&["rpi40"]);
    let node = cluster.node("rpi40");
    cluster.pirun(&["provision.rhai"]).ok();
    let before = (slot_hash(node, "B"), common::contents(node));

    let dry = upgrade(&cluster, "v2", &["--dry-run"]).ok();
    insta::assert_snapshot!(settled(&dry));
    assert_eq!((slot_hash(node, "B"), common::contents(node)), before, "a dry run changes nothing");

    let said = upgrade(&cluster, "v2", &[]).ok();
    insta::assert_snapshot!(settled(&said));
    assert_eq!(runs(node), images.id("v2"));
    let config =
        node.sh("cat /uboot/cmdline.txt; grep -c K3S_EXEC=server /etc/conf.d/k3s").expect("read");
    assert_eq!(config, "console=tty1 image=2\n1\n");
    insta::assert_snapshot!(settled(&cluster.pirun(&["upgrade_image.rhai", "--status"]).ok()));

    let again = upgrade(&cluster, "v2", &[]).ok();
    assert_eq!(again.recap("rpi40").1, 0, "{}", again.stdout);
    // And everything is as provisioning wants it.
    let provisioned = cluster.pirun(&["provision.rhai", "--assert-unchanged"]).ok();
    assert_eq!(provisioned.recap("rpi40").1, 0, "{}", provisioned.stdout);

    // Back, and forth again.
    cluster.pirun(&["upgrade_image.rhai", "--rollback"]).ok();
    assert_eq!(runs(node), images.id("v1"));
    upgrade(&cluster, "v2", &[]).ok();
    assert_eq!(runs(node), images.id("v2"));
}

#[test]
fn a_node_of_the_cluster_is_drained_before_and_freed_when_it_is_ready() {
    let images = Images::get();
    let cluster = images.cluster(&["rpi40"]);
    let node = cluster.node("rpi40");
    cluster.pirun(&["provision.rhai"]).ok();
    let ready = r#"{"metadata":{"annotations":{"pirun/cordoned":"yes"}},"spec":{"unschedulable":true},"status":{"conditions":[{"type":"Ready","status":"True"}]}}"#;
    node.sh(&format!("mkdir -p /data/lab/kubectl; echo '{ready}' >'/data/lab/kubectl/get node rpi40'; : >/var/log/kubectl.log")).expect("prepared");
    let said = upgrade(&cluster, "v2", &[]).ok();
    let steps: Vec<&str> = said
        .stdout
        .lines()
        .filter_map(|line| line.strip_prefix("rpi40  ~ ")?.split(' ').next())
        .collect();
    assert_eq!(
        steps,
        ["write_slot", "drain", "boot_files", "arm_slot", "reboot", "confirm_slot", "uncordon"],
        "{}",
        said.stdout
    );
    let asked = node.sh("grep -v '^get' /var/log/kubectl.log").expect("read");
    insta::assert_snapshot!(asked, @r"
    drain rpi40 --ignore-daemonsets --timeout=300s
    uncordon rpi40
    annotate node rpi40 pirun/cordoned-
    ");
    // Not wanted: nothing of Kubernetes is touched.
    node.sh(": >/var/log/kubectl.log").expect("emptied");
    upgrade(&cluster, "v1", &["--no-drain"]).ok();
    assert_eq!(node.sh("grep -v '^get' /var/log/kubectl.log || :").expect("read"), "");
}

#[test]
fn an_image_that_is_not_for_the_node_is_refused_before_its_slot_is_touched() {
    let images = Images::get();
    let cluster = images.cluster(&["rpi40"]);
    let node = cluster.node("rpi40");
    let before = slot_hash(node, "B");
    let mut refusals = Vec::new();
    for name in ["foreign", "stranger"] {
        refusals.push((name, upgrade(&cluster, name, &[])));
    }
    let damaged = damaged_copies(&cluster);
    for (name, path) in &damaged {
        refusals.push((name, cluster.pirun(&["upgrade_image.rhai", "--image", path])));
    }
    for (name, said) in &refusals {
        assert_ne!(said.code, Some(0), "{name}: {}", said.all());
        assert_eq!(slot_hash(node, "B"), before, "{name}");
        let first = said.all();
        let line =
            first.lines().find(|line| line.contains("! failed") || line.starts_with("error:"));
        let line = line.unwrap_or_default().replace(&cluster.path("").display().to_string(), "");
        refusals_seen(name, &line);
    }
    // An image that raises the floor keeps older ones out.
    upgrade(&cluster, "v3", &[]).ok();
    let slot = slot_hash(node, "A");
    let said = upgrade(&cluster, "v2", &[]).code(1);
    assert!(
        said.stdout.contains("the image has version 2, and this node takes none below 3 any more"),
        "{}",
        said.stdout
    );
    assert_eq!(slot_hash(node, "A"), slot);
    // Going back to what it ran before is another thing.
    cluster.pirun(&["upgrade_image.rhai", "--rollback"]).ok();
    assert_eq!(runs(node), images.id("v1"));
}

/// What each refusal must say.
#[track_caller]
fn refusals_seen(name: &str, line: &str) {
    let wanted = match name {
        "foreign" => "the image is for aarch64, and this node runs x86_64",
        "stranger" => "the image is signed with another key than the expected one",
        "truncated" | "flipped" | "packages" => "is not what its manifest says",
        "unsigned" => "no such file or directory",
        "manifest" => "the signature does not fit: manifest or signature were changed",
        "card" => "is the image of a whole card",
        other => panic!("{other} is not known"),
    };
    assert!(line.contains(wanted), "{name}: {line}");
}

/// Copies of an image, each damaged in its way.
fn damaged_copies(cluster: &Cluster) -> Vec<(&'static str, String)> {
    let image = Images::get().update("v2");
    let script = |name: &str| {
        let f = "sdcard_update.img.gz";
        match name {
            "truncated" => format!("truncate -s -1000 {f}"),
            "flipped" => format!("printf x | dd of={f} bs=1 seek=100000 conv=notrunc status=none"),
            "packages" => format!("echo >> {f}.spdx.json"),
            "unsigned" => format!("rm {f}.manifest.minisig"),
            "manifest" => format!("sed -i 's/^version 2/version 9/' {f}.manifest"),
            other => panic!("{other} is not known"),
        }
    };
    ["truncated", "flipped", "packages", "unsigned", "manifest"]
        .map(|name| {
            let dir = cluster.path(name);
            let from =
                std::path::Path::new(&image).parent().expect("a directory").display().to_string();
            let script = format!("cp -r {from} {0} && cd {0} && {1}", dir.display(), script(name));
            common::builder::run(std::process::Command::new("sh").args(["-c", &script]));
            (name, dir.join("sdcard_update.img.gz").display().to_string())
        })
        .into_iter()
        .chain([("card", image.replace("sdcard_update", "sdcard"))])
        .collect()
}

#[test]
fn an_image_that_never_gets_healthy_is_left_at_once() {
    let images = Images::get();
    let cluster = images.cluster(&["rpi40"]);
    let node = cluster.node("rpi40");
    cluster.pirun(&["provision.rhai"]).ok();
    let said = upgrade(&cluster, "sick", &["--wait", "2s"]).code(1);
    insta::assert_snapshot!(settled(&said));
    assert_eq!(runs(node), images.id("v1"));
    assert_eq!(
        node.sh("rc-service k3s status >/dev/null && pirun-slot status | grep state")
            .expect("k3s runs"),
        "state=confirmed\n"
    );
    upgrade(&cluster, "v2", &[]).ok();
    assert_eq!(runs(node), images.id("v2"));
}

#[test]
fn an_older_k3s_gets_its_datastore_back_when_a_newer_one_fails() {
    let images = Images::get();
    let lab = Lab::start().expect("a lab");
    let node = lab.node("rpi40").seed_layout().card().expect("a node");
    let cluster = images.around(lab, vec![node]);
    let node = cluster.node("rpi40");
    // The lab's own slots have no kernel, without which there is no way back.
    node.sh("mount -o remount,rw / && mkdir -p /boot && echo one >/boot/vmlinuz-rpi && mount -o remount,ro /").expect("written");
    cluster.pirun(&["provision.rhai"]).ok();
    let db = "/var/lib/rancher/k3s/server/db/state.db";
    node.sh(&format!("mkdir -p {}; echo old >{db}", db.trim_end_matches("/state.db")))
        .expect("written");
    // What the newer one makes of it.
    let known = std::fs::read_to_string("playbooks/node.rhai").expect("shipped");
    let writes = format!(
        "    if host.facts.image != \"\" {{ host.run([\"sh\", \"-c\", \"echo new >{db}; sync\"]); }}\n    host.hostname(host.name);"
    );
    cluster.write("playbooks/node.rhai", &known.replace("    host.hostname(host.name);", &writes));
    let said = upgrade(&cluster, "sick", &["--wait", "2s"]).code(1);
    assert!(said.stdout.contains("~ keep_datastore"), "{}", said.stdout);
    assert!(
        said.stdout.contains("the datastore of k3s")
            && said.stdout.contains("lost: all writes since then"),
        "{}",
        said.stdout
    );
    assert_eq!(
        node.sh(&format!("cat {db} /data/pirun/datastore.newer/state.db")).expect("read"),
        "old\nnew\n"
    );
    assert_eq!(node.sh("rc-service k3s status >/dev/null && echo runs").expect("k3s"), "runs\n");
}

#[test]
fn an_image_whose_init_hangs_has_one_boot() {
    let images = Images::get();
    let cluster = images.cluster(&["rpi40"]);
    let node = cluster.node("rpi40");
    cluster.pirun(&["provision.rhai"]).ok();
    let said = upgrade(&cluster, "hangs", &["--reboot-timeout", "20s"]).code(1);
    assert!(said.stdout.contains("did not come back within 20 s"), "{}", said.stdout);
    // No watchdog in a namespace: somebody pulls the plug.
    node.power_cut().expect("cut");
    node.power_on().expect("on");
    node.wait_up().expect("up");
    cluster.wait_for_answer("rpi40");
    assert_eq!(runs(node), images.id("v1"));
    upgrade(&cluster, "v2", &[]).ok();
    assert_eq!(runs(node), images.id("v2"));
}

/// The steps of the shipped playbook, with a stop at a point where a test pulls the plug.
const STEPS: &str = r#"
import "ab" as ab;
import "alpine" as alpine;
import "node" as node;
let path  = required_param("image", "string", "Update image");
let point = required_param("point", "string", "Where to stop");
let here  = |host, name| { if name == point { host.run("touch /run/here; sync; sleep 1000"); } };
let image = update_image(path, #{ trust: [signing_key_public(vault("image_signing_key"))] });
let server = host("server");
let token = vault("k3s_token");
let key = alpine::operator_key("");
on(hosts("all"), |host| {
    here.call(host, "before send");
    ab::write(host, image);
    here.call(host, "after write");
    host.boot_files(image);
    here.call(host, "after boot files");
    host.keep_datastore();
    here.call(host, "before arm");
    host.arm_slot(image);
    here.call(host, "after arm");
    ab::boot_trial(host, image);
    here.call(host, "in trial");
    ab::restore_packages(host);
    node::configure(host, server, token, key);
    here.call(host, "provisioned");
    host.wait_for("healthy", "1m", |host| node::is_healthy(host, ()));
    here.call(host, "before confirm");
    ab::confirm(host, image);
    here.call(host, "after confirm");
});
"#;

/// Points within a step: what runs on the node then.
const WITHIN: [(&str, &str); 4] = [
    ("comparing", "pgrep -f 'sha256sum'"),
    ("mid-stream", "pgrep -f '^dd of.*fullblock'"),
    ("reading back", "pgrep -f 'head -c'"),
    ("going down", "pgrep -f 'openrc shutdown'"),
];

/// Cuts the power at each point, one upgrade after the other; each time the node comes back by itself, and a re-run brings it
/// to the image.
fn survives(points: &[&str]) {
    let images = Images::get();
    let cluster = images.cluster(&["rpi40"]);
    let node = cluster.node("rpi40");
    cluster.pirun(&["provision.rhai"]).ok();
    cluster.write("playbooks/steps.rhai", STEPS);
    let (mut from, mut to) = ("v1", "v2");
    for point in points {
        let image = images.update(to);
        // Nothing of an earlier case is left to go by; a long cable gives time to find the moment.
        let idle = if node.sh("pirun-slot status | grep -q running=A").is_ok() { 3 } else { 2 };
        node.sh(&format!("dd if=/dev/zero of=/dev/mmcblk0p{idle} bs=1M 2>/dev/null; sync"))
            .expect("wiped");
        node.delay(Duration::from_millis(if *point == "mid-stream" { 50 } else { 0 }))
            .expect("delayed");
        let within = WITHIN.iter().find(|(name, _)| name == point).map(|(_, looks)| *looks);
        let mut child = cluster.spawn(&["steps.rhai", "--image", &image, "--point", point]);
        let reached =
            waits_for(&mut child, || node.sh(within.unwrap_or("test -e /run/here")).is_ok());
        node.power_cut().expect("cut");
        child.kill().expect("killed");
        let output = child.wait_with_output().expect("ended");
        assert!(reached, "never {point}: {}", common::said(output).all());
        node.power_on().expect("on");
        node.wait_up().expect("up");
        node.delay(Duration::ZERO).expect("delayed");
        cluster.wait_for_answer("rpi40");
        let now = runs(node);
        assert!([from, to].map(|name| images.id(name)).contains(&now), "{point}: {now}");
        let said = upgrade(&cluster, to, &[]).ok();
        assert_eq!(runs(node), images.id(to), "{point}: {}", said.stdout);
        assert_eq!(upgrade(&cluster, to, &[]).ok().recap("rpi40").1, 0, "{point}");
        (from, to) = (to, from);
    }
}

#[test]
fn a_power_cut_before_the_reboot_leaves_the_node_as_it_was() {
    survives(&[
        "before send",
        "comparing",
        "mid-stream",
        "reading back",
        "after write",
        "after boot files",
        "before arm",
    ]);
}

#[test]
fn a_power_cut_around_the_reboot_leaves_one_of_two_images() {
    survives(&[
        "after arm",
        "going down",
        "in trial",
        "provisioned",
        "before confirm",
        "after confirm",
    ]);
}

#[test]
fn a_link_that_is_cut_in_the_stream_is_taken_up_where_it_broke() {
    let images = Images::get();
    let lab = Lab::start().expect("a lab");
    let node = lab.card_node("rpi40").expect("a node");
    let relay = lab.relay(&node).expect("a relay");
    let cluster = images.around(lab, vec![node]);
    cluster.write_inventory(&[("rpi40".into(), relay.address().to_string())], "");
    let node = cluster.node("rpi40");
    let image = images.update("v1");
    let size = std::fs::metadata(&image).expect("there").len();
    relay.cut_after(size / 2, pirun_lab::Cut::Reset);
    let said = cluster.pirun(&["upgrade_image.rhai", "--image", &image]).code(1);
    assert!(said.all().contains("rpi40"), "{}", said.all());
    assert_eq!(
        node.sh("sed -n s/.*root=//p /proc/cmdline").expect("read").trim(),
        "/dev/mmcblk0p2"
    );
    relay.mend();
    relay.forget_traffic();
    cluster.pirun(&["upgrade_image.rhai", "--image", &image, "--resume"]).ok();
    let sent = relay.traffic().bytes_to_node;
    assert!(sent < size * 2 / 3, "{sent} of {size} bytes were sent again");
    assert_eq!(runs(node), images.id("v1"));
}

#[test]
fn a_node_that_raspi_alpine_has_flashed_is_upgraded_by_the_same_command() {
    let images = Images::get();
    for order in [ByteOrder::Little, ByteOrder::Big] {
        let lab = Lab::start().expect("a lab");
        let node = lab.node("rpi40").seed_layout().crc_order(order).card().expect("a node");
        node.sh("! [ -e /usr/sbin/pirun-slot ] && ! [ -L /etc/conf.d/k3s ] && ! [ -e /etc/pirun/image ]").expect("not ours");
        let cluster = images.around(lab, vec![node]);
        let node = cluster.node("rpi40");
        cluster.pirun(&["provision.rhai"]).ok();
        upgrade(&cluster, "v1", &[]).ok();
        assert_eq!(runs(node), images.id("v1"));
        // It never came up bare: what provisioning had set up is there, and k3s runs with it.
        assert_eq!(node.sh("grep -c 'node-name rpi40' /etc/conf.d/k3s; rc-service k3s status >/dev/null && echo runs").expect("read"), "1\nruns\n");
        assert_eq!(upgrade(&cluster, "v1", &[]).ok().recap("rpi40").1, 0);
        // Ordinary boots stay in the slot.
        let boots = node.boots();
        let _ = node.sh("sync; reboot -f");
        node.wait_rebooted(boots).expect("rebooted");
        assert_eq!(runs(node), images.id("v1"));
    }
}

#[test]
fn eight_nodes_go_one_after_the_other_or_four_at_a_time_and_a_failure_stops_the_rest() {
    let images = Images::get();
    let names: Vec<String> = (40..48).map(|number| format!("rpi{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let cluster = images.cluster(&names);
    cluster.pirun(&["provision.rhai"]).ok();

    // One that cannot be written: nothing is begun anywhere, unless that many may fail.
    cluster.node("rpi43").sh("mount -o ro /dev/mmcblk0p3 /mnt").expect("mounted");
    let said = upgrade(&cluster, "v2", &["--serial", "4"]).code(1);
    assert!(said.stdout.contains("slot B is mounted"), "{}", said.stdout);
    assert!(cluster.nodes.iter().all(|node| runs(node) == images.id("v1")));
    let said = upgrade(&cluster, "v2", &["--serial", "4", "--max-fail", "1"]).code(1);
    let upgraded = cluster.nodes.iter().filter(|node| runs(node) == images.id("v2")).count();
    assert_eq!(upgraded, 7, "{}", said.stdout);
    cluster.node("rpi43").sh("umount /mnt").expect("unmounted");

    // Only what is left.
    let said = upgrade(&cluster, "v2", &["--serial", "1"]).ok();
    assert!(cluster.nodes.iter().all(|node| runs(node) == images.id("v2")), "{}", said.stdout);
    let changed = names.iter().filter(|name| said.recap(name).1 > 0).count();
    assert_eq!(changed, 1, "{}", said.stdout);
}
