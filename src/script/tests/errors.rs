use insta::assert_snapshot;

use crate::script::testing::Stage;

fn error(script: &str) -> String {
    Stage::default().error(script)
}

#[test]
fn a_failed_command_shows_its_line_and_what_it_said() {
    let stage = Stage::default();
    let played = stage.play("fn check(host) {\n    host.query([\"ls\", \"missing\"]);\n}\non(hosts(\"server\"), |host| check(host));");
    assert_snapshot!(played.failures(), @r"
    rpi40: play.rhai:2:10: `ls missing` ended with code 1 (command)
      in check, called at play.rhai:4:28
    ");
}

#[test]
fn an_error_can_be_caught_and_has_fields() {
    let script = r#"
        let host = host("server");
        try { host.query("missing"); } catch (e) {
            print(`${type_of(e)} ${e.kind} ${e.code} ${e.host}: ${e.message}`);
        }
    "#;
    assert_snapshot!(Stage::default().prints(script), @"Error command 1 rpi40: `missing` ended with code 1");
}

#[test]
fn a_pure_try_block_keeps_its_catch() {
    let script = r#"
        try { import "nope" as n; } catch (e) { print("import: " + e.message); }
        try { [1][5] } catch (e) { print(e.error); }
    "#;
    assert_snapshot!(Stage::default().prints(script), @r"
    import: there is nothing to import called `nope`
    ErrorArrayBounds
    ");
}

#[test]
fn an_unknown_function_gets_a_suggestion() {
    assert_snapshot!(error("\nhotss(\"all\");"), @r"
    play.rhai:2:1: there is no function `hotss` (playbook)
      hint: Did you mean `hosts`?
    ");
    assert_snapshot!(error(r#"host("server").qurey("x");"#), @r"
    play.rhai:1:16: `Host` has no method `qurey` (playbook)
      hint: Did you mean `query`?
    ");
    assert_snapshot!(error(r#"host("server").exists(1, 2);"#), @r"
    play.rhai:1:16: `exists` does not take (Host, int, int) (playbook)
      hint: It is `host.exists(path: string) -> bool`.
    ");
    assert_snapshot!(error(r#"let x = "abc" - 1;"#), @"play.rhai:1:15: `-` does not work on string and int (playbook)");
}

#[test]
fn an_unknown_property_gets_a_suggestion() {
    assert_snapshot!(error(r#"print(host("server").nmae);"#), @r"
    play.rhai:1:22: Host has no property `nmae` (playbook)
      hint: Did you mean `name`?
    ");
    assert_snapshot!(error(r#"let m = #{ a: 1 }; print(m.b);"#), @r#"
    play.rhai:1:28: the map has no `b` (playbook)
      hint: `"name" in map` tells whether it is there, and `map.get("name")` gives `()` when it is not.
    "#);
}

#[test]
fn words_of_other_languages_are_translated() {
    assert_snapshot!(error("let x = null;"), @r"
    play.rhai:1:9: `null` is a reserved word (playbook)
      hint: In Rhai that is `()`.
    ");
    assert_snapshot!(error("let x = None;"), @r"
    play.rhai:1:9: there is no variable `None` (playbook)
      hint: In Rhai that is `()`.
    ");
}

#[test]
fn an_escape_that_rhai_does_not_know_is_explained() {
    assert_snapshot!(error(r#"print("\d+");"#), @r#"
    play.rhai:1:9: `\d` is no escape sequence (playbook)
      hint: A backslash in a text is written twice: "\\d". In a text between backticks too.
    "#);
}

#[test]
fn a_closure_that_captures_its_receiver_is_explained() {
    let stage = Stage::default();
    let run = stage.run_context();
    let mut engine = crate::script::engine::for_run(&run);
    engine.register_fn(
        "inside",
        |ctx: rhai::NativeCallContext, _: &mut crate::script::HostHandle, f: rhai::FnPtr| {
            crate::script::call::call(&ctx, &f, ())
        },
    );
    let script = r#"let h = host("server"); h.inside(|| h.name);"#;
    let playbook = crate::script::engine::parse(&engine, script.into(), "play.rhai").unwrap();
    let error = crate::script::engine::run(&engine, &playbook).unwrap_err();
    assert_snapshot!(crate::script::testing::render(&error), @r#"
    a closure uses the variable whose method is being called (playbook)
      hint: Take it as the closure's parameter: `host.writable("/", |host| …)`.
    "#);
}

#[test]
fn a_playbook_may_call_64_functions_deep_in_every_build() {
    let script = "fn down(n) { if n > 0 { down(n - 1) } else { 0 } } down(60); print(\"deep\");";
    assert_snapshot!(Stage::default().prints(script), @"deep");
    assert_snapshot!(error("fn down(n) { down(n) } down(1);").lines().next().unwrap(), @"play.rhai:1:24: functions call each other too deeply (playbook)");
}

#[test]
fn a_wrong_option_points_at_the_call() {
    assert_snapshot!(error("host(\"server\").query(\"uname\",\n  #{ timeuot: \"5s\" });"), @r"
    rpi40: play.rhai:1:16: `query` has no option `timeuot` (playbook)
      hint: Did you mean `timeout`?
      hint: Its options are `ok_codes`, `timeout`, `stdin`.
    ");
}

#[test]
fn eval_is_not_there() {
    assert_snapshot!(error(r#"eval("1");"#), @r"
    play.rhai:1:1: `eval` is not there in playbooks (playbook)
      hint: It would run text that `pirun check` has not seen.
    ");
}

#[test]
fn a_wrong_option_or_value_can_be_caught() {
    let script = r#"
        let host = host("server");
        try { host.query("x", #{ timeuot: "5s" }); } catch (e) { print(e.message); }
        try { host.query("x", #{ timeout: 5 }); } catch (e) { print(e.message); }
        try { throw "plain"; } catch (e) { print(error(e).message); }
        try { 1 / 0; } catch (e) { print(error(e).kind + ": " + error(e).message); }
    "#;
    assert_snapshot!(Stage::default().prints(script), @r#"
    `query` has no option `timeuot`
    `timeout` of `query` must be a duration such as "10m" or "90s", not 5
    plain
    playbook: division by zero: 1 / 0
    "#);
}

#[test]
fn a_rethrown_error_keeps_its_place() {
    let stage = Stage::default();
    let script = "let host = host(\"server\");\ntry {\n    host.query(\"missing\");\n} catch (e) {\n    throw e;\n}";
    assert_snapshot!(stage.error(script), @"rpi40: play.rhai:3:10: `missing` ended with code 1 (command)");
}

#[test]
fn a_playbook_cannot_eat_the_memory_or_the_stack() {
    assert_snapshot!(error("let s = \"x\"; loop { s += s; }"), @r#"
    play.rhai:1:23: length of string too large (playbook)
    "#);
    assert_snapshot!(error("let a = [1]; loop { a += a; }"), @r#"
    play.rhai:1:23: size of array/BLOB too large (playbook)
    "#);
    assert_snapshot!(error("fn f(n) { f(n + 1) } f(0);").lines().next().unwrap_or_default(), @r#"
    play.rhai:1:22: functions call each other too deeply (playbook)
    "#);
}

#[test]
fn a_board_that_does_not_boot_the_image_is_refused_with_the_reason() {
    let script = r#"image(rootfs(#{}), #{ boards: ["4B", "5"] });"#;
    assert_snapshot!(error(script), @r"
    play.rhai:1:1: the image does not boot on a board `5` (playbook)
      hint: A Raspberry Pi 5 starts kernels with `tryboot` instead of U-Boot, which is not built yet.
    ");
}
