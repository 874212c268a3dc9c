//! The only place that prints. Everybody else holds a [`Ui`] and tells it what happened.

mod event;
mod prompt;

use std::io::Write;

pub use event::{Event, Recap, RecapRow};

use crate::error::Error;

/// The handle that the rest of the program talks to. Clones share one output.
#[derive(Debug, Clone, Default)]
pub struct Ui;

impl Ui {
    /// Prints a command's result to stdout, as it is, with a line end.
    pub fn out(&self, text: &str) {
        // A reader that went away (`| head`) is no failure of ours.
        let _ = writeln!(std::io::stdout().lock(), "{text}");
    }

    /// Prints a remark for the person at the terminal to stderr.
    pub fn note(&self, text: &str) {
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    }

    /// Shows an error with its place, its call stack and its hints.
    pub fn error(&self, error: &Error) {
        self.note(&format!("error: {error}"));
    }
}
