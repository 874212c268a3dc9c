//! Filters and methods of texts, as Ansible and Python have them.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fancy_regex::{Captures, Regex};
use minijinja::value::{Kwargs, Rest, ValueKind, from_args};
use minijinja::{Error, ErrorKind, State, Value};
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

/// A regular expression in Python's dialect.
pub fn pattern(expression: &str, ignore_case: bool, multiline: bool) -> Result<Regex, Error> {
    let i = if ignore_case { "(?i)" } else { "" };
    let m = if multiline { "(?m)" } else { "" };
    Regex::new(&format!("{i}{m}{expression}"))
        .map_err(|problem| wrong(format!("the regular expression `{expression}`: {problem}")))
}

fn flags(expression: &str, options: &Kwargs) -> Result<Regex, Error> {
    let ignore_case = options.get::<Option<bool>>("ignorecase")?.unwrap_or(false);
    let multiline = options.get::<Option<bool>>("multiline")?.unwrap_or(false);
    pattern(expression, ignore_case, multiline)
}

/// A search that gave up, such as one with too much backtracking.
pub fn failed(problem: &fancy_regex::Error) -> Error {
    wrong(format!("the regular expression failed: {problem}"))
}

pub fn regex_replace(
    value: &Value,
    expression: Option<&str>,
    replacement: Option<&str>,
    options: Kwargs,
) -> Result<String, Error> {
    defined(value)?;
    let named: (Option<&str>, Option<&str>) =
        (options.get("pattern")?, options.get("replacement")?);
    let regex = flags(expression.or(named.0).unwrap_or_default(), &options)?;
    let replacement = replacement.or(named.1).unwrap_or_default();
    let count = options.get::<Option<usize>>("count")?.unwrap_or(0);
    options.assert_all_used()?;
    let text = plain(value);
    let replace = |found: &Captures<'_, str>| expand(replacement, found);
    let replaced = regex.try_replacen(&text, count, replace).map_err(|problem| failed(&problem))?;
    Ok(replaced.into_owned())
}

/// A replacement with `\1` and `\g<name>` filled in.
fn expand(replacement: &str, found: &Captures<'_, str>) -> String {
    let mut text = String::new();
    let mut rest = replacement;
    while let Some(at) = rest.find('\\') {
        text.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        if digits > 0 {
            let length = digits.min(2);
            text.push_str(group(found, &rest[..length]));
            rest = &rest[length..];
        } else if let Some((name, after)) =
            rest.strip_prefix("g<").and_then(|named| named.split_once('>'))
        {
            text.push_str(group(found, name));
            rest = after;
        } else {
            let c = rest.chars().next();
            match c {
                Some('n') => text.push('\n'),
                Some('t') => text.push('\t'),
                Some('\\') | None => text.push('\\'),
                Some(c) => text.extend(['\\', c]),
            }
            rest = &rest[c.map_or(0, char::len_utf8)..];
        }
    }
    text + rest
}

/// A group by number or name; nothing if it took no part.
fn group<'t>(found: &Captures<'t, str>, name: &str) -> &'t str {
    let found = match name.parse() {
        Ok(number) => found.get(number),
        Err(_) => found.name(name),
    };
    found.map_or("", |found| found.as_str())
}

pub fn regex_search(
    value: &Value,
    expression: &str,
    groups: Rest<Value>,
    options: Kwargs,
) -> Result<Value, Error> {
    defined(value)?;
    let regex = flags(expression, &options)?;
    options.assert_all_used()?;
    let text = plain(value);
    let Some(found) = regex.captures(text.as_str()).map_err(|problem| failed(&problem))? else {
        return Ok(Value::from(()));
    };
    if groups.is_empty() {
        return Ok(Value::from(group(&found, "0")));
    }
    let wanted = groups.iter().map(|wanted| {
        let wanted = plain(wanted);
        let name = wanted.trim_start_matches("\\g<").trim_start_matches('\\').trim_end_matches('>');
        Value::from(group(&found, name))
    });
    Ok(Value::from(wanted.collect::<Vec<_>>()))
}

pub fn regex_findall(value: &Value, expression: &str, options: Kwargs) -> Result<Value, Error> {
    defined(value)?;
    let regex = flags(expression, &options)?;
    options.assert_all_used()?;
    let text = plain(value);
    let mut all = Vec::new();
    for found in regex.captures_iter(text.as_str()) {
        let found = found.map_err(|problem| failed(&problem))?;
        let at = |number: usize| found.get(number).map_or("", |found| found.as_str());
        all.push(match found.len() {
            1 => Value::from(at(0)),
            2 => Value::from(at(1)),
            groups => {
                Value::from((1..groups).map(|number| at(number).to_owned()).collect::<Vec<_>>())
            }
        });
    }
    Ok(Value::from(all))
}

pub fn regex_escape(text: &str) -> String {
    let special = |c: char| "\\.^$*+?{}[]|()-&#~ \t\n\r\x0b\x0c".contains(c);
    text.chars().fold(String::new(), |mut escaped, c| {
        if special(c) {
            escaped.push('\\');
        }
        escaped.push(c);
        escaped
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

/// Python's methods: those of minijinja-contrib, and some more of texts and lists.
pub fn method(
    state: &mut State,
    value: &Value,
    name: &str,
    args: &[Value],
) -> Result<Value, Error> {
    let own = match (value.as_str(), value.kind()) {
        (Some(text), _) => text_method(text, name, args)?,
        (None, ValueKind::Seq) if name == "index" => {
            let (item,): (Value,) = from_args(args)?;
            let at = value.try_iter()?.position(|one| one == item);
            Some(Value::from(at.ok_or_else(|| wrong(format!("{item} is not in the list")))?))
        }
        _ => None,
    };
    match own {
        Some(result) => Ok(result),
        None => minijinja_contrib::pycompat::unknown_method_callback(state, value, name, args),
    }
}

fn text_method(text: &str, name: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    let result = match name {
        "rsplit" => rsplit(text, args)?,
        "zfill" => {
            let (width,): (usize,) = from_args(args)?;
            let sign = text.len() - text.trim_start_matches(['+', '-']).len();
            let zeros = "0".repeat(width.saturating_sub(text.chars().count()));
            Value::from(format!("{}{zeros}{}", &text[..sign], &text[sign..]))
        }
        "ljust" | "rjust" => {
            let (width, fill): (usize, Option<&str>) = from_args(args)?;
            let fill = fill.unwrap_or(" ").repeat(width.saturating_sub(text.chars().count()));
            Value::from(if name == "ljust" {
                format!("{text}{fill}")
            } else {
                format!("{fill}{text}")
            })
        }
        "partition" | "rpartition" => {
            let (separator,): (&str,) = from_args(args)?;
            let found =
                if name == "partition" { text.find(separator) } else { text.rfind(separator) };
            let parts = match (found, name) {
                (Some(at), _) => [&text[..at], separator, &text[at + separator.len()..]],
                (None, "partition") => [text, "", ""],
                (None, _) => ["", "", text],
            };
            Value::from(parts.map(ToOwned::to_owned).to_vec())
        }
        "index" => {
            let (part,): (&str,) = from_args(args)?;
            let at =
                text.find(part).ok_or_else(|| wrong(format!("`{part}` is not in the text")))?;
            Value::from(text[..at].chars().count())
        }
        "removeprefix" => {
            let (prefix,): (&str,) = from_args(args)?;
            Value::from(text.strip_prefix(prefix).unwrap_or(text))
        }
        "removesuffix" => {
            let (suffix,): (&str,) = from_args(args)?;
            Value::from(text.strip_suffix(suffix).unwrap_or(text))
        }
        "swapcase" => {
            let swap = |c: char| match c.is_uppercase() {
                true => c.to_lowercase().to_string(),
                false => c.to_uppercase().to_string(),
            };
            Value::from(text.chars().map(swap).collect::<String>())
        }
        _ => return Ok(None),
    };
    Ok(Some(result))
}

fn rsplit(text: &str, args: &[Value]) -> Result<Value, Error> {
    let (separator, most): (Option<&str>, Option<usize>) = from_args(args)?;
    let most = most.map_or(usize::MAX, |most| most.saturating_add(1));
    let mut parts: Vec<&str> = match separator {
        Some(separator) => text.rsplitn(most, separator).collect(),
        None => text.split_whitespace().rev().collect(),
    };
    parts.reverse();
    Ok(Value::from(parts.into_iter().map(ToOwned::to_owned).collect::<Vec<_>>()))
}
