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
      hint: Give it on as it is, to `content: vault("…")`, to a command's `stdin`, or as a variable of a template: `vars: #{ token: vault("…") }`. `"token=" + vault("…")` is a secret again.
    "#);
    for script in [
        r#"let x = `a ${"b" + vault("token")}`;"#,
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
fn text_and_a_secret_are_a_secret() {
    let script = r#"
        let line = "TOKEN=" + vault("token") + "\n";
        print(line);
        print(vault("token") + vault("token"));
        print("a " + vault("token") + "!" == "a " + (vault("token") + "!"));
        vault_set("other", line);
        print(vault("token") + vault("other"));
        print(b64encode(line));
        print([line, #{ line: line }]);
    "#;
    assert_snapshot!(stage().prints(script), @"
    <secret:token>
    <secret:token>
    true
    <secret:token+other>
    <secret:token>
    [<secret:token>, #{\"line\": <secret:token>}]
    ");
    let stage = stage();
    stage.play(r#"vault_set("kept", "TOKEN=" + vault("token") + "\n");"#).result.unwrap();
    assert_eq!(stage.secrets.get("kept").unwrap().expose_text(), Some("TOKEN=s3cret-value\n"));
}

#[test]
fn a_secret_in_pieces_reaches_files_and_stdin_only() {
    let stage = stage();
    let played = stage.play(
        r#"on(hosts("server"), |host| {
            let line = "TOKEN=" + vault("token") + "\n";
            host.file("/etc/t", #{ content: line });
            host.run("cat", #{ stdin: line });
        });"#,
    );
    played.result.unwrap();
    let shown = format!("{:?}", played.events);
    assert!(shown.contains("Secret { lines: 1 }") && !shown.contains("s3cret"), "{shown}");
    let sent = stage.remote.sent();
    let reaches = |what: &str| sent.iter().any(|script| script.contains(what));
    assert!(reaches("TOKEN=s3cret-value") && reaches("f_put /etc/t 177"), "{sent:?}");
}

#[test]
fn other_places_refuse_a_secret_and_say_where_it_can_go() {
    for call in [
        r#"host.run("echo " + vault("token"))"#,
        r#"host.run(["echo", "a" + vault("token")])"#,
        r#"host.query(["env", "T=" + vault("token")])"#,
        r#"host.line("/etc/x", "token=" + vault("token"))"#,
        r#"host.file("/etc/" + vault("token"), #{ content: "" })"#,
        r#"local(["echo", vault("token")])"#,
    ] {
        let stage = stage();
        let played = stage.play(&format!(r#"on(hosts("server"), |host| {{ {call}; }});"#));
        let errors = played.events.iter().filter_map(|event| match event {
            Event::HostFailed { error, .. } => Some(crate::script::testing::render(error)),
            _ => None,
        });
        let error = errors.collect::<Vec<_>>().concat();
        assert!(error.contains("hint: ") && error.contains("stdin"), "{call}: {error}");
        assert!(!error.contains("s3cret"), "{call}: {error}");
        assert!(!stage.remote.sent().iter().any(|script| script.contains("s3cret")), "{call}");
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
