//! Filters of texts, paths and numbers, as Ansible has them.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Error, ErrorKind, Value};
use sha2::Digest;

use super::python;

/// An error of a filter.
pub fn wrong(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, text.into())
}

/// A value as text, as Python's `str` makes it.
pub fn plain(value: &Value) -> String {
    python::text(value)
}

/// Fails for a value that is not there, or that holds one that is not: nothing may swallow it.
pub fn defined(value: &Value) -> Result<(), Error> {
    match value.kind() {
        // The error of a lookup in it knows what the undefined value was called.
        ValueKind::Undefined => value.get_attr("").map(drop),
        ValueKind::Seq => value.try_iter()?.try_for_each(|item| defined(&item)),
        ValueKind::Map => value.try_iter()?.try_for_each(|key| defined(&value.get_item(&key)?)),
        _ => Ok(()),
    }
}

pub fn b64encode(value: &Value) -> Result<String, Error> {
    defined(value)?;
    let bytes = value.as_bytes().map_or_else(|| plain(value).into_bytes(), <[u8]>::to_vec);
    Ok(STANDARD.encode(bytes))
}

pub fn b64decode(value: &str) -> Result<String, Error> {
    let text: String = value.split_whitespace().collect();
    let bytes = STANDARD.decode(text).map_err(|_| wrong("b64decode: this is not base64"))?;
    String::from_utf8(bytes).map_err(|_| wrong("b64decode: what it holds is not text"))
}

pub fn basename(path: &str) -> String {
    path.rsplit('/').next().unwrap_or_default().to_owned()
}

pub fn dirname(path: &str) -> String {
    let head = &path[..path.rfind('/').map_or(0, |at| at + 1)];
    match head.trim_end_matches('/') {
        "" => head.to_owned(),
        trimmed => trimmed.to_owned(),
    }
}

pub fn splitext(path: &str) -> Vec<String> {
    let name = path.rfind('/').map_or(0, |at| at + 1);
    // Dots at the start of a name begin no extension.
    let start = name + path[name..].len() - path[name..].trim_start_matches('.').len();
    let at = path[start..].rfind('.').map_or(path.len(), |at| start + at);
    vec![path[..at].to_owned(), path[at..].to_owned()]
}

pub fn path_join(parts: &Value) -> Result<String, Error> {
    let mut path = String::new();
    for part in parts.try_iter()?.map(|part| plain(&part)) {
        if part.starts_with('/') {
            path.clear();
        } else if !path.is_empty() && !path.ends_with('/') {
            path.push('/');
        }
        path.push_str(&part);
    }
    Ok(path)
}

pub fn normpath(path: &str) -> String {
    let root = if path.starts_with('/') { "/" } else { "" };
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => _ = parts.pop(),
            ".." if !root.is_empty() => {}
            part => parts.push(part),
        }
    }
    match format!("{root}{}", parts.join("/")) {
        path if path.is_empty() => ".".to_owned(),
        path => path,
    }
}

/// Python's `shlex.quote`.
pub fn shell_quote(value: &Value) -> Result<String, Error> {
    defined(value)?;
    let text = if value.is_none() { String::new() } else { plain(value) };
    let safe = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./-_".contains(c);
    Ok(match !text.is_empty() && text.chars().all(safe) {
        true => text,
        false => format!("'{}'", text.replace('\'', "'\"'\"'")),
    })
}

/// Jinja's `indent`, whose width can also be a text.
pub fn indent(
    text: &str,
    width: Option<Value>,
    first: Option<bool>,
    blank: Option<bool>,
    options: Kwargs,
) -> Result<String, Error> {
    let width = width.or(options.get("width")?).unwrap_or_else(|| Value::from(4));
    let first = first.or(options.get("first")?).unwrap_or(false);
    let blank = blank.or(options.get("blank")?).unwrap_or(false);
    options.assert_all_used()?;
    let prefix = match width.as_usize() {
        Some(columns) => " ".repeat(columns),
        None => plain(&width),
    };
    let mut lines = text.split('\n');
    let mut result = String::new();
    if first {
        result.push_str(&prefix);
    }
    result.push_str(lines.next().unwrap_or_default());
    for line in lines {
        result.push('\n');
        if blank || !line.is_empty() {
            result.push_str(&prefix);
        }
        result.push_str(line);
    }
    Ok(result)
}

pub fn boolean(value: &Value) -> Result<bool, Error> {
    defined(value)?;
    let text = plain(value).to_lowercase();
    Ok(matches!(text.as_str(), "yes" | "on" | "true" | "1" | "1.0"))
}

pub fn hash(value: &Value, kind: Option<&str>) -> Result<String, Error> {
    defined(value)?;
    let text = plain(value);
    let hex = |bytes: &[u8]| {
        bytes.iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    };
    Ok(match kind.unwrap_or("sha1") {
        "md5" => hex(&md5::Md5::digest(text)),
        "sha1" => hex(&sha1::Sha1::digest(text)),
        "sha224" => hex(&sha2::Sha224::digest(text)),
        "sha256" => hex(&sha2::Sha256::digest(text)),
        "sha384" => hex(&sha2::Sha384::digest(text)),
        "sha512" => hex(&sha2::Sha512::digest(text)),
        other => return Err(wrong(format!("hash: `{other}` is not known"))),
    })
}

pub fn ternary(value: &Value, yes: Value, no: Value, none: Option<Value>) -> Result<Value, Error> {
    defined(value)?;
    Ok(match none {
        Some(none) if value.is_none() => none,
        _ if value.is_true() => yes,
        _ => no,
    })
}

/// What stands in for a value that is not there, or (`boolean`) that is empty.
pub fn default(
    value: &Value,
    default: Option<Value>,
    boolean: Option<bool>,
    options: Kwargs,
) -> Result<Value, Error> {
    let default = default.or(options.get("default_value")?).unwrap_or_else(|| Value::from(""));
    let boolean = boolean.or(options.get("boolean")?).unwrap_or(false);
    options.assert_all_used()?;
    let missing = value.is_undefined() || (boolean && !value.is_true());
    Ok(if missing { default } else { value.clone() })
}

pub fn mandatory(value: Value, message: Option<String>) -> Result<Value, Error> {
    match (value.is_undefined(), message) {
        (true, Some(message)) => Err(wrong(message)),
        (true, None) => Err(Error::from(ErrorKind::UndefinedError)),
        (false, _) => Ok(value),
    }
}

/// Jinja's `int`: what is no number becomes the default.
pub fn int(
    value: &Value,
    default: Option<Value>,
    base: Option<u32>,
    options: Kwargs,
) -> Result<Value, Error> {
    defined(value)?;
    let default = default.or(options.get("default")?).unwrap_or_else(|| Value::from(0));
    let base = base.or(options.get("base")?).unwrap_or(10);
    options.assert_all_used()?;
    if value.kind() == ValueKind::Bool {
        return Ok(Value::from(i64::from(value.is_true())));
    }
    if value.is_integer() {
        return Ok(value.clone());
    }
    let text = plain(value).trim().to_lowercase().replace('_', "");
    let prefix = match base {
        16 => "0x",
        8 => "0o",
        2 => "0b",
        _ => "",
    };
    let digits = text.strip_prefix(prefix).unwrap_or(&text);
    let whole = i128::from_str_radix(digits, base.clamp(2, 36)).ok();
    let whole =
        whole.or_else(|| text.parse::<f64>().ok().filter(|n| n.is_finite()).map(|n| n as i128));
    Ok(whole.map_or(default, |whole| {
        i64::try_from(whole).map_or_else(|_| Value::from(whole), Value::from)
    }))
}

/// Jinja's `float`: what is no number becomes the default.
pub fn float(value: &Value, default: Option<Value>, options: Kwargs) -> Result<Value, Error> {
    defined(value)?;
    let default = default.or(options.get("default")?).unwrap_or_else(|| Value::from(0.0));
    options.assert_all_used()?;
    if value.kind() == ValueKind::Bool {
        return Ok(Value::from(f64::from(u8::from(value.is_true()))));
    }
    Ok(plain(value).trim().parse::<f64>().map_or(default, Value::from))
}

/// Jinja's `round`: half to even, and always a float.
pub fn round(
    value: f64,
    precision: Option<i32>,
    method: Option<&str>,
    options: Kwargs,
) -> Result<f64, Error> {
    let precision = precision.or(options.get("precision")?).unwrap_or(0);
    let method = method.or(options.get("method")?).unwrap_or("common");
    let scale = 10f64.powi(precision);
    Ok(match method {
        "common" => (value * scale).round_ties_even() / scale,
        "ceil" => (value * scale).ceil() / scale,
        "floor" => (value * scale).floor() / scale,
        other => return Err(wrong(format!("round: `{other}` is not common, ceil or floor"))),
    })
}
