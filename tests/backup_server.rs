//! Backups of a control plane on lab nodes, while its datastore is written to.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;

use common::backups::{backups, cluster, next_second, restored};
use common::control_plane::{Copying, SERVER, is_well, max_id};
use pirun::backup::container::Container;
use pirun::backup::unit::{self, EntryKind};
use pirun::vault::{Credential, Limits};
use rusqlite::Connection;

#[test]
fn a_backup_holds_all_that_a_server_is_made_of() {
    let cluster = cluster(Copying::Vacuum);
    let before = max_id(cluster.node("rpi40"));
    let dry = cluster.pirun(&["backup.rhai", "--dry-run"]).ok();
    assert!(dry.stdout.contains("copied by sqlite3"), "{}", dry.stdout);
    assert!(!cluster.path("backups").exists());
    let said = cluster.pirun(&["backup.rhai"]).ok();
    assert!(said.stdout.contains(", verified"), "{}", said.stdout);
    let names = backups(&cluster.path("backups"));
    let file = cluster.path("backups").join(&names[0]);
    let (last, is_holed) = restored(&file);
    assert!(last >= before && !is_holed);
    let container = Container::read(fs::File::open(&file).unwrap()).unwrap();
    let password = Credential::password(common::PASSWORD.as_bytes()).unwrap();
    let mut lines = Vec::new();
    unit::read(container.open(&password, &Limits::default()).unwrap(), &mut |_, entry, _| {
        let kind = match &entry.kind {
            EntryKind::Directory => "/".to_owned(),
            EntryKind::Link(target) => format!(" -> {target}"),
            EntryKind::File(_) => String::new(),
        };
        lines.push(format!("{:04o} {}{kind}", entry.mode, entry.name));
        Ok(())
    })
    .unwrap();
    lines.sort_by_key(|line| line[5..].to_owned());
    insta::assert_snapshot!(lines.join("\n"));
    assert!(is_well(cluster.node("rpi40")));
}

#[test]
fn python_restores_a_server_s_backup_with_the_password_alone() {
    let Some(python) = common::python::python() else { return };
    let cluster = cluster(Copying::Vacuum);
    let before = max_id(cluster.node("rpi40"));
    cluster.pirun(&["backup.rhai"]).ok();
    let names = backups(&cluster.path("backups"));
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/backup/restore.py");
    let output = std::process::Command::new(python.join("python"))
        .arg(script)
        .arg(cluster.path("backups").join(&names[0]))
        .arg(common::PASSWORD)
        .output()
        .unwrap();
    let said = common::said(output).ok();
    let (hashes, last) = said.stdout.trim().split_once(' ').unwrap();
    assert_eq!(hashes, "whole");
    assert!(last.parse::<i64>().unwrap() >= before, "{}", said.stdout);
}

#[test]
fn a_server_without_sqlite3_stands_still_for_a_moment_and_one_can_be_stopped() {
    let cluster = cluster(Copying::Freeze);
    let node = cluster.node("rpi40");
    let plans = [&[][..], &["--stop"]].map(|flags| {
        let dry = cluster.pirun(&[&["backup.rhai", "--dry-run"], flags].concat()).ok();
        next_second();
        let before = max_id(node);
        let said = cluster.pirun(&[&["backup.rhai"], flags].concat()).ok();
        assert!(said.stdout.contains(", verified"), "{}", said.stdout);
        let names = backups(&cluster.path("backups"));
        let (last, is_holed) = restored(&cluster.path("backups").join(names.last().unwrap()));
        assert!(last >= before && !is_holed, "{last}, {before}");
        common::eventually("k3s goes on", || is_well(node));
        let line = dry.stdout.lines().find(|line| line.contains("backup the")).unwrap().to_owned();
        let (begin, rest) = line.split_once("while ").unwrap();
        format!("{begin}while … {}", rest.split_once("B ").unwrap().1)
    });
    let said = plans.join("\n");
    assert!(said.contains("k3s stands still while … are copied"), "{said}");
    assert!(said.contains("k3s is stopped while … are copied"), "{said}");
}

/// Copies as one would think of them, made on the node itself while the datastore is written to.
const NAIVE: [(&str, &str); 3] = [
    ("cp state.db", "cp $D/state.db $T/"),
    ("cp of all files", "cp $D/state.db $T/; sleep 0.2; cp $D/state.db-wal $T/"),
    ("tar", "tar -cf - -C $D . | (sleep 0.2; tar -xf - -C $T)"),
];

/// How many of ten copies are damaged, or lack what was committed before.
fn failures(node: &pirun_lab::Node, how: &str) -> usize {
    let bad = |_: &usize| {
        let before = max_id(node);
        let script = format!("D={SERVER}/db T=/data/naive; rm -rf $T; mkdir $T; {how}");
        // A file that grows or goes away while it is read is such a failure too.
        if node.sh(&script).is_err() {
            return true;
        }
        let directory = tempfile::tempdir().unwrap();
        for file in fs::read_dir(node.root().join("data/naive")).unwrap().flatten() {
            fs::copy(file.path(), directory.path().join(file.file_name())).unwrap();
        }
        let opened = Connection::open(directory.path().join("state.db")).unwrap();
        let whole: Result<String, _> =
            opened.query_row("PRAGMA integrity_check", [], |row| row.get(0));
        let last: Result<i64, _> =
            opened.query_row("SELECT max(id) FROM kine", [], |row| row.get(0));
        whole.as_deref() != Ok("ok") || last.is_ok_and(|last| last < before)
    };
    (0..10).filter(bad).count()
}

/// Twenty-five backups under load can each be restored, and naive copies of the same server cannot.
fn many_backups(copying: Copying) {
    let cluster = cluster(copying);
    let node = cluster.node("rpi40");
    let store = cluster.path("many");
    let mut before = Vec::new();
    for _ in 0..25 {
        next_second();
        before.push(max_id(node));
        cluster.pirun(&["backup.rhai", "--to", "many", "--keep-last", "100"]).ok();
    }
    let names = backups(&store);
    assert_eq!(names.len(), 25);
    for (name, before) in names.iter().zip(before) {
        let (last, is_holed) = restored(&store.join(name));
        assert!(last >= before && !is_holed, "{name}: {last}, {before}");
    }
    let counts = NAIVE.map(|(name, how)| (name, failures(node, how)));
    // The newest rows are in the log only, but right after SQLite has merged it.
    assert!(counts[0].1 >= 5, "{counts:?}");
    assert!(is_well(node));
}

#[test]
fn backups_by_sqlite3_under_load_can_each_be_restored_and_naive_copies_cannot() {
    many_backups(Copying::Vacuum);
}

#[test]
fn backups_of_a_server_that_stands_still_can_each_be_restored_and_naive_copies_cannot() {
    many_backups(Copying::Freeze);
}

#[test]
fn directories_below_data_are_backed_up_by_pattern_and_kept_apart() {
    let cluster = cluster(Copying::Vacuum);
    let node = cluster.node("rpi40");
    node.sh(
        "mkdir -p /data/app/one /data/app/two; echo 1 >/data/app/one/a; echo 2 >'/data/app/two/b c'; chmod 640 /data/app/one/a
         ln -s a /data/app/one/near; ln -s /etc/passwd /data/app/one/far; ln -s ../../../etc /data/app/one/up; mkfifo /data/app/two/pipe",
    )
    .unwrap();
    cluster.pirun(&["backup.rhai"]).ok();
    let said = cluster.pirun(&["backup.rhai", "--paths", "/data/app/*,app"]).ok();
    for left_out in ["/data/app/one/far", "/data/app/one/up", "/data/app/two/pipe"] {
        assert!(said.all().contains(left_out), "{}", said.all());
    }
    let names = backups(&cluster.path("backups"));
    let of_paths = names.iter().find(|name| name.starts_with("rpi40~data_")).unwrap();
    let container =
        Container::read(fs::File::open(cluster.path("backups").join(of_paths)).unwrap());
    let password = Credential::password(common::PASSWORD.as_bytes()).unwrap();
    let mut found = Vec::new();
    let reader = container.unwrap().open(&password, &Limits::default()).unwrap();
    unit::read(reader, &mut |_, entry, content| {
        let mut text = String::new();
        content.read_to_string(&mut text).unwrap();
        found.push(format!("{:04o} {} {:?}", entry.mode, entry.name, text));
        Ok(())
    })
    .unwrap();
    found.sort();
    insta::assert_snapshot!(found.join("\n"), @r#"
    0640 data/app/one/a "1\n"
    0644 data/app/two/b c "2\n"
    0755 data/app ""
    0755 data/app/one ""
    0755 data/app/two ""
    0777 data/app/one/near ""
    "#);
    next_second();
    let none = cluster.pirun(&["backup.rhai", "--paths", "nothing*"]).code(1);
    assert!(none.all().contains("nothing in /data that nothing* names"), "{}", none.all());
    let out = cluster.pirun(&["backup.rhai", "--paths", "../etc"]).code(1);
    assert!(out.all().contains("names nothing below /data"), "{}", out.all());
    node.sh("ln /data/app/one/a /data/app/one/twice").unwrap();
    next_second();
    let linked = cluster.pirun(&["backup.rhai", "--paths", "app"]).code(1);
    assert!(linked.all().contains("more than one name"), "{}", linked.all());
}

#[test]
fn old_backups_go_and_the_reasons_are_told() {
    let cluster = cluster(Copying::Vacuum);
    for _ in 0..3 {
        next_second();
        cluster.pirun(&["backup.rhai"]).ok();
    }
    let names = backups(&cluster.path("backups"));
    fs::write(cluster.path(&format!("backups/{}.pin", names[0])), "").unwrap();
    let keep =
        ["--keep-last", "1", "--keep-daily", "0", "--keep-weekly", "0", "--keep-monthly", "0"];
    let run = |flags: &[&str]| cluster.pirun(&[&["backup.rhai"], flags, &keep[..]].concat()).ok();
    let dry = run(&["--dry-run"]);
    let verdicts: Vec<_> = dry
        .stdout
        .lines()
        .filter_map(|line| line.split_once(".pbk  "))
        .map(|(_, verdict)| verdict.trim())
        .collect();
    assert_eq!(
        verdicts,
        ["stays    the newest verified", "goes     not needed any more", "stays    pinned"],
        "{}",
        dry.stdout
    );
    assert_eq!(backups(&cluster.path("backups")), names);
    next_second();
    run(&[]);
    let left = backups(&cluster.path("backups"));
    assert_eq!(left.len(), 2);
    assert_eq!(left[0], names[0]);
}
