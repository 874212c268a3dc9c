//! Takes secrets out of everything that leaves the program: terminal, log, JSON events, diffs, errors, what nodes print.
//!
//! This is the second line of defence. The first is [`Secret`], which does not open by itself. What no redactor can
//! see: compressed, encrypted or reversed values, base64 of base64, a value torn apart by other text, and forms
//! shorter than [`SHORTEST`] bytes, which would turn innocent text into noise.

mod forms;
mod matcher;
mod stream;

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use matcher::Matcher;

pub use stream::RedactStream;

use super::secret::Secret;

/// Replaces secrets by `<secret:name>`, in all forms in which they usually appear. Clones share their secrets.
#[derive(Clone, Default)]
pub struct Redactor(Arc<RwLock<State>>);

#[derive(Default)]
struct State {
    secrets: Vec<Secret>,
    matcher: Built,
}

/// Building the search takes time, so it waits until a text is there to be searched.
#[derive(Default)]
enum Built {
    #[default]
    NothingToHide,
    Outdated,
    Ready(Arc<Matcher>),
}

impl Redactor {
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on hides `secret` too.
    pub fn add(&self, secret: &Secret) {
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let known = |other: &Secret| other.name() == secret.name() && other == secret;
        if !state.secrets.iter().any(known) {
            state.secrets.push(secret.clone());
            state.matcher = Built::Outdated;
        }
    }

    /// From now on hides these too.
    pub fn add_all(&self, secrets: impl IntoIterator<Item = Secret>) {
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        state.secrets.extend(secrets);
        if !state.secrets.is_empty() {
            state.matcher = Built::Outdated;
        }
    }

    /// A whole text without secrets. Costs next to nothing while there are none.
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let Some(matcher) = self.matcher() else { return Cow::Borrowed(text) };
        let spans = matcher.spans(text.as_bytes());
        if spans.is_empty() {
            return Cow::Borrowed(text);
        }
        let hidden = matcher.replace(text.as_bytes(), &spans);
        // A secret of raw bytes can end inside a character.
        Cow::Owned(String::from_utf8_lossy(&hidden).into_owned())
    }

    /// A filter for a text that comes in pieces, such as what a command prints.
    pub fn stream(&self) -> RedactStream {
        RedactStream::new(self.clone())
    }

    fn matcher(&self) -> Option<Arc<Matcher>> {
        match &self.0.read().unwrap_or_else(PoisonError::into_inner).matcher {
            Built::NothingToHide => return None,
            Built::Ready(matcher) => return Some(Arc::clone(matcher)),
            Built::Outdated => {}
        }
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let matcher = Arc::new(Matcher::new(&state.secrets));
        state.matcher = Built::Ready(Arc::clone(&matcher));
        Some(matcher)
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.read().unwrap_or_else(PoisonError::into_inner);
        write!(f, "<redactor of {} secrets>", state.secrets.len())
    }
}

#[cfg(test)]
mod tests;
