//! A secret as a playbook holds it: it can be handed on, but not looked into.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretSlice};

use crate::error::Error;

/// A named secret. It prints as `<secret:name>`; only Rust code that writes it somewhere opens it.
#[derive(Clone)]
pub struct Secret {
    name: Arc<str>,
    value: Arc<SecretSlice<u8>>,
}

impl Secret {
    pub fn new(name: impl Into<Arc<str>>, value: impl Into<Vec<u8>>) -> Self {
        let value: Vec<u8> = value.into();
        Self { name: name.into(), value: Arc::new(SecretSlice::from(value)) }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// The secret itself. It must not reach an argument vector, a log or an error.
    pub fn expose(&self) -> &[u8] {
        self.value.expose_secret()
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<secret:{}>", self.name)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Secret {
    /// What a playbook is told when it mixes the secret into text.
    pub fn mixed_into_text(&self) -> Error {
        Error::playbook(format!("the secret `{}` cannot become part of a text", self.name))
            .hint("Give it on as it is: `content: vault(\"…\")`, or as a variable of a template: `vars: #{ token: vault(\"…\") }`.")
    }
}

thread_local! {
    static LEAK: RefCell<Option<Error>> = const { RefCell::new(None) };
}

/// Notes that a secret was mixed into a text. Rhai throws away the error of a `to_string`, so the next
/// operation of this thread raises it.
pub(crate) fn note_leak(error: Error) {
    LEAK.with_borrow_mut(|leak| {
        leak.get_or_insert(error);
    });
}

/// What was noted on this thread, once.
pub(crate) fn take_leak() -> Option<Error> {
    LEAK.with_borrow_mut(Option::take)
}
