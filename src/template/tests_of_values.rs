//! The tests (`is match`, `is version`) that Ansible adds to Jinja's.

use std::cmp::Ordering;

use minijinja::value::Kwargs;
use minijinja::{Environment, Error, Value};

use super::regexes::{failed, pattern};
use super::text::plain;

pub fn register(environment: &mut Environment<'static>) {
    environment.add_test("match", |text: Value, expression: &str, options: Kwargs| {
        regex(&text, &format!("^(?:{expression})"), &options)
    });
    environment.add_test("search", |text: Value, expression: &str, options: Kwargs| {
        regex(&text, expression, &options)
    });
    environment.add_test("regex", |text: Value, expression: &str, options: Kwargs| {
        regex(&text, expression, &options)
    });
    environment.add_test("version", version);
    environment.add_test("version_compare", version);
    environment.add_test("subset", |a: Value, b: Value| all_in(&a, &b));
    environment.add_test("issubset", |a: Value, b: Value| all_in(&a, &b));
    environment.add_test("superset", |a: Value, b: Value| all_in(&b, &a));
    environment.add_test("issuperset", |a: Value, b: Value| all_in(&b, &a));
    environment.add_test("contains", |list: Value, item: Value| -> Result<bool, Error> {
        Ok(list.try_iter()?.any(|one| one == item))
    });
    environment.add_test("any", |list: Value| -> Result<bool, Error> {
        Ok(list.try_iter()?.any(|item| item.is_true()))
    });
    environment.add_test("all", |list: Value| -> Result<bool, Error> {
        Ok(list.try_iter()?.all(|item| item.is_true()))
    });
    environment.add_test("truthy", |value: Value| value.is_true());
    environment.add_test("falsy", |value: Value| !value.is_true());
}

fn regex(text: &Value, expression: &str, options: &Kwargs) -> Result<bool, Error> {
    let ignore_case = options.get::<Option<bool>>("ignorecase")?.unwrap_or(false);
    let multiline = options.get::<Option<bool>>("multiline")?.unwrap_or(false);
    options.assert_all_used()?;
    let text = plain(text);
    pattern(expression, ignore_case, multiline)?
        .is_match(text.as_str())
        .map_err(|problem| failed(&problem))
}

fn all_in(small: &Value, large: &Value) -> Result<bool, Error> {
    let large: Vec<Value> = large.try_iter()?.collect();
    Ok(small.try_iter()?.all(|item| large.contains(&item)))
}

/// Compares versions part by part: numbers as numbers, and a number is newer than a word.
fn version(found: Value, wanted: Value, operator: Option<&str>) -> Result<bool, Error> {
    let order = compare(&plain(&found), &plain(&wanted));
    Ok(match operator.unwrap_or("==") {
        "==" | "=" | "eq" => order == Ordering::Equal,
        "!=" | "<>" | "ne" => order != Ordering::Equal,
        "<" | "lt" => order == Ordering::Less,
        "<=" | "le" => order != Ordering::Greater,
        ">" | "gt" => order == Ordering::Greater,
        ">=" | "ge" => order != Ordering::Less,
        other => {
            let text = format!("`{other}` does not compare versions");
            return Err(Error::new(minijinja::ErrorKind::InvalidOperation, text));
        }
    })
}

fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (parts(a), parts(b));
    for at in 0..a.len().max(b.len()) {
        let order = match (a.get(at), b.get(at)) {
            (Some(Ok(a)), Some(Ok(b))) => a.cmp(b),
            (Some(Err(a)), Some(Err(b))) => a.cmp(b),
            (Some(Ok(_)), _) => Ordering::Greater,
            (_, Some(Ok(_))) => Ordering::Less,
            (Some(Err(_)), None) => Ordering::Greater,
            (None, _) => Ordering::Less,
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

/// The runs of digits and of letters in a version.
fn parts(version: &str) -> Vec<Result<u64, String>> {
    let mut runs: Vec<String> = Vec::new();
    let mut last = None;
    for c in version.chars() {
        let class =
            if c.is_ascii_digit() { Some(true) } else { c.is_alphabetic().then_some(false) };
        match (class, runs.last_mut()) {
            (Some(_), Some(run)) if class == last => run.push(c),
            (Some(_), _) => runs.push(c.to_string()),
            (None, _) => {}
        }
        last = class;
    }
    runs.into_iter().map(|run| run.parse().map_err(|_| run)).collect()
}
