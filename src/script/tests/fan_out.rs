use std::time::Duration;

use insta::assert_snapshot;

use crate::cancel::Cancel;
use crate::error::ErrorKind;
use crate::script::testing::Stage;
use crate::ui::Event;

#[test]
fn every_host_gets_the_closure_and_gives_a_row() {
    let script = r#"
        let seen = on(hosts("all"), |host| host.name + " " + host.query("uname -m").stdout);
        for row in seen { print(`${row.host} ${row.ok} ${row.value}`); }
        print(seen.all_ok());
    "#;
    assert_snapshot!(Stage::default().prints(script), @r"
    rpi40 true rpi40 aarch64
    rpi41 true rpi41 aarch64
    rpi42 true rpi42 aarch64
    true
    ");
}

#[test]
fn hosts_do_not_share_captured_variables() {
    let names: Vec<_> = (0..20).map(|n| format!("rpi{n}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let script = r#"
        let count = 0;
        let seen = on(hosts("all"), |host| { for i in 0..200 { count += 1; } count });
        let counts = [];
        for row in seen { if row.value != 200 { counts.push(row.value); } }
        print(`${counts} ${count}`);
    "#;
    assert_snapshot!(Stage::with_hosts(&names).prints(script), @"[] 0");
}

#[test]
fn a_captured_host_can_be_used_by_all_hosts_at_once() {
    let script = r#"
        let server = host("server");
        let seen = on(hosts("all"), |host| server.query("uname -m").stdout);
        print(seen.all_ok());
    "#;
    assert_snapshot!(Stage::default().prints(script), @"true");
}

#[test]
fn a_dead_host_sits_out_and_the_others_go_on() {
    let stage = Stage::with_hosts(&["rpi40", "dead41", "rpi42"]);
    let script = r#"
        on(hosts("all"), |host| print(host.query("uname -m").stdout));
        let again = on(hosts("all"), |host| "again");
        for row in again { print(`${row.host} ${row.ok} [${row.value}]`); }
        print(`${again.all_ok()} ${again.failed}`);
    "#;
    let played = stage.play(script);
    assert_snapshot!(played.failures(), @"dead41: play.rhai:2:44: connect to dead41 port 22: no route to host (connect)");
    assert_snapshot!(played.prints().join("\n"), @r"
    rpi40 true [again]
    dead41 false []
    rpi42 true [again]
    false [dead41]
    rpi40: aarch64
    rpi42: aarch64
    ");
    let recap: Vec<_> = played
        .run
        .states()
        .iter()
        .map(|s| s.recap())
        .map(|r| (r.host, r.failed, r.unreachable))
        .collect();
    assert_eq!(recap[1], ("dead41".into(), 1, true));
}

#[test]
fn limit_cuts_on_but_not_hosts() {
    let mut stage = Stage::default();
    stage.options.limit = Some("rpi41".into());
    let played = stage.play(
        r#"
        print(hosts("all").len());
        print(host("server"));
        on(hosts("all"), |host| print(host.name));
    "#,
    );
    assert_snapshot!(played.prints().join("\n"), @r"
    3
    rpi40
    rpi41: rpi41
    ");
    let note = played.events.iter().find_map(|event| match event {
        Event::FanOutStarted { hosts, total, limit } => {
            Some((hosts.clone(), *total, limit.clone()))
        }
        _ => None,
    });
    assert_eq!(note, Some((vec!["rpi41".into()], 3, Some("rpi41".into()))));
}

#[test]
fn no_hosts_left_is_no_error() {
    let script = r#"
        let none = on([], |host| host.name);
        print(`${none.len()} ${none.all_ok()}`);
    "#;
    assert_snapshot!(Stage::default().prints(script), @"0 true");
}

#[test]
fn serial_stops_at_the_first_failure_and_says_who() {
    let stage = Stage::with_hosts(&["rpi40", "dead41", "rpi42"]);
    let script =
        r#"on(hosts("all"), #{ serial: 1 }, |host| print(host.query("uname -m").stdout));"#;
    assert_snapshot!(stage.prints(script), @r"
    rpi40: aarch64
    play.rhai:1:1: dead41 failed, and none may (`max_fail: 0`) (hosts_failed)
      hint: The other hosts were not started. `--resume` goes on with those that are not done.
    ");
}

#[test]
fn max_fail_counts_over_the_run() {
    let stage = Stage::with_hosts(&["dead40", "rpi41", "dead42", "rpi43"]);
    let script = r#"
        on([host("dead40")], |host| host.exists("/"));
        on(hosts("all"), #{ serial: 1, max_fail: 1 }, |host| { host.exists("/"); print("ok"); });
    "#;
    assert_snapshot!(stage.prints(script), @r"
    rpi41: ok
    play.rhai:3:9: dead40, dead42 failed, and only 1 may (`max_fail: 1`) (hosts_failed)
      hint: The other hosts were not started. `--resume` goes on with those that are not done.
    ");
}

#[test]
fn on_inside_on_is_refused() {
    let played = Stage::default().play(
        r#"on(hosts("server"), |host| {
    on(hosts("agent"), |other| other.name);
});"#,
    );
    assert_snapshot!(played.failures(), @r#"
    rpi40: play.rhai:2:5: `on` inside `on` (playbook)
      hint: This code runs for rpi40 already. Use another host's handle directly: `host("name").query(…)`.
    "#);
}

#[test]
fn a_name_instead_of_hosts_gets_a_hint() {
    assert_snapshot!(Stage::default().error(r#"on(["rpi40"], |host| 1);"#), @r#"
    play.rhai:1:1: `on` needs hosts, not "rpi40" (playbook)
      hint: Write `on(hosts("rpi40"), |host| …)`.
    "#);
}

#[test]
fn tags_choose_which_fan_outs_run() {
    let mut stage = Stage::default();
    stage.options.tags = vec!["k8s".into()];
    let script = r#"
        on(hosts("server"), |host| print("untagged"));
        on(hosts("server"), #{ tags: ["k8s", "apps"] }, |host| print("k8s"));
        on(hosts("server"), #{ tags: "base" }, |host| print("base"));
        on(hosts("server"), #{ tags: "always" }, |host| print("always"));
    "#;
    assert_snapshot!(stage.prints(script), @r"
    rpi40: k8s
    rpi40: always
    ");
}

#[test]
fn orders_are_kept() {
    let mut stage = Stage::with_hosts(&["b", "a", "c"]);
    stage.options.forks = 1;
    let started = |order: &str| {
        let script = format!(r#"on(hosts("all"), #{{ order: "{order}" }}, |host| 1);"#);
        let events = stage.play(&script).events;
        let ended = events.iter().filter_map(|event| match event {
            Event::HostFinished { host } => Some(host.clone()),
            _ => None,
        });
        ended.collect::<String>()
    };
    assert_eq!(started("listed"), "bac");
    assert_eq!(started("sorted"), "abc");
    assert_eq!(started("reversed"), "cab");
    assert_eq!(started("shuffled").len(), 3);
}

#[test]
fn a_cancelled_run_ends_a_busy_loop_that_catches_everything() {
    let stage = Stage::default();
    let cancel: Cancel = stage.cancel.clone();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50));
        cancel.cancel();
    });
    let played = stage
        .play(r#"on(hosts("all"), |host| { try { loop { } } catch { } print("swallowed"); });"#);
    assert_eq!(played.result.unwrap_err().kind(), ErrorKind::Cancelled);
    let states = played.run.states();
    assert!(states.iter().all(|state| state.unfinished() && state.failure().is_none()));
}

#[test]
fn a_panic_in_a_verb_fails_one_host_only() {
    let stage = Stage::default();
    let run = stage.run_context();
    let mut engine = crate::script::engine::for_run(&run);
    engine.register_fn("blow_up", |host: crate::script::HostHandle| {
        assert!(host.name() != "rpi41", "kaboom");
    });
    let script =
        r#"if on(hosts("all"), |host| blow_up(host)).failed.len() != 1 { throw "not one" }"#;
    let playbook = crate::script::engine::parse(&engine, script.into(), "play.rhai").unwrap();
    crate::script::engine::run(&engine, &playbook).unwrap();
    assert_eq!(run.failures(), 1);
}

#[test]
fn a_thousand_hosts_work_with_a_few_threads() {
    let names: Vec<_> = (0..1000).map(|n| format!("rpi{n}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let script = r#"print(on(hosts("all"), |host| host.query("uname -m").stdout).len());"#;
    assert_snapshot!(Stage::with_hosts(&names).prints(script), @"1000");
}
