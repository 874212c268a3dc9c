//! JSON and YAML, written as Python writes them.

use std::fmt::Write;

use minijinja::value::{Kwargs, Serde, ValueKind};
use minijinja::{Error, Value};

use super::text::{defined, plain, wrong};
use super::yaml::{self, Style};

/// How JSON is laid out.
struct Layout {
    /// Spaces a level; `None`: all on one line.
    indent: Option<usize>,
    sort_keys: bool,
    ensure_ascii: bool,
    /// Escapes what HTML would misread.
    html: bool,
}

fn layout(options: &Kwargs, indent: Option<usize>, sort_keys: bool) -> Result<Layout, Error> {
    let layout = Layout {
        indent: options.get::<Option<usize>>("indent")?.or(indent),
        sort_keys: options.get::<Option<bool>>("sort_keys")?.unwrap_or(sort_keys),
        ensure_ascii: options.get::<Option<bool>>("ensure_ascii")?.unwrap_or(true),
        html: false,
    };
    options.assert_all_used()?;
    Ok(layout)
}

pub fn to_json(value: &Value, options: Kwargs) -> Result<String, Error> {
    json(value, &layout(&options, None, false)?)
}

pub fn to_nice_json(
    value: &Value,
    indent: Option<usize>,
    options: Kwargs,
) -> Result<String, Error> {
    json(value, &layout(&options, Some(indent.unwrap_or(4)), true)?)
}

/// Jinja's own JSON: sorted, and safe inside HTML.
pub fn tojson(value: &Value, indent: Option<usize>, options: Kwargs) -> Result<String, Error> {
    json(value, &Layout { html: true, ..layout(&options, indent, true)? })
}

pub fn from_json(text: &str) -> Result<Value, Error> {
    let value: serde_json::Value =
        serde_json::from_str(text).map_err(|problem| wrong(format!("from_json: {problem}")))?;
    Ok(Value::from(Serde(value)))
}

/// YAML 1.2, as in the inventory: `yes` and `0644` stay texts.
pub fn from_yaml(text: &str) -> Result<Value, Error> {
    let value: serde_yaml::Value =
        serde_yaml::from_str(text).map_err(|problem| wrong(format!("from_yaml: {problem}")))?;
    Ok(Value::from(Serde(value)))
}

pub fn to_yaml(value: &Value, options: Kwargs) -> Result<String, Error> {
    dump(value, &options, None, 2)
}

pub fn to_nice_yaml(
    value: &Value,
    indent: Option<usize>,
    options: Kwargs,
) -> Result<String, Error> {
    dump(value, &options, Some(false), indent.unwrap_or(4))
}

fn dump(
    value: &Value,
    options: &Kwargs,
    flow: Option<bool>,
    indent: usize,
) -> Result<String, Error> {
    defined(value)?;
    let indent = options.get::<Option<usize>>("indent")?.unwrap_or(indent);
    let width = options.get::<Option<i64>>("width")?.unwrap_or(80);
    let style = Style {
        flow: options.get::<Option<bool>>("default_flow_style")?.or(flow),
        indent: if (2..=9).contains(&indent) { indent } else { 2 },
        width: usize::try_from(width).unwrap_or(usize::MAX),
        sort_keys: options.get::<Option<bool>>("sort_keys")?.unwrap_or(true),
        allow_unicode: options.get::<Option<bool>>("allow_unicode")?.unwrap_or(true),
        explicit_start: options.get::<Option<bool>>("explicit_start")?.unwrap_or(false),
    };
    options.assert_all_used()?;
    yaml::dump(value, &style)
}

/// A value for one place in a YAML file, quoted so that it stays what it is on a single line.
pub fn yaml_quote(value: &Value) -> Result<String, Error> {
    defined(value)?;
    match value.as_str() {
        // JSON's strings are YAML's double-quoted scalars.
        Some(text) if !yaml::is_plain(text) => json(value, &one_line()),
        Some(text) => Ok(text.to_owned()),
        None => json(value, &one_line()),
    }
}

fn one_line() -> Layout {
    Layout { indent: None, sort_keys: false, ensure_ascii: false, html: false }
}

fn json(value: &Value, layout: &Layout) -> Result<String, Error> {
    defined(value)?;
    let mut out = String::new();
    write_json(&mut out, value, layout, 0)?;
    Ok(out)
}

fn write_json(out: &mut String, value: &Value, layout: &Layout, depth: usize) -> Result<(), Error> {
    match value.kind() {
        ValueKind::Undefined => return defined(value),
        ValueKind::None => out.push_str("null"),
        ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
        ValueKind::Number => out.push_str(&json_number(value)),
        ValueKind::Map => {
            let mut keys: Vec<Value> = value.try_iter()?.collect();
            if layout.sort_keys {
                keys.sort();
            }
            sequence(out, ['{', '}'], keys, layout, depth, |out, key| {
                write_text(out, &json_key(key), layout);
                out.push_str(": ");
                write_json(out, &value.get_item(key)?, layout, depth + 1)
            })?;
        }
        ValueKind::Seq | ValueKind::Iterable => {
            let items = value.try_iter()?.collect();
            sequence(out, ['[', ']'], items, layout, depth, |out, item| {
                write_json(out, item, layout, depth + 1)
            })?;
        }
        _ => write_text(out, &plain(value), layout),
    }
    Ok(())
}

fn sequence(
    out: &mut String,
    [open, close]: [char; 2],
    items: Vec<Value>,
    layout: &Layout,
    depth: usize,
    mut write: impl FnMut(&mut String, &Value) -> Result<(), Error>,
) -> Result<(), Error> {
    out.push(open);
    let line = |out: &mut String, depth: usize| {
        if let Some(indent) = layout.indent {
            out.push('\n');
            out.push_str(&" ".repeat(indent * depth));
        }
    };
    let empty = items.is_empty();
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push_str(if layout.indent.is_some() { "," } else { ", " });
        }
        line(out, depth + 1);
        write(out, item)?;
    }
    if !empty {
        line(out, depth);
    }
    out.push(close);
    Ok(())
}

/// Python has names for what JSON has no numbers for.
fn json_number(value: &Value) -> String {
    match value.to_string().as_str() {
        "inf" => "Infinity".into(),
        "-inf" => "-Infinity".into(),
        "nan" | "NaN" => "NaN".into(),
        number => number.to_owned(),
    }
}

fn json_key(key: &Value) -> String {
    match key.kind() {
        ValueKind::None => "null".into(),
        ValueKind::Bool => key.is_true().to_string(),
        _ => plain(key),
    }
}

fn write_text(out: &mut String, text: &str, layout: &Layout) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '<' | '>' | '&' | '\'' if layout.html => escape(out, c),
            c if (c as u32) < 0x20 || (layout.ensure_ascii && !c.is_ascii()) => escape(out, c),
            c => out.push(c),
        }
    }
    out.push('"');
}

fn escape(out: &mut String, c: char) {
    for unit in c.encode_utf16(&mut [0; 2]) {
        let _ = write!(out, "\\u{unit:04x}");
    }
}
