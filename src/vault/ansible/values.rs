//! From a file to named values.

use std::collections::HashSet;

use serde_json::Value as Json;

use super::{AnsibleError, AnsiblePasswords, envelope};
use crate::vault::yaml::{Node, Scalar};
use crate::vault::{SecretValue, name_is_valid};

/// The secrets of a file, by name, in the order of the file.
///
/// A sealed file of variables gives all of them. A YAML file with inline `!vault` values gives those, with dots between
/// the keys that lead to them (`db.password`). A sealed file that is no YAML mapping is one secret, named `whole`.
///
/// # Errors
/// See [`AnsibleError`].
pub fn read(
    content: &[u8],
    passwords: &AnsiblePasswords,
    whole: &str,
) -> Result<Vec<(String, SecretValue)>, AnsibleError> {
    let values = match envelope::is_envelope(content) {
        true => sealed_file(as_text(content)?, passwords, whole)?,
        false => sealed_values(as_text(content)?, passwords)?,
    };
    let mut names = HashSet::new();
    for (name, _) in &values {
        if !name_is_valid(name) {
            return Err(AnsibleError::BadName(name.clone()));
        }
        if !names.insert(name) {
            return Err(AnsibleError::SameName(name.clone()));
        }
    }
    Ok(values)
}

type Values = Vec<(String, SecretValue)>;

fn as_text(content: &[u8]) -> Result<&str, AnsibleError> {
    std::str::from_utf8(content).map_err(|_| AnsibleError::Damaged("it is not text"))
}

fn sealed_file(
    text: &str,
    passwords: &AnsiblePasswords,
    whole: &str,
) -> Result<Values, AnsibleError> {
    let plain = envelope::open(text, passwords)?;
    let variables = std::str::from_utf8(&plain).ok().map(Node::parse);
    let Some(Ok(Some(Node::Map(entries)))) = variables else {
        return Ok(vec![(whole.to_owned(), SecretValue::text_or_bytes(&plain))]);
    };
    entries
        .into_iter()
        .map(|(name, node)| {
            let value = value(&node, passwords);
            let value = value
                .map_err(|error| AnsibleError::Value { name: name.clone(), error: error.into() })?;
            Ok((name, value))
        })
        .collect()
}

fn sealed_values(text: &str, passwords: &AnsiblePasswords) -> Result<Values, AnsibleError> {
    let mut values = Vec::new();
    if let Some(document) = Node::parse(text)? {
        collect(&document, String::new(), passwords, &mut values)?;
    }
    match values.is_empty() {
        true => Err(AnsibleError::NothingSealed),
        false => Ok(values),
    }
}

fn collect(
    node: &Node,
    path: String,
    passwords: &AnsiblePasswords,
    values: &mut Values,
) -> Result<(), AnsibleError> {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match node {
        Node::Map(entries) => {
            entries.iter().try_for_each(|(key, node)| collect(node, below(key), passwords, values))
        }
        Node::List(items) => items.iter().enumerate().try_for_each(|(index, node)| {
            collect(node, below(&index.to_string()), passwords, values)
        }),
        Node::Scalar(scalar) if is_sealed(scalar) => {
            let opened = envelope::open(&scalar.text, passwords);
            let plain = opened
                .map_err(|error| AnsibleError::Value { name: path.clone(), error: error.into() })?;
            values.push((path, SecretValue::text_or_bytes(&plain)));
            Ok(())
        }
        Node::Scalar(_) => Ok(()),
    }
}

fn is_sealed(scalar: &Scalar) -> bool {
    matches!(scalar.tag.as_deref(), Some("vault" | "vault-encrypted"))
}

/// A variable's value: a text stays one, a list or a mapping becomes JSON.
fn value(node: &Node, passwords: &AnsiblePasswords) -> Result<SecretValue, AnsibleError> {
    match node {
        Node::Scalar(scalar) if is_sealed(scalar) => {
            Ok(SecretValue::text_or_bytes(&envelope::open(&scalar.text, passwords)?))
        }
        Node::Scalar(scalar) => Ok(SecretValue::text(&scalar.text)),
        _ => {
            let json = json(node, passwords)?.to_string();
            SecretValue::json(&json).map_err(|_| AnsibleError::Damaged("a value is no JSON"))
        }
    }
}

fn json(node: &Node, passwords: &AnsiblePasswords) -> Result<Json, AnsibleError> {
    Ok(match node {
        Node::Scalar(scalar) if is_sealed(scalar) => {
            let plain = envelope::open(&scalar.text, passwords)?;
            Json::String(String::from_utf8_lossy(&plain).into_owned())
        }
        Node::Scalar(scalar) if scalar.plain => plain_scalar(&scalar.text),
        Node::Scalar(scalar) => Json::String(scalar.text.to_string()),
        Node::List(items) => {
            Json::Array(items.iter().map(|item| json(item, passwords)).collect::<Result<_, _>>()?)
        }
        Node::Map(entries) => Json::Object(
            entries
                .iter()
                .map(|(key, node)| Ok((key.clone(), json(node, passwords)?)))
                .collect::<Result<_, AnsibleError>>()?,
        ),
    })
}

/// What Ansible's YAML 1.1 makes of a text, as far as JSON has the same.
fn plain_scalar(text: &str) -> Json {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Json::Null,
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Json::Bool(true),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => {
            Json::Bool(false)
        }
        _ => serde_json::from_str::<serde_json::Number>(text)
            .map_or_else(|_| Json::String(text.to_owned()), Json::Number),
    }
}
