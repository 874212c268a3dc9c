//! Secrets stay out of texts. A playbook can hand a secret on, but not look into it.

use std::cell::RefCell;

use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::vault::Secret;

/// Where a secret can go.
pub const WAYS: &str = "Give it on as it is, to `content: vault(\"…\")`, to a command's `stdin`, or as a variable of a template: \
     `vars: #{ token: vault(\"…\") }`. `\"token=\" + vault(\"…\")` is a secret again.";

/// What a playbook is told when it mixes a secret into text.
pub fn mixed_into_text(secret: &Secret) -> Error {
    Error::playbook(format!("the secret `{}` cannot become part of a text", secret.name()))
        .hint(WAYS)
}

/// `left` and `right` as one secret.
pub fn put_together(left: &Secret, right: &Secret) -> Result<Secret> {
    let text = |secret: &Secret| match secret.expose_text() {
        Some(text) => Ok(Zeroizing::new(text.to_owned())),
        None => Err(Error::playbook(format!(
            "the secret `{}` is bytes, which cannot be put together with text",
            secret.name()
        ))),
    };
    let joined = Zeroizing::new([text(left)?.as_str(), text(right)?.as_str()].concat());
    let name = match (left.name(), right.name()) {
        (left, "") => left.to_owned(),
        ("", right) => right.to_owned(),
        (left, right) if left.split('+').any(|part| part == right) => left.to_owned(),
        (left, right) => format!("{left}+{right}"),
    };
    Ok(Secret::text(name, &joined))
}

/// Open text on its way to become part of a secret. It has no name of its own.
pub fn open_text(text: &str) -> Secret {
    Secret::text("", text)
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
