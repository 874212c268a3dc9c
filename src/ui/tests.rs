//! Whole outputs, as a user sees them.

use std::sync::Arc;
use std::time::Duration;

use insta::assert_snapshot;

use super::*;
use crate::error::{ErrorKind, Frame, Site};
use crate::state::{Action, Aspect, Change};
use crate::vault::Secret;

const BEFORE: &str = "# k3s\nOUTPUT=/var/log/k3s\nK3S_OPTS=\"--node-name rpi --token-file /etc/rancher/k3s/token\"\nRESPAWN=1\n";

fn conf(label: &str) -> Change {
    let after = BEFORE.replace("token\"", &format!("token --node-label {label}\""));
    Change::of("file", "/etc/conf.d/k3s")
        .with(Aspect::Text { before: BEFORE.into(), after })
        .remark("0600 root:root")
}

fn restart() -> Change {
    Change::of("service", "k3s").with(Aspect::Action { action: Action::Restart })
}

fn token() -> Change {
    Change::of("file", "/etc/rancher/k3s/token")
        .with(Aspect::Created)
        .with(Aspect::Secret { lines: 1 })
        .remark("0600 root:root")
}

fn names(hosts: &[&str]) -> Vec<String> {
    hosts.iter().map(|host| (*host).to_owned()).collect()
}

fn start(ui: &Ui, dry_run: bool, hosts: &[&str]) {
    let playbook = "provision.rhai".to_owned();
    ui.event(Event::RunStarted { playbook, dry_run, hosts: hosts.len() });
    let total = hosts.len();
    ui.event(Event::FanOutStarted { hosts: names(hosts), total, limit: None });
}

fn change(ui: &Ui, host: &str, change: Change) {
    ui.event(Event::Change { host: host.into(), change });
}

fn finished(ui: &Ui, host: &str) {
    ui.event(Event::HostFinished { host: host.into() });
}

fn unreachable(ui: &Ui, host: &str) {
    let error =
        Error::new(ErrorKind::Connect, format!("connect to {host} port 22: no route to host"))
            .on_host(host)
            .hint("is the node powered? `pirun inventory rpi40` shows the address that was used");
    ui.event(Event::HostFailed { host: host.into(), error, unreachable: true });
}

fn row(host: &str, ok: usize, changed: usize, failed: usize, seconds: f64) -> RecapRow {
    let time = Duration::from_secs_f64(seconds);
    RecapRow { host: host.into(), ok, changed, skipped: 0, failed, unreachable: false, time }
}

fn recap(ui: &Ui, dry_run: bool, rows: Vec<RecapRow>) {
    let log = Some(".pirun/logs/2026-01-01T00-00-00-provision.log".into());
    ui.event(Event::Recap(Recap { dry_run, cancelled: false, rows, log }));
}

/// Three hosts: one differs, one has the same difference, one cannot be reached.
fn run(ui: &Ui, dry_run: bool) {
    start(ui, dry_run, &["rpi41", "rpi42", "rpi43", "rpi40"]);
    change(ui, "rpi42", conf("disk=ssd"));
    change(ui, "rpi41", Change::of("file", "/etc/hostname"));
    change(ui, "rpi41", conf("disk=ssd"));
    change(ui, "rpi41", token());
    unreachable(ui, "rpi40");
    change(ui, "rpi42", token());
    change(ui, "rpi42", restart());
    let mode =
        Aspect::Attribute { name: "mode", before: Some("0700".into()), after: "0755".into() };
    change(ui, "rpi41", Change::of("dir", "/data/k3s/incomplete-downloads").with(mode));
    finished(ui, "rpi43");
    change(ui, "rpi41", restart());
    finished(ui, "rpi41");
    finished(ui, "rpi42");
    ui.event(Event::FanOutFinished);
    let lost = RecapRow { unreachable: true, ..row("rpi40", 0, 0, 1, 3.0) };
    let rows = vec![
        lost,
        row("rpi41", 12, 4, 0, 0.31),
        row("rpi42", 13, 3, 0, 0.35),
        row("rpi43", 16, 0, 0, 12.0),
    ];
    recap(ui, dry_run, rows);
}

fn shown(settings: Settings, act: impl FnOnce(&Ui)) -> String {
    let (ui, captured) = Ui::capture(settings);
    act(&ui);
    assert_eq!(captured.stderr(), "");
    captured.stdout()
}

#[test]
fn a_dry_run_shows_equal_diffs_once() {
    assert_snapshot!(shown(Settings::default(), |ui| run(ui, true)), @r#"
    provision.rhai · dry run · 4 hosts

    rpi41  ~ file /etc/conf.d/k3s                                    0600 root:root
             @@ -1,4 +1,4 @@
              # k3s
              OUTPUT=/var/log/k3s
             -K3S_OPTS="--node-name rpi --token-file /etc/rancher/k3s/token"
             +K3S_OPTS="--node-name rpi --token-file /etc/rancher/k3s/token --node-label disk=ssd"
              RESPAWN=1
             the same on rpi42
    rpi41  + file /etc/rancher/k3s/token                             0600 root:root
             secret content, 1 line differs
             the same on rpi42
    rpi41  ~ dir /data/k3s/incomplete-downloads                      mode 0700 → 0755
    rpi41  ~ service k3s                                             would restart
             the same on rpi42
    rpi40  ! unreachable   connect to rpi40 port 22: no route to host
             hint: is the node powered? `pirun inventory rpi40` shows the address that was used
    rpi43  = nothing to change

    host    ok  would change  failed   time
    rpi40    0             0       1   3.0 s   unreachable
    rpi41   12             4       0   0.3 s
    rpi42   13             3       0   0.3 s
    rpi43   16             0       0    12 s
    log: .pirun/logs/2026-01-01T00-00-00-provision.log
    "#);
}

#[test]
fn a_real_run_shows_a_line_a_change_at_once() {
    assert_snapshot!(shown(Settings::default(), |ui| run(ui, false)), @"
    provision.rhai · 4 hosts

    rpi42  ~ file /etc/conf.d/k3s                                    0600 root:root
    rpi41  ~ file /etc/conf.d/k3s                                    0600 root:root
    rpi41  + file /etc/rancher/k3s/token                             0600 root:root
    rpi40  ! unreachable   connect to rpi40 port 22: no route to host
             hint: is the node powered? `pirun inventory rpi40` shows the address that was used
    rpi42  + file /etc/rancher/k3s/token                             0600 root:root
    rpi42  ~ service k3s                                             restarted
    rpi41  ~ dir /data/k3s/incomplete-downloads                      mode 0700 → 0755
    rpi41  ~ service k3s                                             restarted
    rpi43  = nothing to change

    host    ok  changed  failed   time
    rpi40    0        0       1   3.0 s   unreachable
    rpi41   12        4       0   0.3 s
    rpi42   13        3       0   0.3 s
    rpi43   16        0       0    12 s
    log: .pirun/logs/2026-01-01T00-00-00-provision.log
    ");
}

#[test]
fn a_real_run_with_diff_does_not_repeat_a_diff() {
    let settings = Settings { diff: true, ..Settings::default() };
    assert_snapshot!(shown(settings, |ui| run(ui, false)), @r#"
    provision.rhai · 4 hosts

    rpi42  ~ file /etc/conf.d/k3s                                    0600 root:root
             @@ -1,4 +1,4 @@
              # k3s
              OUTPUT=/var/log/k3s
             -K3S_OPTS="--node-name rpi --token-file /etc/rancher/k3s/token"
             +K3S_OPTS="--node-name rpi --token-file /etc/rancher/k3s/token --node-label disk=ssd"
              RESPAWN=1
    rpi41  ~ file /etc/conf.d/k3s                                    0600 root:root
             (the same diff as rpi42)
    rpi41  + file /etc/rancher/k3s/token                             0600 root:root
             secret content, 1 line differs
    rpi40  ! unreachable   connect to rpi40 port 22: no route to host
             hint: is the node powered? `pirun inventory rpi40` shows the address that was used
    rpi42  + file /etc/rancher/k3s/token                             0600 root:root
             secret content, 1 line differs
    rpi42  ~ service k3s                                             restarted
    rpi41  ~ dir /data/k3s/incomplete-downloads                      mode 0700 → 0755
    rpi41  ~ service k3s                                             restarted
    rpi43  = nothing to change

    host    ok  changed  failed   time
    rpi40    0        0       1   3.0 s   unreachable
    rpi41   12        4       0   0.3 s
    rpi42   13        3       0   0.3 s
    rpi43   16        0       0    12 s
    log: .pirun/logs/2026-01-01T00-00-00-provision.log
    "#);
}

#[test]
fn a_narrow_terminal_gets_remarks_below() {
    let settings = Settings { width: Some(40), ..Settings::default() };
    assert_snapshot!(shown(settings, |ui| run(ui, true)), @r#"
    provision.rhai · dry run · 4 hosts

    rpi41  ~ file /etc/conf.d/k3s
             0600 root:root
             @@ -1,4 +1,4 @@
              # k3s
              OUTPUT=/var/log/k3s
             -K3S_OPTS="--node-name rpi
               --token-file /etc/rancher/k3s
               /token"
             +K3S_OPTS="--node-name rpi
               --token-file /etc/rancher/k3s
               /token --node-label disk=ssd"
              RESPAWN=1
             the same on rpi42
    rpi41  + file /etc/rancher/k3s/token
             0600 root:root
             secret content, 1 line differs
             the same on rpi42
    rpi41  ~ dir /data/k3s/incomplete-downlo
               ads
             mode 0700 → 0755
    rpi41  ~ service k3s     would restart
             the same on rpi42
    rpi40  ! unreachable   connect to rpi40
               port 22: no route to host
             hint: is the node powered?
               `pirun inventory rpi40`
               shows the address that was
               used
    rpi43  = nothing to change

    host    ok  would change  failed   time
    rpi40    0             0       1   3.0 s   unreachable
    rpi41   12             4       0   0.3 s
    rpi42   13             3       0   0.3 s
    rpi43   16             0       0    12 s
    log: .pirun/logs/2026-01-01T00-00-00-provision.log
    "#);
}

#[test]
fn colours_mark_what_matters() {
    let settings = Settings { color: Color::Always, ..Settings::default() };
    assert_snapshot!(shown(settings, |ui| run(ui, true)), @"
    \u{1b}[1mprovision.rhai · dry run · 4 hosts\u{1b}[0m

    \u{1b}[1mrpi41\u{1b}[0m  \u{1b}[33m~\u{1b}[0m file /etc/conf.d/k3s                                    \u{1b}[2m0600 root:root\u{1b}[0m
             \u{1b}[36m@@ -1,4 +1,4 @@\u{1b}[0m
              # k3s
              OUTPUT=/var/log/k3s
             \u{1b}[31m-K3S_OPTS=\"--node-name rpi --token-file /etc/rancher/k3s/token\"\u{1b}[0m
             \u{1b}[32m+K3S_OPTS=\"--node-name rpi --token-file /etc/rancher/k3s/token --node-label disk=ssd\"\u{1b}[0m
              RESPAWN=1
             \u{1b}[2mthe same on rpi42\u{1b}[0m
    \u{1b}[1mrpi41\u{1b}[0m  \u{1b}[32m+\u{1b}[0m file /etc/rancher/k3s/token                             \u{1b}[2m0600 root:root\u{1b}[0m
             \u{1b}[2msecret content, 1 line differs\u{1b}[0m
             \u{1b}[2mthe same on rpi42\u{1b}[0m
    \u{1b}[1mrpi41\u{1b}[0m  \u{1b}[33m~\u{1b}[0m dir /data/k3s/incomplete-downloads                      \u{1b}[2mmode 0700 → 0755\u{1b}[0m
    \u{1b}[1mrpi41\u{1b}[0m  \u{1b}[33m~\u{1b}[0m service k3s                                             \u{1b}[2mwould restart\u{1b}[0m
             \u{1b}[2mthe same on rpi42\u{1b}[0m
    \u{1b}[1mrpi40\u{1b}[0m  \u{1b}[1;31m! unreachable\u{1b}[0m   connect to rpi40 port 22: no route to host
             \u{1b}[36mhint: is the node powered? `pirun inventory rpi40` shows the address that was used\u{1b}[0m
    \u{1b}[1mrpi43\u{1b}[0m  \u{1b}[2m= nothing to change\u{1b}[0m

    \u{1b}[2mhost    ok  would change  failed   time\u{1b}[0m
    rpi40    0             0  \u{1b}[31m     1\u{1b}[0m   3.0 s   \u{1b}[31munreachable\u{1b}[0m
    rpi41   12  \u{1b}[33m           4\u{1b}[0m       0   0.3 s
    rpi42   13  \u{1b}[33m           3\u{1b}[0m       0   0.3 s
    rpi43   16             0       0    12 s
    \u{1b}[2mlog: .pirun/logs/2026-01-01T00-00-00-provision.log\u{1b}[0m
    ");
}

#[test]
fn quiet_is_failures_and_the_recap() {
    let settings = Settings { quiet: true, ..Settings::default() };
    assert_snapshot!(shown(settings, |ui| run(ui, false)), @"
    rpi40  ! unreachable   connect to rpi40 port 22: no route to host
             hint: is the node powered? `pirun inventory rpi40` shows the address that was used

    host    ok  changed  failed   time
    rpi40    0        0       1   3.0 s   unreachable
    rpi41   12        4       0   0.3 s
    rpi42   13        3       0   0.3 s
    rpi43   16        0       0    12 s
    log: .pirun/logs/2026-01-01T00-00-00-provision.log
    ");
}

#[test]
fn json_is_an_event_a_line_and_text_goes_to_stderr() {
    let (ui, captured) = Ui::capture(Settings { json: true, ..Settings::default() });
    start(&ui, true, &["rpi41"]);
    ui.event(Event::Step { host: "rpi41".into(), text: "file /etc/conf.d/k3s".into() });
    change(&ui, "rpi41", conf("disk=ssd"));
    change(&ui, "rpi41", restart());
    unreachable(&ui, "rpi40");
    recap(&ui, true, vec![row("rpi41", 12, 2, 0, 0.25)]);
    ui.error(&Error::new(ErrorKind::HostsFailed, "1 host failed"));
    assert!(captured.stderr().starts_with("provision.rhai · dry run · 1 host\n\nrpi41  ~ file"));
    assert!(captured.stderr().ends_with("error: 1 host failed\n"));
    assert_snapshot!(captured.stdout(), @r##"
    {"event":"run_started","time":"2026-01-01T00:00:00.000Z","playbook":"provision.rhai","dry_run":true,"hosts":1}
    {"event":"fan_out_started","time":"2026-01-01T00:00:00.000Z","hosts":["rpi41"],"total":1}
    {"event":"step","time":"2026-01-01T00:00:00.000Z","host":"rpi41","text":"file /etc/conf.d/k3s"}
    {"event":"change","time":"2026-01-01T00:00:00.000Z","host":"rpi41","changed":true,"verb":"file","subject":"/etc/conf.d/k3s","aspects":[{"text":{"before":"# k3s\nOUTPUT=/var/log/k3s\nK3S_OPTS=\"--node-name rpi --token-file /etc/rancher/k3s/token\"\nRESPAWN=1\n","after":"# k3s\nOUTPUT=/var/log/k3s\nK3S_OPTS=\"--node-name rpi --token-file /etc/rancher/k3s/token --node-label disk=ssd\"\nRESPAWN=1\n"}}],"remark":"0600 root:root"}
    {"event":"change","time":"2026-01-01T00:00:00.000Z","host":"rpi41","changed":true,"verb":"service","subject":"k3s","aspects":[{"action":{"action":"restart"}}]}
    {"event":"host_failed","time":"2026-01-01T00:00:00.000Z","host":"rpi40","unreachable":true,"error":{"kind":"connect","message":"connect to rpi40 port 22: no route to host","host":"rpi40","site":null,"stack":[],"detail":null,"code":null,"hints":["is the node powered? `pirun inventory rpi40` shows the address that was used"]}}
    {"event":"recap","time":"2026-01-01T00:00:00.000Z","dry_run":true,"cancelled":false,"rows":[{"host":"rpi41","ok":12,"changed":2,"skipped":0,"failed":0,"unreachable":false,"seconds":0.25}],"log":".pirun/logs/2026-01-01T00-00-00-provision.log"}
    {"event":"error","time":"2026-01-01T00:00:00.000Z","error":{"kind":"hosts_failed","message":"1 host failed","host":null,"site":null,"stack":[],"detail":null,"code":null,"hints":[]}}
    "##);
}

#[test]
fn a_declined_change_is_neither_ok_nor_changed() {
    let (ui, captured) = Ui::capture(Settings::default());
    start(&ui, false, &["rpi41"]);
    change(&ui, "rpi41", conf("disk=ssd").unless_changed());
    change(&ui, "rpi41", Change::of("service", "k3s").unless_changed());
    finished(&ui, "rpi41");
    recap(&ui, false, vec![RecapRow { skipped: 1, ..row("rpi41", 1, 0, 0, 0.2) }]);
    assert_snapshot!(captured.stdout(), @r#"
    provision.rhai · 1 host

    rpi41  . skipped: file /etc/conf.d/k3s

    host    ok  changed  skipped  failed   time
    rpi41    1        0        1       0   0.2 s
    log: .pirun/logs/2026-01-01T00-00-00-provision.log
    "#);
}

#[test]
fn an_error_that_another_host_had_already_is_referred_to() {
    let hosts = ["rpi40", "rpi41"];
    let fail = |ui: &Ui, host: &str| {
        let error = Error::new(ErrorKind::Template, "`token` is undefined")
            .on_host(host)
            .at(Site { file: "no such file".into(), line: 3, column: 1 })
            .hint("Give it with `vars`.");
        ui.event(Event::HostFailed { host: host.into(), error, unreachable: false });
    };
    let (real, said) = Ui::capture(Settings::default());
    start(&real, false, &hosts);
    hosts.iter().for_each(|host| fail(&real, host));
    assert_snapshot!(said.stdout(), @r#"
    provision.rhai · 2 hosts

    rpi40  ! failed   `token` is undefined
              --> no such file:3:1
             hint: Give it with `vars`.
    rpi41  ! failed   `token` is undefined
             (the same error as rpi40)
    "#);
    let (dry, said) = Ui::capture(Settings::default());
    start(&dry, true, &hosts);
    hosts.iter().for_each(|host| fail(&dry, host));
    dry.event(Event::FanOutFinished);
    assert_snapshot!(said.stdout(), @r#"
    provision.rhai · dry run · 2 hosts

    rpi40  ! failed   `token` is undefined
              --> no such file:3:1
             hint: Give it with `vars`.
             the same on rpi41
    "#);
}

fn talk(ui: &Ui) {
    let host = || "rpi41".to_owned();
    start(ui, false, &["rpi41", "rpi42"]);
    ui.event(Event::Step { host: host(), text: "run apk upgrade".into() });
    ui.event(Event::Log { host: Some(host()), text: "2 packages".into() });
    ui.event(Event::Output { host: host(), line: "(1/2) Upgrading \x1b[31mmusl\x1b[0m".into() });
    ui.event(Event::Print { host: Some(host()), text: "free: 3 GB\nused: 1 GB".into() });
    ui.event(Event::Warning { host: Some(host()), text: "the clock is 3 minutes off".into() });
    change(ui, "rpi41", Change::of("file", "/etc/hostname"));
    let run = Change::of("run", "apk upgrade").with(Aspect::Action { action: Action::Run });
    change(ui, "rpi41", run);
    ui.event(Event::Print { host: None, text: "all done".into() });
}

#[test]
fn verbose_shows_logs_and_what_commands_print() {
    assert_snapshot!(shown(Settings::default(), talk), @"
    provision.rhai · 2 hosts

    rpi41    free: 3 GB
             used: 1 GB
    rpi41  ? warning: the clock is 3 minutes off
    rpi41  ~ run apk upgrade                                         ran
    all done
    ");
    let settings = Settings { verbose: 1, ..Settings::default() };
    assert_snapshot!(shown(settings, talk), @r"
    provision.rhai · 2 hosts

    rpi41  . 2 packages
    rpi41  | (1/2) Upgrading \x1b[31mmusl\x1b[0m
    rpi41    free: 3 GB
             used: 1 GB
    rpi41  ? warning: the clock is 3 minutes off
    rpi41  ~ run apk upgrade                                         ran
    all done
    ");
    let settings = Settings { verbose: 2, ..Settings::default() };
    assert_snapshot!(shown(settings, talk), @r"
    provision.rhai · 2 hosts

    rpi41  . run apk upgrade
    rpi41  . 2 packages
    rpi41  | (1/2) Upgrading \x1b[31mmusl\x1b[0m
    rpi41    free: 3 GB
             used: 1 GB
    rpi41  ? warning: the clock is 3 minutes off
    rpi41  = file /etc/hostname
    rpi41  ~ run apk upgrade                                         ran
    all done
    ");
}

#[test]
fn a_failed_host_shows_where_and_why() {
    let (ui, captured) = Ui::capture(Settings::default());
    let play = "on(hosts(\"all\"), |host| {\n    setup(host);\n});\nfn setup(host) {\n    host.run([\"apk\", \"add\", \"nano\"]);\n}\n";
    ui.set_lookup(Arc::new(move |file| (file == "<stdlib>/alpine.rhai").then(|| play.to_owned())));
    start(&ui, false, &["rpi41", "rpi42"]);
    let site = |line, column| Site { file: "<stdlib>/alpine.rhai".into(), line, column };
    let error = Error::new(ErrorKind::Command, "`apk add nano` ended with exit code 1")
        .at(site(5, 10))
        .called_from(Frame { call: "setup".into(), site: site(2, 5) })
        .detail("ERROR: Unable to lock database: Read-only file system\nERROR: Failed to open apk database\n")
        .hint("Put it inside `host.writable(\"/\", …)`.");
    ui.event(Event::HostFailed { host: "rpi41".into(), error: error.clone(), unreachable: false });
    recap(&ui, false, vec![row("rpi41", 1, 0, 1, 0.2), row("rpi42", 9, 0, 0, 0.2)]);
    assert_snapshot!(captured.stdout(), @r#"
    provision.rhai · 2 hosts

    rpi41  ! failed   `apk add nano` ended with exit code 1
              --> <stdlib>/alpine.rhai:5:10
               |
             5 |     host.run(["apk", "add", "nano"]);
               |          ^^^
             in `setup`, called at <stdlib>/alpine.rhai:2:5
               ERROR: Unable to lock database: Read-only file system
               ERROR: Failed to open apk database
             hint: Put it inside `host.writable("/", …)`.

    host    ok  changed  failed   time
    rpi41    1        0       1   0.2 s   failed
    rpi42    9        0       0   0.2 s
    log: .pirun/logs/2026-01-01T00-00-00-provision.log
    "#);
    ui.error(&error.on_host("rpi41"));
    assert_snapshot!(captured.stderr(), @r#"
    error: rpi41: `apk add nano` ended with exit code 1
     --> <stdlib>/alpine.rhai:5:10
      |
    5 |     host.run(["apk", "add", "nano"]);
      |          ^^^
    in `setup`, called at <stdlib>/alpine.rhai:2:5
      ERROR: Unable to lock database: Read-only file system
      ERROR: Failed to open apk database
    hint: Put it inside `host.writable("/", …)`.
    "#);
}

#[test]
fn hosts_that_fail_alike_are_told_once() {
    assert_snapshot!(shown(Settings::default(), |ui| {
        start(ui, true, &["rpi41", "rpi42", "rpi43"]);
        for host in ["rpi41", "rpi42", "rpi43"] {
            let error = Error::playbook("unknown verb `fiel`").on_host(host);
            ui.event(Event::HostFailed { host: host.into(), error, unreachable: false });
        }
        ui.event(Event::FanOutFinished);
    }), @"
    provision.rhai · dry run · 3 hosts

    rpi41  ! failed   unknown verb `fiel`
             the same on rpi42, rpi43
    ");
}

#[test]
fn a_limit_is_mentioned() {
    assert_snapshot!(shown(Settings::default(), |ui| {
        ui.event(Event::RunStarted { playbook: "reboot.rhai".into(), dry_run: true, hosts: 1 });
        let limit = Some("rpi41".to_owned());
        ui.event(Event::FanOutStarted { hosts: names(&["rpi41"]), total: 5, limit });
        change(ui, "rpi41", restart());
    }), @"
    reboot.rhai · dry run · 1 host

    1 of 5 hosts (--limit rpi41)
    rpi41  ~ service k3s                                             would restart
    ");
}

#[test]
fn a_hundred_hosts_are_folded_to_those_that_matter() {
    let act = |ui: &Ui| {
        let hosts: Vec<String> = (1..=100).map(|n| format!("node{n:03}")).collect();
        let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
        start(ui, true, &hosts);
        hosts.iter().filter(|h| h.ends_with('7')).for_each(|h| change(ui, h, restart()));
        hosts.iter().for_each(|host| finished(ui, host));
        ui.event(Event::FanOutFinished);
        let rows = hosts.iter().map(|host| {
            let changed = usize::from(host.ends_with('7'));
            row(host, 14 - changed, changed, usize::from(*host == "node050"), 0.3)
        });
        recap(ui, true, rows.collect());
    };
    assert_snapshot!(shown(Settings::default(), act), @"
    provision.rhai · dry run · 100 hosts

    node007  ~ service k3s                                           would restart
               the same on node017, node027, node037, node047, node057, node067, node077, node087 and 1 more
    node001, node002, node003, node004, node005, node006, node008, node009 and 82 more  = nothing to change

    host      ok  would change  failed   time
    node007   13             1       0   0.3 s
    node017   13             1       0   0.3 s
    node027   13             1       0   0.3 s
    node037   13             1       0   0.3 s
    node047   13             1       0   0.3 s
    node050   14             0       1   0.3 s   failed
    node057   13             1       0   0.3 s
    node067   13             1       0   0.3 s
    node077   13             1       0   0.3 s
    node087   13             1       0   0.3 s
    node097   13             1       0   0.3 s
    … and 89 hosts with nothing to change
    log: .pirun/logs/2026-01-01T00-00-00-provision.log
    ");
    let settings = Settings { verbose: 1, ..Settings::default() };
    assert_eq!(shown(settings, act).lines().filter(|line| line.contains(" 0.3 s")).count(), 100);
}

#[test]
fn nothing_to_change_anywhere_is_one_line() {
    let act = |ui: &Ui| {
        let rows = (1..=30).map(|n| row(&format!("n{n}"), 9, 0, 0, 0.1)).collect();
        recap(ui, false, rows);
    };
    assert_snapshot!(shown(Settings::default(), act), @"
    30 hosts with nothing to change
    log: .pirun/logs/2026-01-01T00-00-00-provision.log
    ");
}

#[test]
fn hosts_without_changes_are_one_line_in_a_real_run_too() {
    let act = |ui: &Ui| {
        start(ui, false, &["rpi40", "rpi41", "rpi42"]);
        ["rpi42", "rpi40", "rpi41"].iter().for_each(|host| finished(ui, host));
        // Only the second `on` changes something on rpi41.
        ui.event(Event::FanOutStarted { hosts: names(&["rpi41"]), total: 1, limit: None });
        change(ui, "rpi41", restart());
        finished(ui, "rpi41");
        let rows = ["rpi40", "rpi41", "rpi42"].map(|host| row(host, 9, 0, 0, 0.1));
        recap(ui, false, rows.into());
    };
    let text = shown(Settings::default(), act);
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("nothing to")).collect();
    assert_eq!(lines, ["rpi40, rpi42  = nothing to change"]);
}

#[test]
fn an_on_for_which_no_host_is_left_says_so() {
    let act = |limit: Option<&str>| {
        shown(Settings::default(), |ui| {
            let limit = limit.map(str::to_owned);
            ui.event(Event::FanOutStarted { hosts: Vec::new(), total: 2, limit });
        })
    };
    assert_eq!(act(None), "no host is left for this `on`\n");
    assert_eq!(act(Some("rpi41")), "no host is left for this `on` (--limit rpi41)\n");
}

#[test]
fn an_error_at_the_top_level_stands_apart_from_the_header() {
    let (ui, captured) = Ui::capture(Settings::default());
    ui.event(Event::RunStarted { playbook: "a.rhai".into(), dry_run: false, hosts: 1 });
    ui.error(&Error::playbook("no such thing"));
    recap(&ui, false, Vec::new());
    assert_eq!(captured.stderr(), "\nerror: no such thing\n");
    let log = ".pirun/logs/2026-01-01T00-00-00-provision.log";
    assert_eq!(captured.stdout(), format!("a.rhai · 1 host\n\nlog: {log}\n"));
}

#[test]
fn a_step_that_nobody_can_agree_to_still_shows_the_difference() {
    let (ui, captured) = Ui::capture(Settings::default());
    assert!(ui.step("rpi41", &conf("disk=ssd")).is_err());
    assert!(captured.stdout().contains("--node-label disk=ssd"), "{}", captured.stdout());
}

#[test]
fn a_cancelled_run_says_so() {
    let act = |ui: &Ui| {
        let rows = vec![row("rpi41", 3, 1, 0, 75.0)];
        ui.event(Event::Recap(Recap { dry_run: false, cancelled: true, rows, log: None }));
    };
    assert_snapshot!(shown(Settings::default(), act), @"
    host    ok  changed  failed   time
    rpi41    3        1       0   1m 15s
    cancelled: what is missing above was not done
    ");
}

#[test]
fn a_change_tells_what_it_did_in_its_remark() {
    let attribute = |name, before: Option<&str>, after: &str| Aspect::Attribute {
        name,
        before: before.map(Into::into),
        after: after.into(),
    };
    assert_snapshot!(shown(Settings { diff: true, ..Settings::default() }, |ui| {
        start(ui, false, &["rpi41"]);
        let file = |path| Change::of("file", path).remark("0600 root:root");
        change(ui, "rpi41", file("/a").with(attribute("mode", Some("0644"), "0600")));
        change(ui, "rpi41", file("/b").with(Aspect::Created).with(attribute("mode", None, "0600")));
        change(ui, "rpi41", Change::of("absent", "/c").with(Aspect::Removed));
        change(ui, "rpi41", file("/d").with(Aspect::Binary { before: 0, after: 123_456 }));
        change(ui, "rpi41", file("/e\x1b[2J\n").with(Aspect::Secret { lines: 3 }));
        let user = Change::of("user", "pi")
            .with(attribute("shell", Some("/bin/false"), "/bin/ash"))
            .with(attribute("home", Some("/nonexistent"), "/data/home/pi"));
        change(ui, "rpi41", user);
        let both = Change::of("service", "k3s")
            .with(Aspect::Action { action: Action::Stop })
            .with(Aspect::Action { action: Action::Start })
            .with(attribute("runlevel", None, "default"));
        change(ui, "rpi41", both);
    }), @r"
    provision.rhai · 1 host

    rpi41  ~ file /a                                                 mode 0644 → 0600
    rpi41  + file /b                                                 0600 root:root
    rpi41  - absent /c
    rpi41  ~ file /d                                                 0600 root:root
             binary content, 0 B → 123.5 kB
    rpi41  ~ file /e\x1b[2J\n                                        0600 root:root
             secret content, 3 lines differ
    rpi41  ~ user pi
             shell /bin/false → /bin/ash
             home /nonexistent → /data/home/pi
    rpi41  ~ service k3s                                             stopped, started, runlevel default
    ");
}

#[test]
fn long_transfers_are_mentioned_where_there_is_no_live_line() {
    let seconds = Arc::new(Mutex::new(0));
    let now = Arc::clone(&seconds);
    let clock = move || SystemTime::UNIX_EPOCH + Duration::from_secs(*now.lock().expect("a clock"));
    let (ui, captured) = Ui::capture_at(Settings::default(), Arc::new(clock));
    for second in 0..25 {
        *seconds.lock().expect("a clock") = second;
        let (done, total) = (second * 1_000_000, Some(25_000_000));
        let host = Some("rpi41".to_owned());
        ui.event(Event::Progress { host, label: "upload image".into(), done, total });
    }
    assert_snapshot!(captured.stdout(), @"
    rpi41  . upload image: 10.0 MB of 25.0 MB
    rpi41  . upload image: 20.0 MB of 25.0 MB
    ");
}

fn hiding(secrets: &[(&str, &str)]) -> Redactor {
    let redactor = Redactor::new();
    redactor.add_all(secrets.iter().map(|(name, text)| Secret::text(*name, text)));
    redactor
}

#[test]
fn no_secret_leaves_by_any_door() {
    const SECRET: &str = "hunter2-and-more";
    let dir = tempfile::tempdir().expect("a directory");
    for json in [false, true] {
        let settings = Settings { json, verbose: 3, width: Some(40), ..Settings::default() };
        let (ui, captured) = Ui::capture(settings);
        ui.hide(hiding(&[("k3s_token", SECRET)]));
        let log = ui.open_log(dir.path(), "a.rhai").expect("a log");
        start(&ui, true, &["rpi41", "rpi42"]);
        let said = || format!("it is {SECRET}");
        let host = || "rpi41".to_owned();
        ui.event(Event::Step { host: host(), text: said() });
        ui.event(Event::Print { host: None, text: said() });
        ui.event(Event::Log { host: Some(host()), text: said() });
        ui.event(Event::Output { host: host(), line: said() });
        ui.event(Event::Warning { host: None, text: said() });
        let aspect = Aspect::Text { before: "old\n".into(), after: said() };
        change(&ui, "rpi41", Change::of("file", said()).with(aspect).remark(said()));
        let error = Error::file(said()).hint(said()).detail(said());
        ui.event(Event::HostFailed { host: host(), error: error.clone(), unreachable: false });
        ui.event(Event::FanOutFinished);
        ui.error(&error);
        ui.note(&said());
        ui.out(&said());
        let refused = ui.confirm(&said()).expect_err("nobody is there");
        let log = std::fs::read_to_string(log).expect("the log");
        for text in [captured.stdout(), captured.stderr(), log, refused.to_string()] {
            assert!(!text.contains("hunter2"), "{text}");
            assert!(text.is_empty() || text.contains("<secret:k3s_token>"), "{text}");
        }
    }
}

#[test]
fn a_file_that_differs_in_secrets_alone_shows_only_that() {
    let (ui, captured) = Ui::capture(Settings::default());
    ui.hide(hiding(&[("token", "old-token"), ("token", "new-token")]));
    start(&ui, true, &["rpi41"]);
    let aspect = Aspect::Text { before: "t: old-token\n".into(), after: "t: new-token\n".into() };
    change(&ui, "rpi41", Change::of("file", "/etc/token").with(aspect));
    assert_snapshot!(captured.stdout(), @"
    provision.rhai · dry run · 1 host

    rpi41  ~ file /etc/token
             secret content, 1 line differs
    ");
}

#[test]
fn the_log_holds_everything() {
    let dir = tempfile::tempdir().expect("a directory");
    let (ui, _) = Ui::capture(Settings { quiet: true, ..Settings::default() });
    let path = ui.open_log(dir.path(), "playbooks/provision.rhai").expect("a log");
    talk(&ui);
    change(&ui, "rpi42", conf("disk=ssd"));
    unreachable(&ui, "rpi40");
    recap(&ui, false, vec![row("rpi41", 1, 1, 0, 0.3)]);
    assert_snapshot!(std::fs::read_to_string(path).expect("the log"), @r#"
    2026-01-01T00:00:00.000Z - run provision.rhai, 2 hosts, pirun 0.1.0
    2026-01-01T00:00:00.000Z - on 2 of 2 hosts: rpi41 rpi42
    2026-01-01T00:00:00.000Z rpi41  . run apk upgrade
    2026-01-01T00:00:00.000Z rpi41  . 2 packages
    2026-01-01T00:00:00.000Z rpi41  | (1/2) Upgrading \x1b[31mmusl\x1b[0m
    2026-01-01T00:00:00.000Z rpi41    free: 3 GB
                                 used: 1 GB
    2026-01-01T00:00:00.000Z rpi41  ? warning: the clock is 3 minutes off
    2026-01-01T00:00:00.000Z rpi41  = file /etc/hostname
    2026-01-01T00:00:00.000Z rpi41  ~ run apk upgrade                                         ran
    2026-01-01T00:00:00.000Z -    all done
    2026-01-01T00:00:00.000Z rpi42  ~ file /etc/conf.d/k3s                                    0600 root:root
                                 @@ -1,4 +1,4 @@
                                  # k3s
                                  OUTPUT=/var/log/k3s
                                 -K3S_OPTS="--node-name rpi --token-file /etc/rancher/k3s/token"
                                 +K3S_OPTS="--node-name rpi --token-file /etc/rancher/k3s/token --node-label disk=ssd"
                                  RESPAWN=1
    2026-01-01T00:00:00.000Z rpi40  ! unreachable   connect to rpi40 port 22: no route to host
                                 hint: is the node powered? `pirun inventory rpi40` shows the address that was used
    2026-01-01T00:00:00.000Z - end
                             host    ok  changed  failed   time
                             rpi41    1        1       0   0.3 s
    "#);
}

#[test]
fn a_question_that_nobody_can_answer_names_the_flag() {
    let (ui, _) = Ui::capture(Settings::default());
    let error = ui.confirm("Write /dev/sdc?").expect_err("nobody is there");
    assert!(error.hints()[0].contains("`--yes`"));
    let (ui, _) = Ui::capture(Settings { yes: true, ..Settings::default() });
    assert!(ui.confirm("Write /dev/sdc?").expect("an answer"));
}
