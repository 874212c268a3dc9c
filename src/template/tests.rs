use std::fs;

use minijinja::value::Serde;

use super::*;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/templates");

fn vars() -> Value {
    let json = fs::read_to_string(format!("{GOLDEN}/vars.json")).expect("the variables");
    let value: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    Value::from(Serde(value))
}

fn golden(name: &str) {
    let templates = Templates::new([GOLDEN]);
    let wanted = fs::read_to_string(format!("{GOLDEN}/{name}.out")).expect("a golden file");
    let rendered = templates.render(&format!("{name}.j2"), &vars());
    let rendered =
        rendered.unwrap_or_else(|error| panic!("{:?} {error} {:?}", error.site(), error.hints()));
    for (number, (found, wanted)) in rendered.text.lines().zip(wanted.lines()).enumerate() {
        assert_eq!(found, wanted, "line {}", number + 1);
    }
    assert_eq!(rendered.text, wanted);
}

#[test]
fn values_print_as_in_ansible() {
    golden("values");
}

#[test]
fn blocks_and_whitespace_are_as_in_ansible() {
    for name in ["blocks", "blank", "crlf", "noeol", "header"] {
        golden(name);
    }
}

#[test]
fn a_file_ends_as_in_ansible() {
    for name in ["end_value", "end_block", "end_empty", "end_blank", "end_none", "include"] {
        golden(name);
    }
}

#[test]
fn text_filters_are_as_in_ansible() {
    golden("text");
}

#[test]
fn list_filters_and_tests_are_as_in_ansible() {
    golden("lists");
}

#[test]
fn methods_are_as_in_python() {
    golden("methods");
}

#[test]
fn json_and_yaml_are_as_in_ansible() {
    golden("formats");
    golden("keys");
}

fn render(source: &str, vars: &Value) -> Result<Rendered> {
    Templates::new([GOLDEN]).render_str("motd.j2", source, vars)
}

/// Place, message and hints of the error that a template ends with.
fn error(source: &str) -> String {
    let error = render(source, &vars()).expect_err("an error");
    let site = error.site().map(ToString::to_string).unwrap_or_default();
    let site = site.trim_start_matches("motd.j2:");
    [&[format!("{site} {error}")], error.hints()].concat().join(" | ")
}

#[test]
fn an_undefined_variable_is_named_where_it_stands() {
    let sources = [
        "first\n  {{ nmae }}",
        "{{ nmae | b64encode }}",
        "{{ 'a' ~ nmae }}",
        "{% if nmae %}x{% endif %}",
        "{{ [nmae] }}",
        "{{ deep.sever.port }}",
        "{{ people[0].nme }}",
        "{{ list[9] }}",
        "{{ people | map(attribute='nme') | join(' ') }}",
        "{% for p in people %}{{ p.nme }}{% endfor %}",
        "#jinja2: trim_blocks: False\n{{ map.zz.y }}",
    ];
    insta::assert_snapshot!(sources.map(error).join("\n"), @"
    2:6 `nmae` is undefined | Did you mean `name`?
    1:4 `nmae` is undefined | Did you mean `name`?
    1:10 `nmae` is undefined | Did you mean `name`?
    1:7 `nmae` is undefined | Did you mean `name`?
    1:5 `nmae` is undefined | Did you mean `name`?
    1:4 `deep.sever` is undefined | Did you mean `server`?
    1:4 `people[0].nme` is undefined
    1:4 `list[9]` is undefined
    1:36 a value here is undefined
    1:25 `p.nme` is undefined
    2:4 `map.zz` is undefined | Where `map.zz` may be missing, write `(map.zz | default({}))` for it.
    ");
}

#[test]
fn other_mistakes_say_what_to_write() {
    let sources = [
        "{{ name | b64encod }}",
        "{{ name is matc('x') }}",
        "{{ nope(1) }}",
        "{{ name.foo() }}",
        "{{ '%s' % (1,) }}",
        "{% if yes %}",
        "{% endif %}",
        "{{ name",
        "{{ 'x' | regex_search('(') }}",
        "{% include 'nope.j2' %}",
        "#jinja2: trim: True\n",
    ];
    insta::assert_snapshot!(sources.map(error).join("\n"), @"
    1:11 there is no filter `b64encod` | Did you mean `b64encode`?
    1:12 there is no test `matc` | Did you mean `match`?
    1:4 there is no function `nope`
    1:8 string has no method named foo
    1:4 tried to use % operator on unsupported types string and sequence | Write `'…' | format(…)` instead.
    1:11 syntax error: unexpected end of input, expected end of block
    1:4 syntax error: unknown statement endif
    1:4 syntax error: unexpected end of input, expected end of variable block
    1:10 the regular expression `(`: Parsing error at position 1: Opening parenthesis without closing parenthesis
    1:4 tried to include non-existing template 'nope.j2'
    1:1 unknown rule `trim` in the `#jinja2:` line | It can set trim_blocks, lstrip_blocks and keep_trailing_newline.
    ");
}

#[test]
fn an_error_in_an_included_template_names_that_one() {
    let directory = tempfile::tempdir().expect("a directory");
    fs::write(directory.path().join("outer.j2"), "a\n{% include 'inner.j2' %}\n").expect("a file");
    fs::write(directory.path().join("inner.j2"), "b\n\n {{ nmae }}\n").expect("a file");
    let templates = Templates::new([directory.path()]);
    let error = templates.render("outer.j2", &vars()).expect_err("an error");
    let site = error.site().expect("a place");
    assert!(site.file.ends_with("/inner.j2"), "{site}");
    assert_eq!((site.line, site.column), (3, 5));
    assert_eq!(
        templates.render("oter.j2", &vars()).expect_err("an error").hints()[0],
        "Did you mean `outer.j2`?"
    );
}

#[test]
fn what_stands_in_a_value_is_never_rendered() {
    let vars = Value::from_pairs([("x", "{{ y }} {% if %} {# #}")]);
    assert_eq!(render("{{ x }}", &vars).expect("text").text, "{{ y }} {% if %} {# #}");
}

fn with_secrets() -> Value {
    let host = |name: &str, token: &str| {
        Value::from_pairs([
            ("name", Value::from(name)),
            ("token", secret(token, format!("{token}-value"))),
        ])
    };
    Value::from_pairs([
        ("open", Value::from("shown")),
        ("token", secret("k3s_token", "hunter2")),
        ("hosts", Value::from(vec![host("rpi40", "a"), host("rpi41", "b")])),
    ])
}

#[test]
fn a_template_tells_which_secrets_it_opened() {
    let cases = [
        ("{{ open }} {% for h in hosts %}{{ h.name }} {% endfor %}", "shown rpi40 rpi41 ", ""),
        ("{{ token }}", "hunter2", "k3s_token"),
        ("{{ token | b64encode }} {{ token | length }}", "aHVudGVyMg== 7", "k3s_token"),
        ("{{ token.upper() }} {{ token ~ '!' }}", "HUNTER2 hunter2!", "k3s_token"),
        ("{% if token == 'x' %}{% else %}no{% endif %}", "no", "k3s_token"),
        ("{{ hosts[1].token }}", "b-value", "b"),
        ("{{ hosts | map(attribute='token') | join(',') }}", "a-value,b-value", "a b"),
        ("{{ (hosts | first) | to_json }}", r#"{"name": "rpi40", "token": "a-value"}"#, "a"),
        (
            "{% set t = token %}{% macro m(x) %}{{ x }}{% endmacro %}{{ m(t) }}",
            "hunter2",
            "k3s_token",
        ),
        ("{{ hosts[0].items() | list | length }}", "2", "a"),
        ("{{ {'t': token} | to_nice_yaml }}", "t: hunter2\n", "k3s_token"),
    ];
    for (source, text, secrets) in cases {
        let rendered =
            render(source, &with_secrets()).unwrap_or_else(|error| panic!("{source}: {error}"));
        assert_eq!(
            (rendered.text.as_str(), rendered.secrets.join(" ").as_str()),
            (text, secrets),
            "{source}"
        );
    }
}

#[test]
fn an_error_does_not_tell_a_secret() {
    for source in [
        "{{ token | int + 'x' }}",
        "{{ token.foo() }}",
        "{{ hosts[0].token | from_json }}",
        "{{ [token] + 1 }}",
        "{{ token | regex_search('(') }}",
        "{{ hosts[0] | items2dict }}",
        "{{ hosts | items2dict }}",
    ] {
        let error = render(source, &with_secrets()).expect_err("an error");
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        assert!(!format!("{error:?}").contains("a-value"), "{error:?}");
    }
    assert!(!format!("{:?}", with_secrets()).contains("hunter2"));
}

#[test]
fn values_can_be_quoted_for_a_shell_and_for_yaml() {
    let text = |source: &str| render(source, &vars()).expect("text").text;
    assert_eq!(text("{{ quoted | sh }}"), r#"'it'"'"'s "quoted" \ and $HOME `id`; a&b'"#);
    assert_eq!(
        text("{{ name | yaml }} {{ 'yes' | yaml }} {{ 'a: b' | yaml }} {{ multi | yaml }}"),
        r#"rpi41 "yes" "a: b" "line one\nline two\n\nline four\n""#
    );
    assert_eq!(
        text("{{ yes | yaml }} {{ list | yaml }} {{ nothing | yaml }}"),
        r#"true ["b", "a", "c", "a"] null"#
    );
}

#[test]
fn every_name_that_is_suggested_exists() {
    for name in filters::NAMES.split_whitespace() {
        assert_eq!(
            render(&format!("{{{{ '{name}' is filter }}}}"), &vars()).expect("text").text,
            "True",
            "{name}"
        );
    }
    for name in filters::TESTS.split_whitespace() {
        assert_eq!(
            render(&format!("{{{{ '{name}' is test }}}}"), &vars()).expect("text").text,
            "True",
            "{name}"
        );
    }
}
