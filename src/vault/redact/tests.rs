use proptest::prelude::*;

use super::Redactor;
use crate::vault::{Secret, SecretValue};

const TOKEN: &str = "K10'pa\"ss\\word$1::server/ü";

fn hiding(secrets: &[Secret]) -> Redactor {
    let redactor = Redactor::new();
    redactor.add_all(secrets.iter().cloned());
    redactor
}

fn streamed(redactor: &Redactor, text: &str, size: usize) -> String {
    let mut stream = redactor.stream();
    let mut out: Vec<u8> =
        text.as_bytes().chunks(size).flat_map(|piece| stream.push(piece)).collect();
    out.extend(stream.finish());
    String::from_utf8(out).unwrap()
}

#[test]
fn every_usual_form_of_a_secret_is_hidden_in_whole_texts_and_across_any_chunk_border() {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    let redactor = hiding(&[Secret::text("token", TOKEN)]);
    let hex: String = TOKEN.bytes().map(|byte| format!("{byte:02x}")).collect();
    let dump = STANDARD.encode([&[b'-'; 50], TOKEN.as_bytes()].concat());
    let wrapped: Vec<&str> =
        dump.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let forms = [
        ("raw", TOKEN.to_owned()),
        ("base64", STANDARD.encode(TOKEN)),
        ("base64, one byte in", STANDARD.encode(format!("u{TOKEN}:x"))),
        ("base64, two bytes in", STANDARD.encode(format!("u:{TOKEN}:x"))),
        ("base64, three bytes in", STANDARD.encode(format!("us:{TOKEN}"))),
        ("url-safe base64", URL_SAFE_NO_PAD.encode(format!("u{TOKEN}"))),
        ("wrapped base64", wrapped.join("\n")),
        ("wrapped and indented base64", wrapped.join("\r\n    ")),
        ("wrapped base64 in JSON", wrapped.join("\\n")),
        ("hex", hex.clone()),
        ("upper-case hex", hex.to_uppercase()),
        ("percent", "K10%27pa%22ss%5Cword%241%3A%3Aserver%2F%C3%BC".into()),
        ("JSON", serde_json::json!({ "a": TOKEN }).to_string()),
        ("JSON in ASCII", r#""K10'pa\"ss\\word$1::server/\u00fc""#.into()),
        ("single-quoted", r#"'K10'\''pa"ss\word$1::server/ü'"#.into()),
        ("double-quoted", r#""K10'pa\"ss\\word\$1::server/ü""#.into()),
        ("backslashes", r#"K10\'pa\"ss\\word\$1::server/ü"#.into()),
        ("YAML", r#"'K10''pa"ss\word$1::server/ü'"#.into()),
    ];
    for (what, form) in forms {
        let text = format!("before {form} after\n");
        let hidden = redactor.redact(&text);
        assert!(hidden.contains("<secret:token>"), "{what}: {hidden}");
        for part in ["pa\"ss", "ss\\word", "erver", "27pa", "aWJk", "70612273", &dump[70..80]] {
            assert!(!hidden.contains(part), "{what}: {part} is left in {hidden}");
        }
        for size in [1, 2, 3, 7, 16, 1000] {
            assert_eq!(streamed(&redactor, &text, size), hidden, "{what} in pieces of {size}");
        }
    }
}

#[test]
fn each_line_of_a_longer_secret_is_one() {
    let key = "-----BEGIN KEY-----\nMHcCAQEEIIrYSSNQ\n  abcdef0123\n-----END KEY-----\n";
    let redactor = hiding(&[Secret::text("key", key)]);
    insta::assert_snapshot!(redactor.redact("x abcdef0123 y\n-----BEGIN KEY-----\nMHcCAQEEIIrYSSNQ z"), @"
    x <secret:key> y
    -----BEGIN KEY-----
    <secret:key> z
    ");
    assert_eq!(redactor.redact(key), "<secret:key>\n");
}

#[test]
fn strings_inside_a_json_secret_are_secrets() {
    let value = SecretValue::json(r#"{"user":"pi","deep":["hunter2hunter2"]}"#).unwrap();
    let redactor = hiding(&[Secret::new("login", value)]);
    assert_eq!(redactor.redact("pi logs in with hunter2hunter2"), "pi logs in with <secret:login>");
}

#[test]
fn secrets_that_overlap_leave_no_rest() {
    let redactor = hiding(&[Secret::text("a", "abcdefgh"), Secret::text("b", "efghijklm")]);
    assert_eq!(redactor.redact("-abcdefghijklm-"), "-<secret:b>-");
    assert_eq!(streamed(&redactor, "-abcdefghijklm-", 1), "-<secret:b>-");
}

#[test]
fn a_secret_of_three_bytes_is_not_hidden() {
    let redactor = hiding(&[Secret::text("pin", "123"), Secret::text("none", "")]);
    assert_eq!(redactor.redact("123 123"), "123 123");
}

#[test]
fn nothing_is_copied_while_there_is_nothing_to_hide() {
    let redactor = Redactor::new();
    assert!(matches!(redactor.redact("text"), std::borrow::Cow::Borrowed("text")));
    redactor.add(&Secret::text("a", "something"));
    assert!(matches!(redactor.redact("text"), std::borrow::Cow::Borrowed("text")));
}

#[test]
fn innocent_lines_are_not_held_back() {
    let redactor = hiding(&[Secret::text("a", "s3cret-and-long-enough")]);
    let mut stream = redactor.stream();
    assert_eq!(stream.push(b"fetching packages\n"), b"fetching packages\n");
    assert_eq!(stream.push(b"Password: "), b"Password: ");
    assert_eq!(stream.push(b"x s3cr"), b"x ");
    assert_eq!(stream.push(b"!"), b"s3cr!");
}

#[test]
fn a_secret_added_later_is_hidden_by_clones_and_running_streams() {
    let redactor = Redactor::new();
    let (other, mut stream) = (redactor.clone(), redactor.stream());
    assert_eq!(stream.push(b"hunter2 "), b"hunter2 ");
    redactor.add(&Secret::text("a", "hunter2"));
    assert_eq!(other.redact("hunter2"), "<secret:a>");
    assert_eq!(stream.push(b"hunter2 "), b"<secret:a> ");
}

#[test]
fn a_stream_of_one_endless_overlap_ends() {
    let redactor = hiding(&[Secret::text("a", "aaaaaaaa")]);
    let mut stream = redactor.stream();
    let mut out = Vec::new();
    for _ in 0..40 {
        out.extend(stream.push(&[b'a'; 64 << 10]));
    }
    out.extend(stream.finish());
    assert!(out.len() < 1000, "{} bytes", out.len());
}

#[test]
fn long_binary_secrets_are_found_in_part() {
    let value: Vec<u8> = (0..5000_u32).map(|i| ((i * 7919) >> 3) as u8 | 1).collect();
    let redactor = hiding(&[Secret::new("blob", SecretValue::bytes(&value))]);
    let hex: String = value[512..2048].iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(redactor.redact(&hex), "<secret:blob>");
}

proptest! {
    #[test]
    fn pieces_of_any_size_give_the_same_as_the_whole(
        secrets in prop::collection::vec("[ab=\n]{4,12}", 1..4),
        text in "[ab=\n <]{0,120}",
        size in 1_usize..20,
    ) {
        let redactor = Redactor::new();
        for secret in &secrets {
            redactor.add(&Secret::text("s", secret));
        }
        let whole = redactor.redact(&text).into_owned();
        for secret in &secrets {
            prop_assert!(!whole.contains(secret.trim_end()) || secret.trim_end().len() < 4);
        }
        prop_assert_eq!(streamed(&redactor, &text, size), whole);
    }
}
