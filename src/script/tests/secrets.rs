use insta::assert_snapshot;

use crate::script::context::Secrets;
use crate::script::testing::Stage;
use crate::ui::Event;
use crate::vault::SecretValue;

fn stage() -> Stage {
    let stage = Stage::default();
    stage.secrets.set("token", SecretValue::text("s3cret-value")).unwrap();
    stage
}

#[test]
fn a_secret_prints_as_its_name() {
    let script = r#"let t = vault("token"); print(t); print([t]); debug(t); print(t.name);"#;
    assert_snapshot!(stage().prints(script), @r"
    <secret:token>
    [<secret:token>]
    token
    ");
}

#[test]
fn a_secret_does_not_become_part_of_a_text() {
    let hint = stage().error("let t = vault(\"token\");\nlet x = `a ${t}`;\nprint(x);");
    assert_snapshot!(hint, @r#"
    play.rhai:2:13: the secret `token` cannot become part of a text (playbook)
      hint: Give it on as it is: `content: vault("…")`, or as a variable of a template: `vars: #{ token: vault("…") }`.
    "#);
    for script in [
        r#"let x = "a " + vault("token");"#,
        r#"let x = vault("token") + " a";"#,
        r#"let x = "a"; x += vault("token");"#,
        r#"vault("token").to_string()"#,
        r#"join(["a", vault("token")], " ")"#,
        r#"to_json(#{ a: [vault("token")] })"#,
        r#"sha256(vault("token"))"#,
        r#"on(hosts("server"), |host| host.query(["echo", vault("token")])).failed[0].query(`${vault("token")}`)"#,
        r#"fail(`no ${vault("token")}`)"#,
    ] {
        let played = stage().play(script);
        let error = played
            .result
            .err()
            .map(|error| crate::script::testing::render(&error))
            .unwrap_or_default();
        assert!(error.contains("secret `token`") && !error.contains("s3cret"), "{script}: {error}");
    }
}

#[test]
fn try_does_not_swallow_a_leak() {
    let error = stage().error(
        r#"try { let x = `${vault("token")}`; } catch { print("swallowed"); } print("on");"#,
    );
    assert!(error.contains("cannot become part of a text"), "{error}");
}

#[test]
fn a_leak_on_one_host_fails_that_host_only() {
    let played = stage().play(
        r#"let t = vault("token"); on(hosts("all"), |host| if host.name == "rpi41" { `${t}` } else { "fine" });"#,
    );
    assert!(played.result.is_ok());
    let failed: Vec<_> = played
        .events
        .iter()
        .filter_map(|event| match event {
            Event::HostFailed { host, .. } => Some(host.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(failed, ["rpi41"]);
}

#[test]
fn a_secret_is_made_once() {
    let stage = stage();
    let script = r#"
        let made = vault_or("fresh", || random_secret(24));
        print(made == vault_or("fresh", || fail("again")));
        print(made == vault("token"));
        print(vault_remove("fresh"));
    "#;
    assert_snapshot!(stage.prints(script), @r"
    true
    false
    true
    ");
}
