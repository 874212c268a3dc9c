//! Values as Python prints them.

use minijinja::Value;
use minijinja::value::ValueKind;

/// Python's `str(value)`, and for what is inside collections its `repr`. Tuples print as lists: that
/// is what they are once Ansible is through with a template.
pub fn text(value: &Value) -> String {
    match value.as_str() {
        Some(text) => text.to_owned(),
        None => repr(value),
    }
}

fn repr(value: &Value) -> String {
    match value.kind() {
        ValueKind::Number if !value.is_integer() => {
            f64::try_from(value.clone()).map_or_else(|_| value.to_string(), float)
        }
        ValueKind::Seq => {
            let items: Vec<String> =
                value.try_iter().into_iter().flatten().map(|item| repr(&item)).collect();
            format!("[{}]", items.join(", "))
        }
        ValueKind::Map => {
            let pair = |key: Value| {
                let item = value.get_item(&key).unwrap_or_default();
                format!("{}: {}", repr(&key), repr(&item))
            };
            let pairs: Vec<String> = value.try_iter().into_iter().flatten().map(pair).collect();
            format!("{{{}}}", pairs.join(", "))
        }
        _ => format!("{value:?}"),
    }
}

/// The shortest digits that mean this number, with an exponent where Python uses one.
pub fn float(number: f64) -> String {
    if !number.is_finite() {
        return format!("{number}").to_lowercase();
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    match exponent.parse().unwrap_or(0) {
        -4..=15 => format!("{number:?}"),
        exponent if exponent < 0 => format!("{digits}e-{:02}", -exponent),
        exponent => format!("{digits}e+{exponent:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_have_an_exponent_where_python_writes_one() {
        let shown = [1e20, 1.5e-7, 1e15, 1e16, 0.0001, 0.00001, -2.0, 0.1 + 0.2].map(float);
        let python = [
            "1e+20",
            "1.5e-07",
            "1000000000000000.0",
            "1e+16",
            "0.0001",
            "1e-05",
            "-2.0",
            "0.30000000000000004",
        ];
        assert_eq!(shown, python);
    }
}
