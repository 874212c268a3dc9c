//! What is odd in an inventory and yet no error.

use std::fmt;

use super::mark::Mark;
use crate::error::Site;

/// A remark for the user; shown once per load, before anything runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// A clause without a full stop, as an error's message.
    pub message: String,
    pub site: Option<Site>,
    /// What to do: a full sentence.
    pub hint: Option<String>,
}

impl Warning {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), site: None, hint: None }
    }

    pub(crate) fn at(mut self, mark: &Mark) -> Self {
        self.site = Some(mark.site());
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the warning unless it was said before: hosts share variables.
    pub(crate) fn push_to(self, warnings: &mut Vec<Self>) {
        if !warnings.contains(&self) {
            warnings.push(self);
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(site) = &self.site {
            write!(f, "{site}: ")?;
        }
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, ". {hint}"),
            None => Ok(()),
        }
    }
}
