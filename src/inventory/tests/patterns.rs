//! Which hosts a pattern means.

use std::fs;

use insta::assert_snapshot;

use super::*;

#[test]
fn patterns_mean_what_they_mean_in_ansible() {
    let inventory = read(CLUSTER);
    let all = "rpi40 rpi41 rpi42 rpi43 rpi50.lan lonely";
    for (pattern, expected) in [
        ("all", all),
        ("*", all),
        ("rpi41", "rpi41"),
        ("agent", "rpi41 rpi42 rpi43"),
        ("agent:server", "rpi40 rpi41 rpi42 rpi43"),
        ("agent,server", "rpi40 rpi41 rpi42 rpi43"),
        ("cluster:!server", "rpi41 rpi42 rpi43"),
        ("!cluster", "rpi50.lan lonely"),
        ("cluster:&rpi4[02]*", "rpi40 rpi42"),
        ("cluster:&agent:!rpi42", "rpi41 rpi43"),
        ("rpi4?", "rpi40 rpi41 rpi42 rpi43"),
        ("rpi4[0-2]", "rpi40 rpi41 rpi42"),
        ("*.lan", "rpi50.lan"),
        ("ag*", "rpi41 rpi42 rpi43"),
        ("~rpi4[13]", "rpi41 rpi43"),
        ("~rpi", "rpi40 rpi41 rpi42 rpi43 rpi50.lan"),
        ("~(agent|server)$", "rpi40 rpi41 rpi42 rpi43"),
        ("agent[0]", "rpi41"),
        ("agent[-1]", "rpi43"),
        ("agent[0:1]", "rpi41 rpi42"),
        ("agent[1:]", "rpi42 rpi43"),
        ("all:!agent[0]:!rpi50.lan", "rpi40 rpi42 rpi43 lonely"),
        ("ungrouped", "lonely"),
    ] {
        assert_eq!(names(&inventory, pattern), expected, "{pattern}");
    }
}

#[test]
fn a_pattern_that_matches_nothing_is_an_error_that_names_close_ones() {
    let inventory = read(CLUSTER);
    assert_snapshot!(names(&inventory, "rpi40:agnet"), @"
    no host or group is called `agnet` in inventory.yaml
    hint: Did you mean `agent`?
    ");
    assert_snapshot!(names(&inventory, "all:!sever"), @"
    no host or group is called `sever` in inventory.yaml
    hint: Did you mean `server`?
    ");
    assert_snapshot!(names(&inventory, "web*"), @"
    no host or group matches `web*` in inventory.yaml
    hint: `pirun inventory --graph` shows all hosts and groups.
    ");
    assert_snapshot!(names(&inventory, "server:!rpi40"), @"the pattern `server:!rpi40` leaves no host");
    assert_snapshot!(names(&inventory, "agent[3]"), @"
    `agent[3]` chooses nothing: `agent` contains 3 hosts
    hint: Positions count from 0.
    ");
    assert_snapshot!(names(&inventory, "~rpi4("), @"`~rpi4(` is not a regular expression");
    assert_snapshot!(shows(&fails(inventory.host("rpi44"))), @"
    there is no host `rpi44` in inventory.yaml
    hint: Did you mean `rpi40`?
    ");
}

#[test]
fn a_group_without_hosts_is_no_mistake() {
    let inventory = read("server: { hosts: { rpi40: } }\nagent: { hosts: }\n");
    assert_eq!(names(&inventory, "agent"), "");
    assert_eq!(names(&inventory, "agent[0]"), "");
    assert_eq!(names(&inventory, "agent:server"), "rpi40");
}

#[test]
fn one_host_is_wanted_and_several_are_meant() {
    let inventory = read(CLUSTER);
    assert_eq!(inventory.select_one("server").unwrap().name, "rpi40");
    assert_snapshot!(shows(&fails(inventory.select_one("agent"))), @"
    `agent` means 3 hosts: rpi41, rpi42, rpi43
    hint: Choose one by its name or position, such as `[0]`.
    ");
    let many = read("all: { hosts: { 'rpi[10:99]': } }");
    assert_snapshot!(shows(&fails(many.select_one("all"))), @"
    `all` means 90 hosts: rpi10, rpi11, rpi12, rpi13, rpi14, …
    hint: Choose one by its name or position, such as `[0]`.
    ");
    let empty = read("agent: { hosts: }\n");
    assert_snapshot!(shows(&fails(empty.select_one("agent"))), @"`agent` contains no host");
}

#[test]
fn patterns_come_from_files_and_from_the_last_run() {
    let directory = project(&[
        ("inventory.yaml", CLUSTER),
        ("first.txt", "# the first ones\nserver\n\nagent[0]\n"),
        ("loop.txt", "@first.txt\n"),
        (".pirun/failed", "rpi42\nrpi43\n"),
    ]);
    let inventory = Inventory::find_and_load(directory.path(), None).unwrap();
    assert_eq!(names(&inventory, "@first.txt"), "rpi40 rpi41");
    assert_eq!(names(&inventory, "@failed:!rpi43"), "rpi42");
    assert_eq!(names(&inventory, "@failed,rpi50.lan"), "rpi42 rpi43 rpi50.lan");
    assert_snapshot!(names(&inventory, "@loop.txt"), @"`@first.txt` in loop.txt names another file");
    assert_snapshot!(names(&inventory, "@gone.txt"), @"gone.txt: no such file or directory");
    fs::write(directory.path().join(".pirun/failed"), "").unwrap();
    assert_snapshot!(names(&inventory, "@failed"), @"no host failed in the last run");
    fs::remove_dir_all(directory.path().join(".pirun")).unwrap();
    assert_snapshot!(names(&inventory, "@failed"), @"`@failed` names the hosts that failed in the last run, and no run left such a list");
}
