//! What goes wrong in real life, on real nodes: afterwards there is the old content or the new, the root is
//! read-only, and a second run completes the work.

mod common;

use common::{Cluster, PASSWORD, eventually, said};
use pirun_lab::{Cut, Lab, Node};
use rustix::process::{Pid, Signal, kill_process};

fn root_is_read_only(node: &Node) -> bool {
    node.sh("grep ' / ' /proc/mounts").is_ok_and(|mounts| mounts.contains(" ro"))
}

fn runs(node: &Node, service: &str) -> bool {
    node.sh(&format!("rc-service {service} status")).is_ok_and(|said| said.contains("started"))
}

/// A playbook that replaces a file by `size` bytes.
fn big_file(size: usize) -> String {
    format!(
        "let text = \"\"; text.pad({size}, 'x');\n\
         on(hosts(\"all\"), |host| {{ host.file(\"/data/big\", #{{ content: text }}); }});"
    )
}

#[test]
fn a_link_that_is_cut_in_the_middle_of_a_write_leaves_the_old_file_and_a_second_run_completes() {
    let cluster = Cluster::start(&["rpi40"]);
    let node = cluster.node("rpi40");
    let relay = cluster.lab.relay(node).expect("a relay");
    cluster.write_inventory(&[("rpi40".to_owned(), relay.address().to_string())], "");
    // Inside the login, inside a request, and inside a stream of its own.
    for (size, after) in [(30_000, 2_000), (30_000, 20_000), (30_000, 35_000), (500_000, 200_000)] {
        node.sh("printf old >/data/big").expect("written");
        relay.cut_after(after, Cut::Reset);
        let cut = cluster.play(&big_file(size), &[]).code(1);
        assert!(cut.all().contains("rpi40"), "{}", cut.all());
        let content = node.read("/data/big").expect("readable");
        assert!(
            content == b"old" || content == vec![b'x'; size],
            "{} bytes after {after}",
            content.len()
        );
        relay.mend();
        cluster.play(&big_file(size), &[]).ok();
        assert_eq!(node.read("/data/big").expect("readable"), vec![b'x'; size]);
        assert_eq!(node.sh("ls -A /data | grep pirun || true").expect("listed"), "");
    }
}

#[test]
fn an_upload_goes_on_where_a_cut_link_has_stopped_it() {
    let cluster = Cluster::start(&["rpi40"]);
    let node = cluster.node("rpi40");
    let relay = cluster.lab.relay(node).expect("a relay");
    cluster.write_inventory(&[("rpi40".to_owned(), relay.address().to_string())], "");
    let content: Vec<u8> =
        (0..3_000_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
    std::fs::write(cluster.path("big"), &content).expect("written");
    let upload = "on(hosts(\"all\"), |host| { host.upload(\"big\", \"/data/big\"); });";
    relay.cut_after(2_000_000, Cut::Reset);
    cluster.play(upload, &[]).code(1);
    relay.mend();
    relay.forget_traffic();
    cluster.play(upload, &[]).ok();
    assert!(node.read("/data/big").expect("readable") == content, "another content");
    let sent = relay.traffic().bytes_to_node;
    assert!(sent < 1_500_000, "{sent} bytes the second time");
}

#[test]
fn a_power_cut_between_the_temporary_file_and_its_name_leaves_the_old_file() {
    let lab = Lab::start().expect("a lab");
    let card = lab.card_node("rpi40").expect("a card node");
    let cluster = Cluster::around(lab, vec![card]);
    let node = cluster.node("rpi40");
    node.sh("printf old >/data/x; sync").expect("written");
    // A `mv` that takes its time, in front of the real one.
    node.sh("mount -o remount,rw / && mkdir -p /usr/local/sbin && printf '#!/bin/sh\\ntouch /run/at-mv\\nsleep 60\\n' \
             >/usr/local/sbin/mv && chmod 755 /usr/local/sbin/mv && mount -o remount,ro /").expect("installed");
    let play = "on(hosts(\"all\"), |host| { host.file(\"/data/x\", #{ content: \"new\" }); });";
    cluster.write("play.rhai", play);
    let run = cluster.spawn(&["play.rhai"]);
    eventually("pirun comes to the rename", || node.sh("test -e /run/at-mv").is_ok());
    node.power_cut().expect("cut");
    said(run.wait_with_output().expect("ended")).code(1);
    node.power_on().expect("on");
    node.wait_up().expect("up");
    assert_eq!(node.read("/data/x").expect("readable"), b"old");
    node.sh("mount -o remount,rw / && rm /usr/local/sbin/mv && mount -o remount,ro /")
        .expect("removed");
    cluster.pirun(&["play.rhai"]).ok();
    assert_eq!(node.read("/data/x").expect("readable"), b"new");
    assert_eq!(node.sh("ls -A /data | grep pirun || true").expect("listed"), "");
}

#[test]
fn a_node_that_is_down_does_not_stop_the_others() {
    let cluster = Cluster::start(&["rpi40", "rpi41", "rpi42"]);
    cluster.node("rpi41").power_off().expect("off");
    let play = "on(hosts(\"all\"), |host| { host.dir(\"/data/d\"); });";
    let said = cluster.play(play, &[]).code(1);
    assert_eq!(said.recap("rpi40").1, 1);
    assert_eq!(said.recap("rpi42").1, 1);
    assert_eq!(said.recap("rpi41").2, 1);
    assert!(said.all().contains("unreachable"), "{}", said.all());
    cluster.node("rpi41").power_on().expect("on");
    cluster.node("rpi41").wait_up().expect("up");
    let again = cluster.play(play, &["--limit", "@failed"]).ok();
    assert_eq!(again.recap("rpi41").1, 1);
    assert!(!again.stdout.contains("rpi42"), "{}", again.stdout);
}

#[test]
fn a_node_that_dies_in_the_middle_fails_alone() {
    let cluster = Cluster::start(&["rpi40", "rpi41"]);
    let play = "on(hosts(\"all\"), |host| {\n\
                host.file(\"/data/begun\", #{ content: \"1\" });\n\
                host.wait_for(\"the go\", \"25s\", |host| host.exists(\"/data/go\"));\n\
                host.file(\"/data/done\", #{ content: \"1\" });\n\
                });";
    cluster.write("play.rhai", play);
    let run = cluster.spawn(&["play.rhai"]);
    for node in &cluster.nodes {
        eventually("both have begun", || node.sh("test -e /data/begun").is_ok());
    }
    cluster.node("rpi41").power_off().expect("off");
    cluster.node("rpi40").sh("touch /data/go").expect("touched");
    let said = said(run.wait_with_output().expect("ended")).code(1);
    assert_eq!(said.recap("rpi40").2, 0, "{}", said.all());
    assert_eq!(said.recap("rpi41").2, 1, "{}", said.all());
    assert!(cluster.node("rpi40").sh("test -e /data/done").is_ok());
}

#[test]
fn a_changed_host_key_stops_everything_and_shows_both_fingerprints() {
    let cluster = Cluster::start(&["rpi40"]);
    let other =
        "rpi40 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGcshKzEdzfp9B1JzvR3kQ/wRsEKbHXhaGHjMfod5b4R\n";
    cluster.write("known_hosts", other);
    let said = cluster.play("on(hosts(\"all\"), |host| { host.dir(\"/data/d\"); });", &[]).code(1);
    let text = said.all();
    assert!(
        text.contains("CHANGED") && text.contains("known:") && text.contains("offered:"),
        "{text}"
    );
    assert_eq!(text.matches("SHA256:").count(), 2, "{text}");
    assert!(text.contains("pirun trust rpi40 --replace"), "{text}");
    assert!(cluster.node("rpi40").sh("test -e /data/d").is_err());
    // The way out that the message names.
    cluster.pirun(&["trust", "rpi40"]).code(2);
    cluster.pirun(&["trust", "rpi40", "--replace", "--yes"]).ok();
    cluster.play("on(hosts(\"all\"), |host| { host.dir(\"/data/d\"); });", &[]).ok();
}

#[test]
fn a_full_disk_leaves_the_old_file_and_says_so() {
    let lab = Lab::start().expect("a lab");
    let card = lab.card_node("rpi40").expect("a card node");
    let cluster = Cluster::around(lab, vec![card]);
    let node = cluster.node("rpi40");
    node.sh("printf old >/data/big; dd if=/dev/zero of=/data/fill bs=64k 2>/dev/null; dd if=/dev/zero of=/data/fill2 bs=1k 2>/dev/null; sync; :")
        .expect("filled");
    for size in [30_000, 500_000] {
        let said = cluster.play(&big_file(size), &[]).code(1);
        assert!(said.all().contains("no space left"), "{}", said.all());
        assert_eq!(node.read("/data/big").expect("readable"), b"old");
    }
    node.sh("rm /data/fill /data/fill2").expect("removed");
    cluster.play(&big_file(30_000), &[]).ok();
}

#[test]
fn a_wrong_vault_password_changes_nothing_and_ends_with_4() {
    let cluster = Cluster::start(&["rpi40"]);
    assert_ne!(PASSWORD, "wrong");
    let output = cluster.command(&["provision.rhai"]).env("PIRUN_VAULT_PASSWORD", "wrong").output();
    let said = said(output.expect("pirun runs")).code(4);
    assert!(said.stderr.contains("password"), "{}", said.stderr);
    let none = cluster.command(&["provision.rhai"]).env_remove("PIRUN_VAULT_PASSWORD").output();
    let none = common::said(none.expect("pirun runs")).code(4);
    assert!(none.stderr.contains("--vault-password-file"), "{}", none.stderr);
    assert!(cluster.node("rpi40").sh("test -e /data/k3s/incomplete-downloads").is_err());
}

/// Stops a service, makes the root writable, changes a file, and then takes its time.
const LONG_WRITABLE: &str = "on(hosts(\"all\"), |host| {\n\
    host.service(\"rpcbind\", \"started\");\n\
    host.writable(\"/\", #{ stop: [\"rpcbind\"] }, |host| {\n\
        host.file(\"/etc/motd\", #{ content: \"changed\\n\" });\n\
        host.run(\"touch /run/inside; sleep 100\");\n\
    });\n\
});";

#[test]
fn an_error_in_a_writable_scope_closes_it_and_starts_the_service_again() {
    let cluster = Cluster::start(&["rpi40"]);
    let node = cluster.node("rpi40");
    let said = cluster.play(&LONG_WRITABLE.replace("sleep 100", "exit 7"), &[]).code(1);
    assert!(said.all().contains("ended with code 7"), "{}", said.all());
    assert!(root_is_read_only(node), "{}", said.all());
    assert!(runs(node, "rpcbind"), "{}", said.all());
}

#[test]
fn a_missing_command_and_a_time_out_have_words_of_their_own() {
    let cluster = Cluster::start(&["rpi40"]);
    let play = |body: &str| cluster.play(&format!("on(hosts(\"all\"), |host| {{ {body} }});"), &[]);
    let missing = play("host.run([\"no-such-command\"]);").code(1).all();
    assert!(missing.contains("no such command on the node"), "{missing}");
    let late = play("host.query(\"sleep 60\", #{ timeout: \"1s\" });").code(1).all();
    assert!(late.contains("`sleep 60` was ended after 1 s"), "{late}");
}

#[test]
fn ctrl_c_in_a_writable_scope_closes_it_and_ends_with_130() {
    let cluster = Cluster::start(&["rpi40"]);
    let node = cluster.node("rpi40");
    cluster.write("play.rhai", LONG_WRITABLE);
    let run = cluster.spawn(&["play.rhai"]);
    eventually("the command runs", || node.sh("test -e /run/inside").is_ok());
    assert!(!root_is_read_only(node) && !runs(node, "rpcbind"));
    let pid = Pid::from_raw(i32::try_from(run.id()).expect("a pid")).expect("a pid");
    kill_process(pid, Signal::INT).expect("sent");
    let said = said(run.wait_with_output().expect("ended")).code(130);
    assert!(root_is_read_only(node), "{}", said.all());
    assert!(runs(node, "rpcbind"), "{}", said.all());
    assert!(node.sh("pgrep -f 'sleep 100'").is_err(), "the command was left behind");
}

#[test]
fn a_killed_pirun_leaves_a_node_that_closes_its_scope_itself() {
    let cluster = Cluster::start(&["rpi40"]);
    let node = cluster.node("rpi40");
    cluster.write("play.rhai", &LONG_WRITABLE.replace("sleep 100", "sleep 3"));
    let mut run = cluster.spawn(&["play.rhai"]);
    eventually("the command runs", || node.sh("test -e /run/inside").is_ok());
    run.kill().expect("killed");
    run.wait().expect("ended");
    eventually("the root is read-only again", || root_is_read_only(node));
    eventually("the service runs again", || runs(node, "rpcbind"));
}

#[test]
fn a_busy_mount_names_its_holder_and_the_next_run_tries_again() {
    let cluster = Cluster::start(&["rpi40"]);
    let node = cluster.node("rpi40");
    let play = "on(hosts(\"all\"), |host| {\n\
                host.writable(\"/\", |host| {\n\
                host.file(\"/etc/motd\", #{ content: \"changed\\n\" });\n\
                host.run(\"(exec 9>>/etc/held; exec sleep 1000) </dev/null >/dev/null 2>&1 &\", #{ unless: \"test -e /etc/held\" });\n\
                }); });";
    let said = cluster.play(play, &[]).code(1);
    let text = said.all();
    assert!(text.contains("busy") && text.contains("held open by sleep"), "{text}");
    assert!(!root_is_read_only(node));
    node.sh("pkill -f 'sleep 1000'").expect("killed");
    let again = cluster.play(play, &[]).ok();
    assert!(root_is_read_only(node), "{}", again.all());
    assert_eq!(cluster.play(play, &[]).ok().recap("rpi40").1, 0);
}

#[test]
fn a_handler_that_a_cut_run_never_reached_is_called_by_the_next() {
    let cluster = Cluster::start(&["rpi40"]);
    let node = cluster.node("rpi40");
    let play = |end: &str| {
        format!(
            "on(hosts(\"all\"), |host| {{\n\
             let conf = host.file(\"/data/conf\", #{{ content: \"1\" }});\n\
             host.at_end(\"note it\", conf, |host| host.run(\"echo called >>/data/called\"));\n\
             {end}\n}});"
        )
    };
    cluster.play(&play("fail(\"cut here\", \"\");"), &[]).code(1);
    assert!(node.sh("test -e /data/called").is_err());
    cluster.play(&play(""), &[]).ok();
    assert_eq!(node.sh("cat /data/called").expect("called"), "called\n");
    cluster.play(&play(""), &[]).ok();
    assert_eq!(node.sh("cat /data/called").expect("called"), "called\n");
}

#[test]
fn a_handler_is_called_once_for_all_files_that_notify_it() {
    let cluster = Cluster::start(&["rpi40"]);
    let play = "on(hosts(\"all\"), |host| {\n\
                for name in [\"a\", \"b\"] { host.file(`/data/${name}`, #{ content: \"1\", notify: \"note it\" }); }\n\
                host.at_end(\"note it\", |host| host.run(\"echo called >>/data/called\"));\n\
                });";
    cluster.play(play, &[]).ok();
    cluster.play(play, &[]).ok();
    assert_eq!(cluster.node("rpi40").sh("cat /data/called").expect("called"), "called\n");
}
