//! What `on(…)` gives back: one row a host. Rhai's maps cannot be iterated, so it is a type of its own.

use std::sync::Arc;

use rhai::Dynamic;

use super::host::HostHandle;
use crate::error::Error;

/// The outcome of one `on`, in the order in which the hosts were named.
#[derive(Debug, Clone, Default)]
pub struct Results(pub Arc<Vec<Row>>);

/// What came of one host.
#[derive(Debug, Clone)]
pub struct Row {
    pub host: HostHandle,
    /// Whether a verb changed something, or would.
    pub changed: bool,
    /// What the closure returned; the error if it failed, or if the host sits out because it failed earlier.
    pub outcome: Result<Dynamic, Error>,
}

impl Results {
    pub fn named(&self, host: &str) -> Option<&Row> {
        self.0.iter().find(|row| row.host.name() == host)
    }
}

impl IntoIterator for Results {
    type Item = Row;
    type IntoIter = std::vec::IntoIter<Row>;

    fn into_iter(self) -> Self::IntoIter {
        Arc::unwrap_or_clone(self.0).into_iter()
    }
}
