//! What the tests of this module share.

use crate::error::{Error, Result};

/// The error of something that must fail.
pub(crate) fn fails<T>(result: Result<T>) -> Error {
    match result {
        Ok(_) => panic!("this should have failed"),
        Err(error) => error,
    }
}

/// An error with everything that a user sees of it.
pub(crate) fn shows(error: &Error) -> String {
    let site = error.site().map(|site| format!("{site}: ")).unwrap_or_default();
    let host = error.host().map(|host| format!("{host}: ")).unwrap_or_default();
    let hints: String = error.hints().iter().map(|hint| format!("\nhint: {hint}")).collect();
    format!("{site}{host}{error}{hints}")
}
