//! What an unquoted YAML word means: null, a boolean, a number or text.
//!
//! YAML 1.2's core schema with two cautions: `0644` stays text, because it is a file mode or a
//! serial number and never the number 644; and what JSON cannot hold (`.inf`, numbers beyond 64
//! bits) stays text instead of being bent. `yes` and `on` are text in YAML 1.2 anyway.

use serde_json::{Number, Value};

/// The value of an unquoted scalar, or `None` where it is text.
pub(crate) fn resolve(text: &str) -> Option<Value> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Some(Value::Null),
        "true" | "True" | "TRUE" => Some(Value::Bool(true)),
        "false" | "False" | "FALSE" => Some(Value::Bool(false)),
        _ => number(text).map(Value::Number),
    }
}

/// The number that `text` is in the core schema.
pub(crate) fn number(text: &str) -> Option<Number> {
    if let Some(digits) = text.strip_prefix("0x") {
        return unsigned(digits, 16).map(Number::from);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return unsigned(digits, 8).map(Number::from);
    }
    let unsigned_text = text.strip_prefix(['-', '+']).unwrap_or(text);
    if has_leading_zero(unsigned_text) || !unsigned_text.contains(|c: char| c.is_ascii_digit()) {
        return None;
    }
    if unsigned_text.bytes().all(|b| b.is_ascii_digit()) {
        return integer(text);
    }
    let only_float_characters =
        unsigned_text.bytes().all(|b| b.is_ascii_digit() || b".eE+-".contains(&b));
    let float: f64 = text.parse().ok().filter(|_| only_float_characters)?;
    Number::from_f64(float)
}

fn unsigned(digits: &str, radix: u32) -> Option<u64> {
    digits
        .bytes()
        .all(|b| b.is_ascii_hexdigit())
        .then(|| u64::from_str_radix(digits, radix).ok())?
}

fn integer(text: &str) -> Option<Number> {
    let plain = text.strip_prefix('+').unwrap_or(text);
    plain.parse::<i64>().map(Number::from).or_else(|_| plain.parse::<u64>().map(Number::from)).ok()
}

/// `0644` and `007.5`, but neither `0` nor `0.5`.
fn has_leading_zero(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next() == Some(b'0') && bytes.next().is_some_and(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_true_and_false_are_booleans() {
        assert_eq!(resolve("true"), Some(json!(true)));
        for text in ["yes", "no", "on", "off", "y", "TrUe"] {
            assert_eq!(resolve(text), None, "{text}");
        }
    }

    #[test]
    fn a_file_mode_stays_text() {
        for text in ["0644", "-0644", "007.5", "00"] {
            assert_eq!(resolve(text), None, "{text}");
        }
        assert_eq!(resolve("0"), Some(json!(0)));
        assert_eq!(resolve("0.5"), Some(json!(0.5)));
        assert_eq!(resolve("0o644"), Some(json!(420)));
        assert_eq!(resolve("0x1F"), Some(json!(31)));
    }

    #[test]
    fn numbers_that_json_cannot_hold_stay_text() {
        assert_eq!(resolve("18446744073709551615"), Some(json!(u64::MAX)));
        for text in ["99999999999999999999999", "1e999", ".inf", ".nan", "0x", "0o9", "0x+1"] {
            assert_eq!(resolve(text), None, "{text}");
        }
    }

    #[test]
    fn addresses_versions_and_times_stay_text() {
        for text in
            ["192.168.1.40", "v1.30", "1.30.2", "12:30", "1_000", "-", "+", ".", "e5", "inf"]
        {
            assert_eq!(resolve(text), None, "{text}");
        }
        assert_eq!(resolve("-12"), Some(json!(-12)));
        assert_eq!(resolve("1e3"), Some(json!(1000.0)));
    }
}
