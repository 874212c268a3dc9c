//! Playbook values to JSON and back: for templates, `to_json`, inventory variables, parameters.

use rhai::{Array, Blob, Dynamic, FnPtr, ImmutableString, Map};
use serde_json::{Number, Value};

use super::host::HostHandle;
use super::secret::mixed_into_text;
use crate::error::{Error, Result};
use crate::vault::Secret;

/// A JSON value as a playbook sees it.
pub fn from_json(value: &Value) -> Dynamic {
    match value {
        Value::Null => Dynamic::UNIT,
        Value::Bool(flag) => (*flag).into(),
        Value::Number(number) => match number.as_i64() {
            Some(int) => int.into(),
            None => number.as_f64().unwrap_or(f64::NAN).into(),
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(items) => items.iter().map(from_json).collect::<Array>().into(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.as_str().into(), from_json(value)))
            .collect::<Map>()
            .into(),
    }
}

/// A playbook's value as JSON. A secret or a closure in it is an error; a host is its name.
pub fn to_json(value: &Dynamic) -> Result<Value> {
    if let Some(secret) = value.read_lock::<Secret>() {
        return Err(mixed_into_text(&secret));
    }
    if let Some(host) = value.read_lock::<HostHandle>() {
        return Ok(Value::String(host.name().to_owned()));
    }
    if let Some(text) = value.read_lock::<ImmutableString>() {
        return Ok(Value::String(text.as_str().to_owned()));
    }
    if let Some(items) = value.read_lock::<Array>() {
        return items.iter().map(to_json).collect::<Result<_>>().map(Value::Array);
    }
    if let Some(fields) = value.read_lock::<Map>() {
        let fields = fields.iter().map(|(name, value)| Ok((name.to_string(), to_json(value)?)));
        return fields.collect::<Result<_>>().map(Value::Object);
    }
    if let Some(bytes) = value.read_lock::<Blob>() {
        return match std::str::from_utf8(&bytes) {
            Ok(text) => Ok(Value::String(text.to_owned())),
            Err(_) => Err(Error::playbook("these bytes are no text")
                .hint("`b64encode(bytes)` makes text of them.")),
        };
    }
    scalar(value)
}

fn scalar(value: &Dynamic) -> Result<Value> {
    if value.is_unit() {
        return Ok(Value::Null);
    }
    if let Ok(flag) = value.as_bool() {
        return Ok(Value::Bool(flag));
    }
    if let Ok(int) = value.as_int() {
        return Ok(Value::Number(int.into()));
    }
    if let Ok(float) = value.as_float() {
        let number = Number::from_f64(float);
        return number
            .map(Value::Number)
            .ok_or_else(|| Error::playbook(format!("{float} cannot be written as JSON")));
    }
    if let Ok(char) = value.as_char() {
        return Ok(Value::String(char.to_string()));
    }
    let what = if value.is::<FnPtr>() { "a closure" } else { value.type_name() };
    let what = what.rsplit("::").next().unwrap_or(what);
    Err(Error::playbook(format!("{what} cannot be written as JSON")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(|n| Value::Number(n.into())),
            ".*".prop_map(Value::String),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
                prop::collection::btree_map("[a-z]{1,5}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn json_survives_a_playbook(value in json()) {
            prop_assert_eq!(to_json(&from_json(&value)).unwrap(), value);
        }
    }

    #[test]
    fn a_secret_does_not_become_json() {
        let list: Array = vec![Dynamic::from(Secret::text("token", "hush"))];
        assert!(to_json(&list.into()).is_err());
    }
}
