//! Secrets in the variables of a template: looked up, they are text, and it is written down.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use minijinja::Value;
use minijinja::value::{Enumerator, Object, ObjectRepr, ValueKind};
use zeroize::Zeroizing;

/// A secret as a value for a template's variables.
pub fn secret(name: impl Into<String>, value: impl Into<String>) -> Value {
    Value::from_object(SecretValue { name: name.into(), value: Zeroizing::new(value.into()) })
}

/// Text under a name. It shows itself only to a [`Watched`] that writes it down.
struct SecretValue {
    name: String,
    value: Zeroizing<String>,
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<secret {}>", self.name)
    }
}

impl Object for SecretValue {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<secret {}>", self.name)
    }
}

/// Which secrets one rendering opened.
#[derive(Clone, Default)]
pub struct Ledger(Arc<Mutex<BTreeMap<String, Arc<SecretValue>>>>);

impl Ledger {
    /// The names, sorted.
    pub fn opened(&self) -> Vec<String> {
        self.entries().keys().cloned().collect()
    }

    /// `text` without the secrets that were opened: an error may quote the value it stumbled over.
    pub fn mask(&self, text: &str) -> String {
        let mut secrets: Vec<Arc<SecretValue>> = self.entries().values().cloned().collect();
        secrets.retain(|secret| !secret.value.is_empty());
        // One secret may be a part of another.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.value.len()));
        secrets.iter().fold(text.to_owned(), |text, secret| {
            text.replace(secret.value.as_str(), &format!("<secret {}>", secret.name))
        })
    }

    fn note(&self, secret: Arc<SecretValue>) {
        self.entries().insert(secret.name.clone(), secret);
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<String, Arc<SecretValue>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `value` with an eye on every secret in it. Any lookup counts as use, in a filter, a test or a loop:
/// a template that only asks how long a secret is has used it too.
pub fn watch(value: Value, ledger: &Ledger) -> Value {
    if let Some(secret) = value.downcast_object::<SecretValue>() {
        let text = Value::from(secret.value.as_str());
        ledger.note(secret);
        return text;
    }
    match value.kind() {
        ValueKind::Map | ValueKind::Seq if !value.is_tuple() => {
            Value::from_object(Watched { inner: value, ledger: ledger.clone() })
        }
        _ => value,
    }
}

/// A map or a list whose items are watched.
struct Watched {
    inner: Value,
    ledger: Ledger,
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.inner, f)
    }
}

impl Object for Watched {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        match self.inner.kind() {
            ValueKind::Map => ObjectRepr::Map,
            _ => ObjectRepr::Seq,
        }
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let item = self.inner.get_item(key).ok().filter(|item| !item.is_undefined())?;
        Some(watch(item, &self.ledger))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        match self.inner.kind() {
            ValueKind::Map => {
                Enumerator::Values(self.inner.try_iter().into_iter().flatten().collect())
            }
            _ => Enumerator::Seq(self.inner.len().unwrap_or(0)),
        }
    }
}
