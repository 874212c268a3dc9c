//! Regular expressions in Python's dialect: look-around, back references, `\1` and `\g<name>`.

use fancy_regex::{Captures, Regex};
use minijinja::value::{Kwargs, Rest};
use minijinja::{Error, Value};

use super::text::{defined, plain, wrong};

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

pub fn replace(
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

pub fn search(
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

pub fn findall(value: &Value, expression: &str, options: Kwargs) -> Result<Value, Error> {
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

pub fn escape(text: &str) -> String {
    let special = |c: char| "\\.^$*+?{}[]|()-&#~ \t\n\r\x0b\x0c".contains(c);
    text.chars().fold(String::new(), |mut escaped, c| {
        if special(c) {
            escaped.push('\\');
        }
        escaped.push(c);
        escaped
    })
}
