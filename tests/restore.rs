//! Backups put back, and a control plane that moves: on lab nodes whose datastore is written to by SQLite itself.

mod common;

use common::control_plane::{self, Copying, SERVER, max_id};
use common::{CUT, Cluster, eventually, waits_for};
use pirun_lab::{Cut, Node};

/// A server that is written to, and agents; one backup of it.
fn cluster(names: &[&str]) -> Cluster {
    let cluster = Cluster::start(names);
    control_plane::install(cluster.node(names[0]), Copying::Vacuum, 200);
    cluster.pirun(&["backup.rhai"]).ok();
    cluster
}

fn backup_of(cluster: &Cluster, host: &str) -> String {
    let found = std::fs::read_dir(cluster.path("backups")).expect("backups");
    let mut names: Vec<String> = found
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
        .collect();
    names.retain(|name| name.starts_with(host) && name.ends_with(".pbk"));
    names.sort();
    names.pop().expect("a backup")
}

/// Stops k3s, and waits until the last row that was on its way is written.
fn stop(node: &Node) {
    node.sh("rc-service -q k3s stop").expect("stopped");
    eventually("nothing is written any more", || {
        let before = max_id(node);
        std::thread::sleep(std::time::Duration::from_millis(300));
        max_id(node) == before
    });
}

/// Waits until k3s serves, if it was started at all.
fn settles(node: &Node) {
    if node.sh("rc-service -q k3s status").is_ok() {
        eventually("k3s answers", || answers(node));
    }
}

fn answers(node: &Node) -> bool {
    node.sh("nc -z -w 1 127.0.0.1 6443").is_ok()
}

/// Rows of the datastore, and its last revision.
fn rows(node: &Node) -> (i64, i64) {
    let script = format!(
        "/data/lab/bin/sqlite3 -readonly -batch -cmd '.timeout 30000' {SERVER}/db/state.db 'SELECT count(*), max(id) FROM kine'"
    );
    let said = node.sh(&script).expect("asked");
    let (count, last) = said.trim().split_once('|').expect("two numbers");
    (count.parse().expect("a number"), last.parse().expect("a number"))
}

/// Revisions that the refusal says would be lost.
fn lost(said: &str) -> String {
    let rest = said.split_once("--force-lose ").expect("a number is named").1;
    rest.chars().take_while(char::is_ascii_digit).collect()
}

#[test]
fn a_backup_is_put_back_only_when_what_is_lost_was_named() {
    let cluster = cluster(&["rpi40"]);
    let node = cluster.node("rpi40");
    let name = backup_of(&cluster, "rpi40");
    eventually("more is written", || max_id(node) > 260);
    stop(node);
    let before = max_id(node);

    let said = cluster.pirun(&["restore.rhai", "newest"]).code(1);
    assert!(said.stdout.contains("would be lost"), "{}", said.stdout);
    let number = lost(&said.stdout);
    let said = cluster.pirun(&["restore.rhai", "newest", "--force-lose", "1"]).code(1);
    assert_eq!(lost(&said.stdout), number);
    let args = ["restore.rhai", &name, "--force-lose", &number, "--no-safety"];
    let dry = cluster.pirun(&[&args[..], &["--dry-run"]].concat()).ok();
    let line = dry.stdout.lines().find(|line| line.contains("~ restore")).unwrap_or_default();
    assert!(
        line.contains(&format!("revision {before} → ")) && line.contains("would start"),
        "{}",
        dry.stdout
    );
    assert_eq!(max_id(node), before);

    let path = format!("backups/{name}");
    let said = cluster.pirun(&["restore.rhai", &path, "--force-lose", &number]).ok();
    assert!(
        said.stdout.contains("+ backup") && said.stdout.contains("~ restore"),
        "{}",
        said.stdout
    );
    // It goes on from the backup, without a hole, and what was there is aside.
    eventually("k3s writes", || rows(node).1 > before - number.parse::<i64>().expect("a number"));
    let (count, last) = rows(node);
    assert_eq!(count, last);
    assert!(answers(node));
    let aside = node.sh("ls /data/var/lib/rancher/k3s; stat -c %Y /data/var/lib/rancher/k3s/server*/tls/server-ca.crt | sort -u | wc -l; ls /data/.pirun");
    let aside = aside.expect("listed");
    assert!(aside.contains("server.old.") && !aside.contains("restore"), "{aside}");
    // The times of keys and certificates are those of the backup.
    assert!(aside.lines().any(|line| line == "1"), "{aside}");

    let again = cluster.pirun(&["restore.rhai", &name]).ok();
    assert_eq!(again.recap("rpi40").1, 0, "{}", again.stdout);
    cluster.pirun(&["restore.rhai", "--accept"]).ok();
    assert!(!node.sh("ls /data/var/lib/rancher/k3s").expect("listed").contains("old"));
}

#[test]
fn what_does_not_fit_is_refused_and_changes_nothing() {
    let cluster = cluster(&["rpi40", "rpi41"]);
    let node = cluster.node("rpi40");
    let refused = |args: &[&str], wanted: &str| {
        let before =
            node.sh(&format!("ls {SERVER}/..; ls -la {SERVER} | grep -v db")).expect("listed");
        let said = cluster.pirun(&[&["restore.rhai"], args].concat());
        assert!(said.code != Some(0) && said.all().contains(wanted), "{wanted}: {}", said.all());
        assert_eq!(
            node.sh(&format!("ls {SERVER}/..; ls -la {SERVER} | grep -v db")).expect("listed"),
            before
        );
    };
    refused(&[], "no backup is named");
    refused(&["nope"], "there is no backup nope");
    refused(&["newest", "--from", "elsewhere"], "there is no backup");
    // Another cluster's certificates.
    node.sh(&format!(
        "cp {SERVER}/tls/server-ca.crt /data/ca; echo other >{SERVER}/tls/server-ca.crt"
    ))
    .expect("changed");
    refused(&["newest"], "runs another cluster than the one in the backup");
    node.sh(&format!("mv /data/ca {SERVER}/tls/server-ca.crt")).expect("put back");
    // A file that was cut.
    let name = backup_of(&cluster, "rpi40");
    std::fs::create_dir(cluster.path("cut")).expect("made");
    let bytes = std::fs::read(cluster.path("backups").join(&name)).expect("read");
    std::fs::write(
        cluster.path("cut").join(&name),
        &bytes[..bytes.len() - 70_000.min(bytes.len() / 2)],
    )
    .expect("written");
    refused(&[&format!("cut/{name}")], &name);
    // Another token than the one that opens the datastore.
    node.sh("echo another >/etc/rancher/k3s/token").expect("written");
    refused(&["newest", "--force-lose", "100000"], "starts with another token");
    node.sh("rm /etc/rancher/k3s/token").expect("removed");
    // An older k3s on the node than in the backup.
    node.sh(
        "mount -o remount,rw /; sed -i s/1.34.2/1.33.9/ /usr/bin/k3s; mount -o remount,ro / || :",
    )
    .expect("changed");
    refused(&["newest"], "an older k3s may not understand the datastore");
    assert!(answers(node));
}

#[test]
fn a_state_that_k3s_does_not_come_up_with_is_taken_out_again() {
    let cluster = cluster(&["rpi40"]);
    let node = cluster.node("rpi40");
    stop(node);
    // k3s ends at once where the state was restored.
    node.sh(&format!("mount -o remount,rw /; sed -i '2i [ \"$1\" != server ] || [ ! -e {SERVER}/.pirun-restored ] || exit 1' /usr/bin/k3s; mount -o remount,ro /")).expect("changed");
    let before = max_id(node);
    let said = cluster
        .pirun(&[
            "restore.rhai",
            "newest",
            "--wait",
            "3s",
            "--force-lose",
            &lost(&cluster.pirun(&["restore.rhai", "newest"]).code(1).stdout),
        ])
        .code(1);
    assert!(said.stdout.contains("so what was there before is back"), "{}", said.stdout);
    eventually("the state before is served", || answers(node));
    assert!(max_id(node) >= before);
    assert_eq!(node.sh("ls -A /data/.pirun").expect("listed").trim(), "");
}

#[test]
fn a_state_with_which_the_api_server_never_gets_ready_is_taken_out_again() {
    let cluster = cluster(&["rpi40"]);
    let node = cluster.node("rpi40");
    node.sh("mkdir -p /data/lab/kubectl; cd /data/lab/kubectl; f='get --raw _readyz'; : >\"$f\"; echo 1 >\"$f.exit\"")
        .expect("prepared");
    let before = max_id(node);
    let said = cluster.pirun(&["restore.rhai", "newest", "--wait", "2s", "--force-lose", "100000"]);
    assert!(
        said.code == Some(1)
            && said.stdout.contains("the API server is ready")
            && said.stdout.contains("so what was there before is back"),
        "{}",
        said.all()
    );
    eventually("the state before is served", || answers(node));
    assert!(max_id(node) >= before);
}

/// What a run says, without what is different in each.
fn settled(said: &common::Said) -> String {
    let mut text = said.all();
    for (pattern, name) in [
        (r"\d{4}-\d\d-\d\dT[\d-]+Z", "TIME"),
        (r"\d+(\.\d)? [kM]B", "SIZE"),
        (r"\d+(\.\d)? s\b", "… s"),
        (r"\d+ → \d+", "MORE → LESS"),
        (r"revision \d+", "revision N"),
        (r"\d+ revisions", "N revisions"),
        (r"(--force-lose) \d+", "$1 N"),
        (r" +\n", "\n"),
    ] {
        text = regex::Regex::new(pattern).expect("a pattern").replace_all(&text, name).into_owned();
    }
    text.lines().filter(|line| !line.starts_with("log: ")).map(|line| format!("{line}\n")).collect()
}

#[test]
fn a_restore_and_a_move_tell_before_they_begin_what_they_would_do() {
    let cluster = before_a_move();
    let dry = cluster.pirun(&["migrate_server.rhai", "rpi40", "rpi41", "--dry-run"]).ok();
    insta::assert_snapshot!("a_move", settled(&dry));
    let address = |name: &str| (name.to_owned(), cluster.node(name).address().to_string());
    cluster.write_inventory(&[address("rpi40"), address("rpi41"), address("rpi42")], "");
    let last = max_id(cluster.node("rpi40"));
    eventually("more is written", || max_id(cluster.node("rpi40")) > last + 10);
    insta::assert_snapshot!(
        "a_refusal",
        settled(&cluster.pirun(&["restore.rhai", "newest", "--dry-run"]))
    );
    let dry =
        cluster.pirun(&["restore.rhai", "newest", "--force-lose", "100000", "--dry-run"]).ok();
    insta::assert_snapshot!("a_restore", settled(&dry));
}

#[test]
fn what_was_put_aside_goes_with_a_backup_a_week_later() {
    let cluster = cluster(&["rpi40"]);
    let node = cluster.node("rpi40");
    let now = std::time::UNIX_EPOCH.elapsed().expect("a clock").as_secs();
    let (young, old) = (now - 6 * 86_400, now - 8 * 86_400);
    node.sh(&format!("cd {BASE}; mkdir server.old.{young} server.old.{old} server.failed"))
        .expect("made");
    // While a restore is not finished, nothing goes.
    let note = format!(
        "mkdir -p /data/.pirun/restore; echo 'b.pbk@{old} swapped server.old.{old}' >/data/.pirun/restore/step"
    );
    node.sh(&note).expect("noted");
    common::backups::next_second();
    let said = cluster.pirun(&["backup.rhai"]).ok();
    assert!(!said.stdout.contains("accept_restore"), "{}", said.stdout);
    node.sh("rm -r /data/.pirun/restore").expect("removed");
    common::backups::next_second();
    let said = cluster.pirun(&["backup.rhai"]).ok();
    assert!(said.stdout.contains(&format!("- accept_restore server.old.{old}")), "{}", said.stdout);
    let left = node.sh(&format!("ls {BASE}")).expect("listed");
    assert_eq!(left, format!("server\nserver.failed\nserver.old.{young}\n"));
}

#[test]
fn a_link_that_is_cut_while_a_backup_arrives_leaves_what_was_there() {
    let cluster = cluster(&["rpi40"]);
    let node = cluster.node("rpi40");
    let relay = cluster.lab.relay(node).expect("a relay");
    let before = max_id(node);
    cluster.write_inventory(&[("rpi40".into(), relay.address().to_string())], "");
    stop(node);
    let lose = lost(&cluster.pirun(&["restore.rhai", "newest"]).code(1).stdout);
    let args = ["restore.rhai", "newest", "--force-lose", &lose, "--no-safety"];
    for bytes in [30_000, 60_000, 90_000] {
        relay.forget_traffic();
        relay.cut_after(bytes, Cut::Reset);
        let said = cluster.pirun(&args).code(1);
        assert!(!said.stdout.contains("~ restore"), "{}", said.stdout);
        relay.mend();
        let state = node.sh(&format!(
            "ls {SERVER}/db/state.db; ls -d {SERVER}.old* /data/.pirun/restore 2>/dev/null; :"
        ));
        assert_eq!(
            state.expect("listed"),
            format!("{SERVER}/db/state.db\n"),
            "cut after {bytes} bytes"
        );
        assert!(max_id(node) >= before);
    }
    cluster.pirun(&args).ok();
    assert!(answers(node));
}

const PROGRAM: &str = include_str!("../src/backup/restore/node.sh");

/// Calls the node's half of a restore as pirun does, ended before one of its steps.
fn call(node: &Node, command: &str, cut: u32) -> String {
    let script = format!(
        "CUT={cut} RUN=b.pbk@9 OLD=server.old.9 SAME=yes\n{CUT}{PROGRAM}\n{command} 2>&1 && echo ended well"
    );
    node.inside(|| Ok(std::fs::write("/data/restore.sh", &script)?)).expect("written");
    node.sh("sh /data/restore.sh 2>&1 || :").unwrap_or_default()
}

/// Where k3s has its state.
const BASE: &str = "/data/var/lib/rancher/k3s";

/// A node that serves, and beside its state another one that has arrived.
fn has_arrived(node: &Node) {
    node.sh(&format!(
        "rc-service -q k3s stop 2>/dev/null; rm -rf {BASE} /data/.pirun; mkdir -p {BASE}; cp -a /data/kept {BASE}/server
         cp -a /data/arrived {BASE}/restore.new; printf 0123456789 >/etc/rancher/node/password; cp /data/conf /data/etc/conf.d/k3s
         rc-service -q k3s start"
    ))
    .expect("prepared");
    settles(node);
}

/// A node on which k3s serves, which was told apart from what would be restored by a file and its password.
fn with_two_states() -> Cluster {
    let cluster = Cluster::start(&["rpi40"]);
    let node = cluster.node("rpi40");
    control_plane::install(node, Copying::Vacuum, 200);
    stop(node);
    node.sh(&format!(
        "cp -a {BASE}/server /data/kept; mkdir -p /data/arrived/node; cp -a {BASE}/server /data/arrived/server
         echo b.pbk@9 >/data/arrived/server/.pirun-restored; echo 42 >/data/arrived/node/password
         cp /data/etc/conf.d/k3s /data/conf"
    ))
    .expect("copied");
    cluster
}

/// The power is back, and k3s is started as at boot: it serves no state of its own making.
fn boots(node: &Node) {
    let _ = node.sh("rc-service -q k3s stop; rc-service k3s start");
    settles(node);
    let state = node.sh(&format!("ls {BASE}/server/tls/server-ca.key"));
    assert!(!answers(node) || state.is_ok(), "k3s serves without a state");
}

/// Whether the restored state is there, and all that belongs to it.
fn is_whole(node: &Node, restored: bool) {
    eventually("k3s answers", || answers(node));
    let found = node.sh(&format!("cat {BASE}/server/.pirun-restored")).is_ok();
    let password = node.sh("cat /etc/rancher/node/password").expect("read");
    let wanted = if restored { "42\n" } else { "0123456789" };
    assert_eq!((found, &*password), (restored, wanted));
    node.sh("cmp /data/etc/conf.d/k3s /data/conf").expect("k3s is configured as before");
}

/// Cuts `command`, after `before`, at each of its steps, and ends with `then`. The number of cuts.
fn cut_everywhere(node: &Node, before: Option<&str>, command: &str, then: &str) -> u32 {
    for cut in 1.. {
        has_arrived(node);
        if let Some(before) = before {
            call(node, before, 1000);
            settles(node);
        }
        if call(node, command, cut).contains("ended well") {
            return cut - 1;
        }
        boots(node);
        let said = call(node, then, 1000);
        assert!(said.contains("ended well"), "{command}, cut {cut}: {said}");
        is_whole(node, then == "swap");
    }
    0
}

#[test]
fn a_power_cut_at_any_step_of_a_restore_starts_no_third_state() {
    let cluster = with_two_states();
    let node = cluster.node("rpi40");
    let cuts =
        [cut_everywhere(node, None, "swap", "swap"), cut_everywhere(node, None, "swap", "undo")];
    assert!(cuts.iter().all(|cuts| *cuts >= 8), "{cuts:?} steps were cut");
}

#[test]
fn a_power_cut_at_any_step_of_the_way_back_loses_nothing_of_what_was_there() {
    let cluster = with_two_states();
    let node = cluster.node("rpi40");
    let cuts = cut_everywhere(node, Some("swap"), "undo", "undo");
    assert!(cuts >= 8, "only {cuts} steps were cut");
    // Without a state before, nothing starts.
    has_arrived(node);
    node.sh(&format!("rc-service -q k3s stop; rm -rf {BASE}/server")).expect("removed");
    assert!(call(node, "swap", 1000).contains("ended well"));
    settles(node);
    assert!(call(node, "undo", 1000).contains("ended well"));
    assert!(node.sh("rc-service k3s start").is_err());
}

/// Old server, new server, an agent; the inventory names the new one already.
fn before_a_move() -> Cluster {
    let cluster = cluster(&["rpi40", "rpi41", "rpi42"]);
    cluster.pirun(&["provision.rhai"]).ok();
    control_plane::equip(cluster.node("rpi41"), Copying::Vacuum);
    let address = |name: &str| (name.to_owned(), cluster.node(name).address().to_string());
    cluster.write_inventory(&[address("rpi41"), address("rpi40"), address("rpi42")], "");
    cluster
}

/// One control plane serves, the new one; the agents go to it, and no row is lost.
fn has_moved(cluster: &Cluster, last: i64) {
    let (old, new) = (cluster.node("rpi40"), cluster.node("rpi41"));
    eventually("the new one serves", || answers(new));
    assert!(!answers(old), "both serve");
    let (count, now) = rows(new);
    assert!(count == now && now >= last, "{count} rows, {now} of {last}");
    for agent in ["rpi40", "rpi42"] {
        let options = cluster
            .node(agent)
            .sh("cat /etc/conf.d/k3s; rc-service k3s status >/dev/null && echo runs")
            .expect("read");
        assert!(
            options.contains("K3S_EXEC=agent")
                && options.contains("--server https://rpi41:6443")
                && options.contains("runs"),
            "{options}"
        );
    }
}

#[test]
fn a_control_plane_moves_and_its_agents_follow() {
    let cluster = before_a_move();
    let wrong = cluster.pirun(&["migrate_server.rhai", "rpi41", "rpi40"]);
    assert!(
        wrong.code == Some(2) && wrong.all().contains("does not have rpi40 as the server"),
        "{}",
        wrong.all()
    );
    let before = max_id(cluster.node("rpi40"));
    let dry = cluster.pirun(&["migrate_server.rhai", "rpi40", "rpi41", "--dry-run"]).ok();
    for words in ["rpi40  ~ service k3s", "would stop", "rpi41  ~ restore"] {
        assert!(dry.stdout.contains(words), "{words}: {}", dry.stdout);
    }
    assert!(answers(cluster.node("rpi40")), "a dry run changes nothing");
    // As Kubernetes knows the old one.
    let new = cluster.node("rpi41");
    new.sh("mkdir -p /data/lab/kubectl; cd /data/lab/kubectl; echo '{\"node-role.kubernetes.io/control-plane\":\"true\"}' >'get node rpi40 --ignore-not-found -o jsonpath={.metadata.labels}'
        echo '{\"metadata\":{},\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]}}' | tee 'get node rpi40' >'get secret_rpi41.node-password.k3s'")
        .expect("prepared");
    cluster.pirun(&["migrate_server.rhai", "rpi40", "rpi41"]).ok();
    has_moved(&cluster, before);
    let asked = new.sh("cat /var/log/kubectl.log").expect("read");
    for words in [
        "delete secret/rpi41.node-password.k3s -n kube-system",
        "label node rpi40 node-role.kubernetes.io/control-plane-\n",
    ] {
        assert!(asked.contains(words), "{words}: {asked}");
    }
    new.sh("rm -r /data/lab/kubectl").expect("removed");
    let again = cluster.pirun(&["migrate_server.rhai", "rpi40", "rpi41"]).ok();
    for host in ["rpi40", "rpi41", "rpi42"] {
        assert_eq!(again.recap(host).1, 0, "{}", again.stdout);
    }
    // A backup of the moved one cannot come to the old one meanwhile.
    let said = cluster.pirun(&["migrate_server.rhai", "rpi40", "rpi41", "--old-is-dead"]).ok();
    assert_eq!(said.recap("rpi41").1, 0, "{}", said.stdout);
}

#[test]
fn a_server_that_is_lost_is_replaced_from_its_newest_backup() {
    let cluster = before_a_move();
    let args = ["migrate_server.rhai", "rpi40", "rpi41", "--old-is-dead"];
    let said = cluster.pirun(&args);
    assert!(said.code == Some(2) && said.all().contains("rpi40 is not dead"), "{}", said.all());
    cluster.node("rpi40").cut().expect("cut");
    let said = cluster.pirun(&args);
    // The lost one is an agent of the inventory now, and cannot be reached.
    assert_eq!(said.code, Some(1), "{}", said.all());
    eventually("the new one serves", || answers(cluster.node("rpi41")));
    let options = cluster.node("rpi42").sh("cat /etc/conf.d/k3s").expect("read");
    assert!(options.contains("--server https://rpi41:6443"), "{options}");
}

/// Where a move is cut, and how a node shows it.
const POINTS: [(&str, &str, &str); 6] = [
    ("the old one is stopped", "rpi40", "! nc -z -w 1 127.0.0.1 6443"),
    ("its datastore is aside", "rpi40", "ls /var/lib/rancher/k3s/server | grep -q moved-to"),
    ("the new one is prepared", "rpi41", "grep -q EXEC=server /etc/conf.d/k3s"),
    ("the backup arrives", "rpi41", "[ -e /data/var/lib/rancher/k3s/restore.new ]"),
    ("the restore is noted", "rpi41", "[ -e /data/.pirun/restore/step ]"),
    ("the new one serves", "rpi41", "nc -z -w 1 127.0.0.1 6443"),
];

/// How a move is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Run,
    Links,
    Power,
}

/// Cuts moves at each point. The next run finishes them, and the two servers never serve at the same time.
fn cut_moves(end: End) {
    for (what, name, looks) in POINTS {
        let cluster = before_a_move();
        let (old, new) = (cluster.node("rpi40"), cluster.node("rpi41"));
        let relays = [new, old].map(|node| cluster.lab.relay(node).expect("a relay"));
        if end == End::Links {
            let far = [("rpi41", &relays[0]), ("rpi40", &relays[1])]
                .map(|(name, relay)| (name.to_owned(), relay.address().to_string()));
            let agent = ("rpi42".to_owned(), cluster.node("rpi42").address().to_string());
            cluster.write_inventory(&[&far[..], &[agent]].concat(), "");
        }
        let before = max_id(old);
        let mut child = cluster.spawn(&["migrate_server.rhai", "rpi40", "rpi41"]);
        let node = cluster.node(name);
        let reached = waits_for(&mut child, || {
            assert!(!(answers(old) && answers(new)), "{what}: both serve");
            node.sh(looks).is_ok()
        });
        match end {
            End::Run => child.kill().expect("killed"),
            End::Links => relays.iter().for_each(|relay| relay.cut(Cut::Reset)),
            End::Power => {
                [old, new].iter().for_each(|node| node.power_cut().expect("cut"));
                child.kill().expect("killed");
            }
        }
        let output = child.wait_with_output().expect("ended");
        assert!(reached, "never: {what}: {}", common::said(output).all());
        match end {
            End::Run => {}
            End::Links => relays.iter().for_each(pirun_lab::Relay::mend),
            End::Power => {
                [old, new].iter().for_each(|node| node.power_on().expect("on"));
                for node in [old, new] {
                    node.wait_up().expect("up");
                    cluster.wait_for_answer(node.name());
                }
            }
        }
        assert!(!(answers(old) && answers(new)), "{what}: both serve");
        let said = cluster.pirun(&["migrate_server.rhai", "rpi40", "rpi41"]);
        assert_eq!(said.code, Some(0), "{what}, {end:?}: {}", said.all());
        has_moved(&cluster, before);
    }
}

#[test]
fn a_move_whose_run_is_killed_anywhere_is_finished_by_the_next_and_never_serves_twice() {
    cut_moves(End::Run);
}

#[test]
fn a_move_whose_links_are_cut_anywhere_is_finished_by_the_next_and_never_serves_twice() {
    cut_moves(End::Links);
}

#[test]
fn a_move_whose_nodes_lose_power_anywhere_is_finished_by_the_next_and_never_serves_twice() {
    cut_moves(End::Power);
}
