//! Verbs for Kubernetes, with the lab's k3s answering what was prepared.

mod common;

use common::Cluster;

const READY: &str = r#"{"metadata":{"name":"rpi41"},"spec":{},"status":{"conditions":[{"type":"Ready","status":"True"}]}}"#;
const OURS: &str =
    r#"{"metadata":{"annotations":{"pirun/cordoned":"yes"}},"spec":{"unschedulable":true}}"#;
const THEIRS: &str = r#"{"metadata":{},"spec":{"unschedulable":true}}"#;

/// Prepares what `kubectl ARGUMENTS` says on the server, and how it ends.
fn answer(cluster: &Cluster, arguments: &str, text: &str, code: u8) {
    let name = format!("/data/lab/kubectl/{}", arguments.replace('/', "_"));
    let script = format!(
        "mkdir -p /data/lab/kubectl; printf %s '{}' >'{name}'; echo {code} >'{name}.exit'",
        text.replace('\'', "'\\''")
    );
    cluster.node("rpi40").sh(&script).expect("prepared");
}

/// What kubectl was asked since the last call.
fn asked(cluster: &Cluster) -> String {
    let log = cluster.node("rpi40").sh("cat /var/log/kubectl.log; : >/var/log/kubectl.log");
    log.unwrap_or_default()
}

fn play(cluster: &Cluster, verbs: &str, args: &[&str]) -> common::Said {
    let play = format!(
        "let server = host(\"server\");\non([host(\"rpi41\")], |host| {{\n    let kube = kube(server);\n    {verbs}\n}});\n"
    );
    cluster.play(&play, args)
}

#[test]
fn a_node_is_drained_and_only_pirun_s_own_cordon_is_taken_back() {
    let cluster = Cluster::start(&["rpi40", "rpi41"]);
    let drain = "print(kube.ready(host)); kube.drain(host, #{ timeout: \"1m\" });";
    answer(&cluster, "get node rpi41", READY, 0);

    let dry = play(&cluster, drain, &["--dry-run"]).ok();
    assert!(
        dry.stdout.contains("~ drain rpi41") && dry.stdout.contains("would drain"),
        "{}",
        dry.stdout
    );
    assert!(!asked(&cluster).contains("cordon"), "a dry run changes nothing");

    play(&cluster, drain, &[]).ok();
    insta::assert_snapshot!(asked(&cluster), @"
    get node rpi41 --ignore-not-found -o json
    get node rpi41 --ignore-not-found -o json
    annotate node rpi41 pirun/cordoned=yes --overwrite
    cordon rpi41
    drain rpi41 --ignore-daemonsets --timeout=60s
    ");

    answer(&cluster, "get node rpi41", THEIRS, 0);
    let said = play(&cluster, "kube.uncordon(host);", &[]).ok();
    assert!(said.stdout.contains("nothing to change"), "{}", said.stdout);
    asked(&cluster);
    answer(&cluster, "get node rpi41", OURS, 0);
    play(&cluster, "kube.uncordon(host);", &[]).ok();
    assert!(asked(&cluster).ends_with("uncordon rpi41\nannotate node rpi41 pirun/cordoned-\n"));
}

#[test]
fn a_node_that_kubernetes_does_not_know_has_nothing_to_drain() {
    let cluster = Cluster::start(&["rpi40", "rpi41"]);
    let said = play(&cluster, "kube.drain(host); kube.uncordon(host);", &[]).ok();
    assert!(said.stdout.contains("nothing to change"), "{}", said.stdout);
    let said = play(&cluster, "kube.ready(host);", &[]).code(1);
    assert!(said.all().contains("Kubernetes does not know a node rpi41"), "{}", said.all());
}

#[test]
fn manifests_are_shown_as_kubernetes_own_diff_and_applied_once() {
    let cluster = Cluster::start(&["rpi40", "rpi41"]);
    cluster.write("pool.yaml", "kind: ConfigMap\n");
    let diff = "diff -u -N /tmp/LIVE/x /tmp/MERGED/x\n--- /tmp/LIVE/x\n+++ /tmp/MERGED/x\n@@ -1,2 +1,2 @@\n kind: ConfigMap\n-a: 1\n+a: 2\n";
    answer(&cluster, "diff", diff, 1);
    let said = play(&cluster, "kube.apply(\"pool.yaml\");", &["--dry-run"]).ok();
    let shown = |line: &&str| line.contains("pool") || line.starts_with("   ");
    let shown: Vec<&str> = said.stdout.lines().filter(shown).collect();
    insta::assert_snapshot!(shown.join("\n"), @"
    rpi41 → rpi40  ~ apply pool.yaml
             @@ -1,2 +1,2 @@
              kind: ConfigMap
             -a: 1
             +a: 2
    ");
    assert!(!asked(&cluster).contains("apply"));
    play(&cluster, "kube.apply(\"pool.yaml\");", &[]).ok();
    assert!(asked(&cluster).contains("apply --server-side --force-conflicts -f -"));
    answer(&cluster, "diff", "", 0);
    let said = play(&cluster, "kube.apply(\"pool.yaml\");", &["--assert-unchanged"]).ok();
    assert!(said.stdout.contains("nothing to change"), "{}", said.stdout);
}

#[test]
fn an_api_server_that_is_down_is_said_so() {
    let cluster = Cluster::start(&["rpi40", "rpi41"]);
    answer(&cluster, "get", "The connection to the server 127.0.0.1:6443 was refused\n", 1);
    let said = play(&cluster, "kube.drain(host);", &[]).code(1);
    let all = said.all();
    let shown: Vec<&str> =
        all.lines().filter(|line| line.contains("kubectl") || line.contains("hint")).collect();
    insta::assert_snapshot!(shown.join("\n"), @"
    rpi41  ! failed   `kubectl get node rpi41 --ignore-not-found -o json` ended with code 1
             hint: Does k3s run on this server? `rc-service k3s status` tells.
    ");
}
