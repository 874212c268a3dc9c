//! The playbooks for every day: reboots, and services that are started anew.

mod common;

use common::Cluster;
use pirun_lab::{Lab, Node};

/// Nodes with cards, provisioned: a server and an agent. Kubernetes knows the agent.
fn cluster() -> Cluster {
    let lab = Lab::start().expect("a lab");
    let nodes = lab.card_nodes(&["rpi40", "rpi41"]).expect("nodes");
    let cluster = Cluster::around(lab, nodes);
    cluster.pirun(&["provision.rhai"]).ok();
    let ready = r#"{"metadata":{"annotations":{"pirun/cordoned":"yes"}},"spec":{"unschedulable":true},"status":{"conditions":[{"type":"Ready","status":"True"}]}}"#;
    let script =
        format!("mkdir -p /data/lab/kubectl; echo '{ready}' >'/data/lab/kubectl/get node rpi41'");
    cluster.node("rpi40").sh(&script).expect("prepared");
    cluster
}

/// When k3s began to run.
fn began(node: &Node) -> String {
    node.sh("stat -c %Y /proc/$(pgrep -o -f '/usr/bin/k3s')").expect("it runs")
}

/// The changes of a run, in their order.
fn changes(said: &common::Said) -> Vec<&str> {
    let changes = said.stdout.lines().filter(|line| line.contains("  ~ "));
    changes.map(|line| line.split("   ").next().unwrap_or(line)).collect()
}

#[test]
fn nodes_reboot_one_after_the_other_and_the_server_last() {
    let cluster = cluster();
    let boots = || cluster.nodes.iter().map(Node::boots).collect::<Vec<_>>();
    let before = boots();
    let dry = cluster.pirun(&["reboot.rhai", "--dry-run"]).ok();
    let steps = [
        "rpi41 → rpi40  ~ drain rpi41",
        "rpi41  ~ reboot rpi41",
        "rpi41 → rpi40  ~ uncordon rpi41",
        "rpi40  ~ reboot rpi40",
    ];
    assert_eq!(changes(&dry), steps, "{}", dry.stdout);
    assert_eq!(boots(), before);
    let said = cluster.pirun(&["reboot.rhai"]).ok();
    assert_eq!(changes(&said), steps, "{}", said.stdout);
    assert_eq!(boots(), before.iter().map(|count| count + 1).collect::<Vec<_>>());
    for node in &cluster.nodes {
        node.sh("rc-service k3s status").expect("k3s runs");
    }
}

#[test]
fn a_service_is_started_anew_on_the_hosts_that_are_named() {
    let cluster = cluster();
    let (server, agent) = (cluster.node("rpi40"), cluster.node("rpi41"));
    let before = (began(server), began(agent));
    cluster.pirun(&["restart_service.rhai", "k3s", "--dry-run"]).ok();
    assert_eq!((began(server), began(agent)), before);
    common::backups::next_second();
    let said = cluster.pirun(&["restart_service.rhai", "k3s", "--limit", "rpi41"]).ok();
    assert_eq!(changes(&said), ["rpi41  ~ service k3s"], "{}", said.stdout);
    assert_eq!(began(server), before.0);
    assert_ne!(began(agent), before.1);

    let none = cluster.pirun(&["restart_service.rhai"]).code(2);
    assert!(none.all().contains("no service is named"), "{}", none.all());
    let wrong = cluster.pirun(&["restart_service.rhai", "k3z", "--limit", "rpi41"]).code(1);
    assert!(wrong.all().contains("k3z"), "{}", wrong.all());
}
