//! What a run costs where no clock is needed: logins, bytes, turnarounds, processes.

mod common;

use std::time::{Duration, Instant};

use common::Cluster;

/// The job that the benchmarks time: twelve verbs, nine of which change a fresh node.
const JOB: &str = r##"
let big = ""; big.pad(12288, 'x');
let conf = ""; for i in 1..=20 { conf += `option_${i} = "value ${i}"\n`; }
on(hosts("all"), |host| {
    host.file("/data/etc/hostname.job", #{ content: host.name + "\n", mode: "0644" });
    host.authorized_key("root", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHcB3mGkqzJ4kkqzJ4kkqzJ4kkqzJ4kkqzJ4kkqzJ4kk job@laptop");
    host.dir("/data/k3s/incomplete-downloads", #{ mode: "0755" });
    let a = host.file("/data/etc/job.conf", #{ content: conf, mode: "0600" });
    let b = host.file("/data/etc/big.conf", #{ content: big, mode: "0644" });
    host.line("/data/etc/fstab.job", "nas:/export /data/nas nfs noatime 0 0");
    host.link("/data/etc/job-link", "/etc/init.d/k3s");
    host.dir("/data/job", #{ mode: "0711" });
    host.service("rpcbind", "stopped");
    host.service("k3s", "stopped");
    if a.changed || b.changed { host.service("rpcbind", "restarted"); }
});
"##;
const VERBS: u32 = 11;

#[test]
fn a_run_costs_one_login_and_one_turnaround_a_verb() {
    let names = ["rpi40", "rpi41", "rpi42"];
    let cluster = Cluster::start(&names);
    let relays = names.map(|name| cluster.lab.relay(cluster.node(name)).expect("a relay"));
    let addresses = names.iter().zip(&relays);
    let addresses: Vec<_> =
        addresses.map(|(name, relay)| ((*name).to_owned(), relay.address().to_string())).collect();
    cluster.write_inventory(&addresses, "");
    cluster.write("play.rhai", JOB);
    // A plain `ssh host true` is what a login costs: the server decides about that.
    let logins = names.iter().zip(&relays).map(|(name, relay)| {
        relay.forget_traffic();
        cluster.pirun(&["ssh", name, "true"]).ok();
        relay.traffic().turnarounds
    });
    let login = logins.min().expect("three logins");
    assert!(login <= 9, "{login}");
    for (run, changed) in [("first", 9), ("second", 0)] {
        let mut turnarounds = Vec::new();
        for (name, relay) in names.iter().zip(&relays) {
            relay.forget_traffic();
            let said = cluster.pirun(&["play.rhai", "--limit", name]).ok();
            // The service that the first run restarts is found running, and stopped, in the second.
            let found = said.recap(name).1;
            assert!(found >= changed && found <= changed + 1, "{run}: {}", said.stdout);
            let traffic = relay.traffic();
            assert_eq!(traffic.connections, 1, "{run}");
            assert!(traffic.bytes_to_node <= 30_000, "{run}: {traffic:?}");
            turnarounds.push(traffic.turnarounds);
        }
        // When both sides happen to speak at once, the relay counts one that nobody has waited for: the least
        // of three is what the protocol needs.
        let least = turnarounds.iter().min().expect("three runs");
        assert!(*least <= VERBS + login, "{run}: {turnarounds:?}, a login costs {login}");
    }
}

#[test]
fn a_verb_starts_few_processes_on_the_node() {
    let cluster = Cluster::start(&["rpi40"]);
    // Without the services: what `rc-service` starts is its own affair.
    let job = JOB.replace("if a.changed || b.changed", "if false");
    cluster.write("play.rhai", &job);
    let node = cluster.node("rpi40");
    for (run, limit) in [("first", 4.0), ("second", 2.5)] {
        let before = node.process_count().expect("counted");
        cluster.pirun(&["play.rhai"]).ok();
        let started = node.process_count().expect("counted") - before;
        // The login itself: dropbear's child, and the shell.
        let a_verb = (f64::from(started) - 3.0) / f64::from(VERBS - 1);
        assert!(a_verb <= limit, "{run}: {started} processes, {a_verb:.1} a verb");
    }
}

#[test]
fn marks_for_handlers_stay_within_the_processes_of_a_verb() {
    let cluster = Cluster::start(&["rpi40"]);
    let handler = "host.at_end(\"restart\", [a, b], |host| { host.query(\"true\"); });\n";
    let job =
        JOB.replace("    if a.changed || b.changed {", &format!("    {handler}    if false {{"));
    cluster.write("play.rhai", &job);
    let node = cluster.node("rpi40");
    let before = node.process_count().expect("counted");
    cluster.pirun(&["play.rhai"]).ok();
    let started = node.process_count().expect("counted") - before;
    let a_verb = (f64::from(started) - 3.0) / f64::from(VERBS);
    assert!(a_verb <= 4.0, "{started} processes, {a_verb:.1} a verb");
}

#[test]
fn no_connection_outlives_its_run() {
    let cluster = Cluster::start(&["rpi40"]);
    cluster.write("play.rhai", "on(hosts(\"all\"), |host| { host.query(\"true\"); });\n");
    // The sockets' directory is part of a master's title.
    let place = cluster.project.path();
    let output = cluster.command(&["play.rhai"]).env("TMPDIR", place).output();
    assert!(output.expect("pirun runs").status.success());
    let place = place.to_string_lossy().into_owned();
    let end = Instant::now() + Duration::from_secs(5);
    while let Some(master) = processes().find(|title| title.contains(&place)) {
        assert!(Instant::now() < end, "still there: {master}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The titles of all processes.
fn processes() -> impl Iterator<Item = String> {
    let entries = std::fs::read_dir("/proc").expect("processes").flatten();
    entries.filter_map(|entry| {
        let title = std::fs::read(entry.path().join("cmdline")).ok()?;
        Some(String::from_utf8_lossy(&title).replace('\0', " "))
    })
}
