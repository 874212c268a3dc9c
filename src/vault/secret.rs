//! The value that playbooks hold: a name that may be shown and a content that may not.

use std::fmt;
use std::sync::Arc;

use super::value::{SecretValue, ValueKind};

/// A named secret. Clones share one content, which is wiped with the last of them.
///
/// Whatever formats it shows `<secret:name>`; only [`Secret::expose_bytes`] and [`Secret::expose_text`] open it,
/// so that a search for `expose_` finds every place where a secret leaves its box.
#[derive(Clone)]
pub struct Secret(Arc<Inner>);

struct Inner {
    name: String,
    value: SecretValue,
}

impl Secret {
    pub fn new(name: impl Into<String>, value: SecretValue) -> Self {
        Self(Arc::new(Inner { name: name.into(), value }))
    }

    /// A secret text that does not come from a vault, such as a generated password.
    pub fn text(name: impl Into<String>, text: &str) -> Self {
        Self::new(name, SecretValue::text(text))
    }

    pub fn name(&self) -> &str {
        &self.0.name
    }

    pub fn kind(&self) -> ValueKind {
        self.0.value.kind()
    }

    pub fn value(&self) -> &SecretValue {
        &self.0.value
    }

    /// The content: UTF-8 for a text, the JSON text for a JSON value.
    pub fn expose_bytes(&self) -> &[u8] {
        self.0.value.expose_bytes()
    }

    /// The content, unless it is bytes.
    pub fn expose_text(&self) -> Option<&str> {
        self.0.value.expose_text()
    }

    /// Length of the content in bytes.
    pub fn len(&self) -> usize {
        self.expose_bytes().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The same text under a name that says where it came from, for tainted results of concatenation and templates.
    #[must_use]
    pub fn with_text(&self, text: &str) -> Self {
        Self::text(self.name(), text)
    }
}

/// `<secret:name>`: what stands in every output instead of the content.
pub fn placeholder(name: &str) -> String {
    format!("<secret:{name}>")
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&placeholder(self.name()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// JSON and YAML show the name as well.
impl serde::Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Equal contents of equal kind, compared in constant time. Names do not count.
impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.value() == other.value()
    }
}

impl Eq for Secret {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_formats_a_secret_shows_its_name_only() {
        let secret = Secret::text("k3s_token", "hunter2hunter2");
        assert_eq!(secret.to_string(), "<secret:k3s_token>");
        assert_eq!(format!("{secret:?} {:?}", secret.value()), "<secret:k3s_token> <secret>");
        assert_eq!(
            serde_json::to_string(&vec![secret.clone()]).unwrap(),
            r#"["<secret:k3s_token>"]"#
        );
        assert_eq!(secret.expose_text(), Some("hunter2hunter2"));
    }

    #[test]
    fn equality_is_about_the_content() {
        assert_eq!(Secret::text("a", "x"), Secret::text("b", "x"));
        assert_ne!(Secret::text("a", "x"), Secret::text("a", "y"));
        assert_ne!(
            Secret::text("a", "x"),
            Secret::new("a", SecretValue::bytes(b"x")),
            "a text is no bytes"
        );
    }
}
