//! Where something stands in a file.

use std::sync::Arc;

use crate::error::{Error, ErrorKind, Site};

/// A place in a file. Line and column count from 1. Cheap to clone: all marks of a file share its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    pub file: Arc<str>,
    pub line: usize,
    pub column: usize,
}

impl Mark {
    pub fn new(file: &Arc<str>, line: usize, column: usize) -> Self {
        Self { file: Arc::clone(file), line, column }
    }

    pub fn site(&self) -> Site {
        Site { file: self.file.to_string(), line: self.line, column: self.column }
    }

    /// An inventory error at this place.
    pub fn error(&self, message: impl Into<String>) -> Error {
        wrong(message).at(self.site())
    }
}

/// An inventory error without a place.
pub(crate) fn wrong(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Inventory, message)
}

/// A name as it may be shown: control characters escaped, and cut where it gets long.
pub(crate) fn shown(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut shown: String = text.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    shown = shown.replace("\\'", "'").replace("\\\"", "\"");
    if text.chars().count() > LONGEST {
        shown.push('…');
    }
    shown
}
