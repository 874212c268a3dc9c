use insta::assert_snapshot;

use crate::script::testing::Stage;

#[test]
fn a_table_shows_rows_of_hosts() {
    let stage = Stage::with_hosts(&["rpi40", "dead41", "rpi42"]);
    let script = r#"
        let seen = on(hosts("all"), |host| #{ arch: host.query("uname -m").stdout, load: 0.25, note: () });
        print(table(seen, ["arch", "load", "note", "other"]));
    "#;
    assert_snapshot!(stage.prints(script), @r"
    host    arch     load  note  other
    rpi40   aarch64  0.2   -     -
    dead41  connect to dead41 port 22: no route to host
    rpi42   aarch64  0.2   -     -
    ");
}

#[test]
fn local_files_are_found_beside_the_playbook() {
    let stage = Stage::default()
        .file("k8s/b.yaml", "b")
        .file("k8s/a.yaml", "a")
        .file("k8s/deep/c.yaml", "c")
        .file("k8s/a.txt", "x");
    let script = r#"
        print(glob("k8s/*.yaml"));
        print(glob("k8s/**/*.yaml"));
        print(read_local("k8s/a.yaml"));
    "#;
    assert_snapshot!(stage.prints(script), @r#"
    ["k8s/a.yaml", "k8s/b.yaml"]
    ["k8s/a.yaml", "k8s/b.yaml", "k8s/deep/c.yaml"]
    a
    "#);
    assert_snapshot!(stage.error(r#"read_local("k8s/missing.yaml")"#), @"play.rhai:1:1: k8s/missing.yaml: no such file or directory (file)");
}

#[test]
fn what_a_dry_run_did_not_run_has_no_output() {
    let mut stage = Stage::default();
    stage.options.dry_run = true;
    assert_snapshot!(stage.error(r#"print(local(["touch", "x"]).stdout);"#), @r"
    play.rhai:1:29: `touch x` was not run: this is a dry run, so there is no output (playbook)
      hint: Ask with `host.query(…)`, which always runs, or use the output only after a real run.
    ");
}
