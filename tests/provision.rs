//! The main job on real nodes: what `provision.rhai` foresees, does, and then leaves alone.

mod common;

use common::{Cluster, contents, listing};

const NODES: [&str; 3] = ["rpi40", "rpi41", "rpi42"];

#[test]
fn a_dry_run_changes_nothing_and_foresees_exactly_what_the_run_then_does() {
    let cluster = Cluster::start(&NODES);
    cluster.host_vars(
        "rpi41",
        "labels: { disk: ssd, zone: attic }\ntaints: [ 'slow=yes:NoSchedule' ]\n",
    );
    let before: Vec<_> = cluster.nodes.iter().map(|n| (listing(n), contents(n))).collect();
    let foreseen = cluster.pirun(&["provision.rhai", "--dry-run", "--json"]).ok();
    let after: Vec<_> = cluster.nodes.iter().map(|n| (listing(n), contents(n))).collect();
    assert!(before == after, "a dry run left a trace");

    let done = cluster.pirun(&["provision.rhai", "--json"]).ok();
    assert_eq!(changes(&foreseen.stdout), changes(&done.stdout));
    assert!(changes(&done.stdout).len() > 20, "{}", done.stdout);

    let again = cluster.pirun(&["provision.rhai", "--assert-unchanged"]).ok();
    for name in NODES {
        let (ok, changed, failed) = again.recap(name);
        assert_eq!((changed, failed), (0, 0), "{}", again.stdout);
        assert!(ok > 5);
    }
}

/// The change events, by host, without what may differ between foreseeing and doing.
fn changes(ndjson: &str) -> Vec<String> {
    let events = ndjson.lines().map(|line| {
        serde_json::from_str::<serde_json::Value>(line)
            .unwrap_or_else(|_| panic!("not JSON: {line}"))
    });
    let mut changes: Vec<String> = events
        .filter(|event| event["event"] == "change" && event["changed"] != false)
        .map(|event| {
            let mut told = event.clone();
            for volatile in ["time", "dry_run", "seconds"] {
                told.as_object_mut().expect("an object").remove(volatile);
            }
            told.to_string()
        })
        .collect();
    changes.sort();
    changes
}

#[test]
fn a_provisioned_node_has_what_the_inventory_says() {
    let cluster = Cluster::start(&NODES);
    cluster.host_vars(
        "rpi41",
        "labels: { disk: ssd, zone: attic }\ntaints: [ 'slow=yes:NoSchedule' ]\n",
    );
    cluster.pirun(&["provision.rhai"]).ok();
    let agent = cluster.node("rpi41");
    let read = |path: &str| String::from_utf8(agent.read(path).expect("readable")).expect("text");
    assert_eq!(read("/etc/hostname"), "rpi41\n");
    // The seed joined labels without a space.
    assert!(
        read("/etc/conf.d/k3s").contains(
            "--node-label disk=ssd --node-label zone=attic --node-taint slow=yes:NoSchedule"
        ),
        "{}",
        read("/etc/conf.d/k3s")
    );
    assert_eq!(
        agent.sh("stat -L -c '%a' /etc/conf.d/k3s /etc/rancher/k3s/token").expect("stat"),
        "600\n600\n"
    );
    // The token is in a file that only root reads, and in no process's arguments.
    let token = read("/etc/rancher/k3s/token");
    let visible =
        agent.sh("cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ | tr '\\0' ' '").expect("read");
    assert!(visible.contains("--token-file"), "{visible}");
    assert!(!visible.contains(token.trim()));
    assert!(
        agent
            .sh("rc-service k3s status; rc-service rpcbind status")
            .expect("status")
            .contains("started")
    );
    assert!(agent.sh("rc-update show default").expect("shown").contains("k3s"));
    assert!(agent.sh("grep ' / ' /proc/mounts").expect("mounts").contains(" ro"));
    // The link into /data stays a link, so that the configuration survives an upgrade of the root.
    assert_eq!(agent.sh("readlink /etc/conf.d/k3s").expect("a link"), "/data/etc/conf.d/k3s\n");
    let server = cluster.node("rpi40");
    let manifests = server.sh("ls /var/lib/rancher/k3s/server/manifests").expect("listed");
    assert_eq!(manifests, "cloudflare-api-token.yaml\ncluster-issuer.yaml\nmetallb-pool.yaml\n");
}

#[test]
fn one_agent_alone_is_provisioned_with_the_servers_name() {
    let cluster = Cluster::start(&NODES);
    let said = cluster.pirun(&["provision.rhai", "--limit", "rpi42"]).ok();
    assert!(said.stdout.contains("1 of 3 hosts"), "{}", said.stdout);
    let conf = cluster.node("rpi42").sh("cat /etc/conf.d/k3s").expect("written");
    assert!(conf.contains("--server https://rpi40:6443"), "{conf}");
    assert!(cluster.node("rpi41").sh("! grep -q pirun /etc/conf.d/k3s").is_ok());
}

#[test]
fn a_label_that_is_shell_code_is_refused_before_any_node_is_contacted() {
    let cluster = Cluster::start(&["rpi40"]);
    let relay = cluster.lab.relay(cluster.node("rpi40")).expect("a relay");
    cluster.write_inventory(&[("rpi40".to_owned(), relay.address().to_string())], "");
    cluster.host_vars("rpi40", "labels:\n  disk: 'a\"; touch /data/pwned; \"'\n");
    let said = cluster.pirun(&["provision.rhai"]).code(2);
    assert!(said.stderr.contains("host_vars/rpi40.yaml:2"), "{}", said.stderr);
    assert_eq!(relay.traffic().connections, 0);
}

#[test]
fn a_changed_label_shows_as_a_diff_and_restarts_k3s_once() {
    let cluster = Cluster::start(&["rpi40", "rpi41"]);
    cluster.pirun(&["provision.rhai"]).ok();
    let starts =
        || cluster.node("rpi41").sh("grep -c starts /var/log/k3s.log || true").expect("counted");
    let before = starts();
    cluster.host_vars("rpi41", "labels: { disk: ssd }\n");
    let dry = cluster.pirun(&["provision.rhai", "--dry-run"]).ok();
    assert!(dry.stdout.contains("+K3S_OPTS="), "{}", dry.stdout);
    assert!(dry.stdout.contains("--node-label disk=ssd"));
    assert_eq!(starts(), before);
    cluster.pirun(&["provision.rhai"]).ok();
    assert_ne!(starts(), before);
}
