//! Secrets stay out of texts. A playbook can hand a secret on, but not look into it.

use std::cell::RefCell;

use crate::error::Error;
use crate::vault::Secret;

/// What a playbook is told when it mixes a secret into text.
pub fn mixed_into_text(secret: &Secret) -> Error {
    Error::playbook(format!("the secret `{}` cannot become part of a text", secret.name())).hint(
        "Give it on as it is: `content: vault(\"…\")`, or as a variable of a template: `vars: #{ token: vault(\"…\") }`.",
    )
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
