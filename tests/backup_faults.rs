//! What can happen in the middle of a backup, on real nodes: afterwards there is no backup of that name, older ones are as
//! they were, k3s runs, nothing is left on the node, and the next run succeeds.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::process::{Child, Command};

use common::backups::{around, backups, cluster, next_second, restored};
use common::control_plane::{Copying, is_well, max_id};
use common::{Cluster, eventually, said, waits_for};
use pirun_lab::{Cut, Lab, Node};
use rustix::process::{Pid, Signal, kill_process};

/// The content of the store's files but the index, by name.
fn store(cluster: &Cluster) -> BTreeMap<String, Vec<u8>> {
    let names = fs::read_dir(cluster.path("backups")).unwrap().map(|entry| entry.unwrap());
    names
        .filter(|entry| entry.file_name() != "index.jsonl")
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect()
}

/// A run that succeeds, and adds one backup that has all that was committed before.
fn succeeds(cluster: &Cluster) {
    let node = cluster.node("rpi40");
    next_second();
    let (count, before) = (backups(&cluster.path("backups")).len(), max_id(node));
    cluster.pirun(&["backup.rhai", "--keep-last", "100"]).ok();
    let names = backups(&cluster.path("backups"));
    assert_eq!(names.len(), count + 1);
    let (last, is_holed) = restored(&cluster.path("backups").join(names.last().unwrap()));
    assert!(last >= before && !is_holed);
}

/// Puts a program in front of one of the node's, and of no other, that says where it is and takes its time, until `fast`.
fn slow(node: &Node, program: &str, seconds: u32) {
    let script = format!(
        "#!/bin/sh\nif [ -e /run/slow ]; then touch /run/at-{program}; sleep {seconds}; fi\nexec busybox {program} \"$@\"\n"
    );
    node.sh(&format!(
        "rm -f /run/at-{program}; touch /run/slow; mount -o remount,rw / && rm -rf /usr/local/sbin && mkdir -p /usr/local/sbin &&
         printf %s '{script}' >/usr/local/sbin/{program} && chmod 755 /usr/local/sbin/{program} && mount -o remount,ro /"
    ))
    .unwrap();
}

fn fast(node: &Node) {
    node.sh("rm -f /run/slow").unwrap();
}

/// A run that has come to a program that takes its time.
#[track_caller]
fn in_the_middle(cluster: &Cluster, program: &str) -> Child {
    let node = cluster.node("rpi40");
    let mut run = cluster.spawn(&["backup.rhai"]);
    if waits_for(&mut run, || node.sh(&format!("test -e /run/at-{program}")).is_ok()) {
        return run;
    }
    let _ = run.kill();
    panic!("never in the middle of {program}: {}", said(run.wait_with_output().unwrap()).all());
}

fn interrupt(run: &Child) {
    kill_process(Pid::from_child(run), Signal::INT).unwrap();
}

#[test]
fn a_link_that_is_cut_anywhere_leaves_no_backup_and_the_next_run_succeeds() {
    let cluster = cluster(Copying::Freeze);
    let node = cluster.node("rpi40");
    let relay = cluster.lab.relay(node).unwrap();
    cluster.write_inventory(&[("rpi40".to_owned(), relay.address().to_string())], "");
    succeeds(&cluster);
    let whole = relay.traffic().bytes_from_node;
    let before = store(&cluster);
    // The last bytes too: the snapshot is whole then, but nobody has said so.
    let from_the_end = [50_000, 5_000, 500];
    let offsets = (0..11).map(|step| 1 + step * (whole - 60_000) / 11);
    let offsets = offsets.chain(from_the_end.map(|back| whole - back));
    let mut cuts = 0;
    for offset in offsets {
        next_second();
        relay.cut_after_answers(offset, Cut::Reset);
        let run = cluster.pirun(&["backup.rhai"]);
        cuts += usize::from(relay.is_cut());
        relay.mend();
        if run.code == Some(0) {
            // Near the end the snapshot's size decides whether the cut comes in time.
            assert!(offset + 60_000 > whole, "{offset}: {}", run.all());
            let newest = backups(&cluster.path("backups")).pop().unwrap();
            fs::remove_file(cluster.path("backups").join(newest)).unwrap();
        }
        assert_eq!(store(&cluster), before, "{offset}");
        eventually("k3s goes on, and nothing is left", || is_well(node));
    }
    assert!(cuts >= 12, "{cuts}");
    succeeds(&cluster);
}

#[test]
fn a_power_cut_leaves_no_backup_and_the_next_run_succeeds() {
    let lab = Lab::start().unwrap();
    let card = lab.card_node("rpi40").unwrap();
    let cluster = around(lab, card, Copying::Freeze);
    let node = cluster.node("rpi40");
    succeeds(&cluster);
    let before = store(&cluster);
    for program in ["cp", "tar"] {
        slow(node, program, 60);
        node.sh("sync").unwrap();
        next_second();
        let run = in_the_middle(&cluster, program);
        node.power_cut().unwrap();
        said(run.wait_with_output().unwrap()).code(1);
        node.power_on().unwrap();
        node.wait_up().unwrap();
        cluster.wait_for_answer("rpi40");
        assert_eq!(store(&cluster), before, "{program}");
        fast(node);
        node.sh("rc-service -q k3s start; :").unwrap();
        eventually("k3s runs", || max_id(node) > 0);
        succeeds(&cluster);
        let newest = backups(&cluster.path("backups")).pop().unwrap();
        fs::remove_file(cluster.path("backups").join(newest)).unwrap();
        eventually("nothing is left", || is_well(node));
    }
}

#[test]
fn ctrl_c_leaves_no_backup_and_the_next_run_succeeds() {
    for (copying, program) in [(Copying::Freeze, "cp"), (Copying::Vacuum, "tar")] {
        let cluster = cluster(copying);
        let node = cluster.node("rpi40");
        succeeds(&cluster);
        let before = store(&cluster);
        slow(node, program, 3);
        next_second();
        let run = in_the_middle(&cluster, program);
        interrupt(&run);
        said(run.wait_with_output().unwrap()).code(130);
        assert_eq!(store(&cluster), before, "{program}");
        fast(node);
        eventually("k3s goes on, and nothing is left", || is_well(node));
        eventually("the node's half has ended", || node.sh("test ! -L /run/pirun-backup").is_ok());
        succeeds(&cluster);
    }
}

#[test]
fn a_copy_that_takes_too_long_is_given_up_and_k3s_goes_on() {
    let cluster = cluster(Copying::Freeze);
    let node = cluster.node("rpi40");
    slow(node, "cp", 12);
    let run = cluster.pirun(&["backup.rhai"]).code(1);
    assert!(run.stdout.contains("longer than k3s may stand still"), "{}", run.stdout);
    assert!(is_well(node));
    fast(node);
    assert!(store(&cluster).is_empty());
    succeeds(&cluster);
}

#[test]
fn a_second_backup_at_the_same_time_is_refused() {
    let cluster = cluster(Copying::Vacuum);
    let node = cluster.node("rpi40");
    slow(node, "tar", 5);
    let run = cluster.spawn(&["backup.rhai"]);
    eventually("pirun is in the middle", || node.sh("test -e /run/at-tar").is_ok());
    next_second();
    let second = cluster.pirun(&["backup.rhai"]).code(1);
    assert!(second.stdout.contains("another backup of this node is running"), "{}", second.stdout);
    said(run.wait_with_output().unwrap()).ok();
    assert_eq!(backups(&cluster.path("backups")).len(), 1);
}

#[test]
fn a_full_disk_of_the_node_is_told_before_anything_happens_and_stopping_k3s_needs_no_room() {
    let lab = Lab::start().unwrap();
    let node = lab.node("rpi40").data_mib(24).fast().unwrap();
    let cluster = around(lab, node, Copying::Freeze);
    let node = cluster.node("rpi40");
    let used = "df -Pk /data | awk 'END { print $4 }'";
    let free: u64 = node.sh(used).unwrap().trim().parse().unwrap();
    node.sh(&format!("dd if=/dev/zero of=/data/fill bs=1k count={} 2>/dev/null", free - 1200))
        .unwrap();
    let run = cluster.pirun(&["backup.rhai"]).code(1);
    assert!(run.stdout.contains("no room") && run.stdout.contains("--stop"), "{}", run.stdout);
    assert!(!cluster.path("backups").exists());
    next_second();
    let before = max_id(node);
    cluster.pirun(&["backup.rhai", "--stop"]).ok();
    let names = backups(&cluster.path("backups"));
    let (last, is_holed) = restored(&cluster.path("backups").join(&names[0]));
    assert!(last >= before && !is_holed);
    node.sh("rm /data/fill").unwrap();
    eventually("k3s runs again", || is_well(node));
    succeeds(&cluster);
}

#[test]
fn a_full_disk_of_the_operator_leaves_no_backup_and_the_next_run_succeeds() {
    let cluster = cluster(Copying::Vacuum);
    fs::create_dir(cluster.path("backups")).unwrap();
    // The small disk is there for this one run only.
    let mut command = cluster.lab.command("unshare");
    let inner = cluster.command(&["backup.rhai"]);
    let environment: Vec<_> =
        inner.get_envs().filter_map(|(name, value)| Some((name, value?))).collect();
    let script = format!(
        "mount -t tmpfs -o size=64k none {store} && \"$@\"; e=$?; ls {store} >&2; exit $e",
        store = cluster.path("backups").display()
    );
    command.args(["-m", "sh", "-c", &script, "sh"]).arg(inner.get_program()).args(inner.get_args());
    command.envs(environment).env_remove("SSH_AUTH_SOCK").current_dir(cluster.project.path());
    let run = said(Command::output(&mut command).unwrap()).code(1);
    assert!(run.stdout.contains("no space left"), "{}", run.all());
    assert!(!run.stderr.contains("rpi40_"), "{}", run.stderr);
    eventually("nothing is left on the node", || is_well(cluster.node("rpi40")));
    succeeds(&cluster);
}
#[test]
fn a_link_that_falls_silent_leaves_k3s_running_and_the_next_run_succeeds() {
    let cluster = cluster(Copying::Freeze);
    let node = cluster.node("rpi40");
    let relay = cluster.lab.relay(node).unwrap();
    cluster.write_inventory(&[("rpi40".to_owned(), relay.address().to_string())], "");
    // While k3s stands still: nobody could thaw it from afar.
    slow(node, "cp", 20);
    let run = cluster.spawn(&["backup.rhai"]);
    eventually("pirun comes to the copy", || node.sh("test -e /run/at-cp").is_ok());
    relay.cut(Cut::Silence);
    let asked = max_id(node);
    eventually("k3s goes on", || max_id(node) > asked);
    said(run.wait_with_output().unwrap()).code(1);
    fast(node);
    relay.mend();
    assert!(backups(&cluster.path("backups")).is_empty());
    // The node's half finds out when its own time is over.
    eventually("nothing is left", || is_well(node));
    succeeds(&cluster);
}
