use insta::assert_snapshot;

use crate::script::testing::Stage;

#[test]
fn a_failing_import_inside_try_is_caught() {
    let script = r#"try { import "k3z" as k; } catch (e) { print(e.message); }"#;
    assert_snapshot!(Stage::default().prints(script), @"there is nothing to import called `k3z`");
}

#[test]
fn a_library_closure_helper_calls_the_playbooks_own_function() {
    let stage = Stage::default().file(
        "lib.rhai",
        r#"
        fn everywhere(f) { on(hosts("server"), f) }
        fn own() { on(hosts("server"), |host| restart(host)) }
        fn restart(host) { "the library's" }
        "#,
    );
    let script = r#"
        import "lib" as lib;
        fn restart(host) { "the playbook's" }
        print(lib::everywhere(|host| restart(host))["rpi40"].value);
        print(lib::own()["rpi40"].value);
    "#;
    assert_snapshot!(stage.prints(script), @r"
    the playbook's
    the library's
    ");
}

#[test]
fn an_error_in_an_imported_file_shows_the_whole_way() {
    let stage = Stage::default().file(
        "lib.rhai",
        "// one\nfn outer(host) {\n    inner(host)\n}\nfn inner(host) {\n    host.query(\"missing\")\n}\n",
    );
    let played = stage.play("import \"lib\" as lib;\n\nfn step(host) {\n    lib::outer(host);\n}\n\non(hosts(\"server\"), |host| {\n    step(host);\n});");
    assert_snapshot!(stage.plain(&played.failures()), @r"
    rpi40: lib.rhai:6:10: `missing` ended with code 1 (command)
      in inner, called at lib.rhai:3:5
      in outer, called at play.rhai:4:10
      in step, called at play.rhai:8:5
    ");
}

#[test]
fn a_syntax_error_in_an_imported_file_has_its_own_place() {
    let stage = Stage::default().file("bad.rhai", "fn a( {\n}\n");
    assert_snapshot!(stage.error("\nimport \"bad\" as b;"), @r#"
    bad.rhai:1:7: expected `)` to close the parameters list of function 'a' (playbook)
      in import "bad", called at play.rhai:2:8
    "#);
}

#[test]
fn files_that_import_each_other_are_an_error() {
    let stage =
        Stage::default().file("a.rhai", "import \"b\" as b;").file("b.rhai", "import \"a\" as a;");
    assert_snapshot!(stage.error("import \"a\" as a;").lines().next().unwrap(), @"b.rhai:1:8: files import each other: a → b → a (playbook)");
}

#[test]
fn imports_stay_inside() {
    let error = |path: &str| Stage::default().error(&format!("import \"{path}\" as x;"));
    assert_snapshot!(error("../secret"), @r"
    play.rhai:1:8: `../secret` leaves the playbook's directory (playbook)
      hint: Imports name a file beside the playbook or in `stdlib/`, without `.rhai`.
    ");
    assert_snapshot!(error("/etc/passwd"), @r"
    play.rhai:1:8: `/etc/passwd` leaves the playbook's directory (playbook)
      hint: Imports name a file beside the playbook or in `stdlib/`, without `.rhai`.
    ");
    assert_snapshot!(error("lib.rhai"), @r#"
    play.rhai:1:8: there is nothing to import called `lib.rhai` (playbook)
      hint: Leave out the ending: `import "lib"`.
    "#);
}

#[test]
fn a_playbook_of_the_same_name_is_not_its_own_library() {
    let stage = Stage::default()
        .file("play.rhai", "throw \"ran itself\"")
        .file("stdlib/play.rhai", "fn hello() { \"library\" }");
    assert_snapshot!(stage.prints(r#"import "play" as p; print(p::hello());"#), @"library");
}

#[test]
fn a_file_that_does_things_cannot_be_imported() {
    let stage = Stage::default().file("other.rhai", "on(hosts(\"all\"), |host| 1);");
    assert_snapshot!(stage.error("import \"other\" as o;"), @r#"
    other.rhai:1:1: `on` at the top level of `other`, which is being imported (playbook)
      in import "other", called at play.rhai:1:8
      hint: A file that is imported holds functions and constants; only the playbook itself does things.
    "#);
}

#[test]
fn constants_reach_functions_and_closures() {
    let stage =
        Stage::default().file("lib.rhai", "export const SIZE = 3;\nfn size() { global::SIZE }");
    let script = r#"
        import "lib" as lib;
        const MINE = 4;
        fn mine() { global::MINE }
        on(hosts("server"), |host| print(`${lib::SIZE} ${lib::size()} ${mine()} ${MINE}`));
    "#;
    assert_snapshot!(stage.prints(script), @"rpi40: 3 3 4 4");
}

#[test]
fn an_imported_file_is_evaluated_once_for_all_hosts() {
    let stage = Stage::default()
        .file("lib.rhai", "print(\"evaluated\");\nfn one() { 1 }")
        .file("other.rhai", "import \"lib\" as lib;\nfn two() { lib::one() + 1 }");
    let script = r#"
        import "lib" as lib;
        import "other" as other;
        print("top");
        on(hosts("all"), |host| lib::one() + other::two());
    "#;
    assert_snapshot!(stage.prints(script), @r"
    evaluated
    top
    ");
}
