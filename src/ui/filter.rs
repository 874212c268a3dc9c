//! Secrets taken out of everything that leaves, before it is laid out: a cut, an indent or a colour
//! could tear a secret into halves that nothing recognises.

use super::event::Event;
use crate::error::{Error, Frame};
use crate::state::{Aspect, Change};
use crate::vault::Redactor;

/// `event` with every text of it filtered. Names of hosts and files stay: they are no content.
pub fn event(event: Event, redactor: &Redactor) -> Event {
    let hide = |text: String| redactor.redact(&text).into_owned();
    match event {
        Event::Step { host, text } => Event::Step { host, text: hide(text) },
        Event::Change { host, change: found } => {
            Event::Change { host, change: change(found, &hide) }
        }
        Event::Progress { host, label, done, total } => {
            Event::Progress { host, label: hide(label), done, total }
        }
        Event::Output { host, line } => Event::Output { host, line: hide(line) },
        Event::Print { host, text } => Event::Print { host, text: hide(text) },
        Event::Log { host, text } => Event::Log { host, text: hide(text) },
        Event::Warning { host, text } => Event::Warning { host, text: hide(text) },
        Event::HostFailed { host, error: failure, unreachable } => {
            Event::HostFailed { host, error: error(&failure, redactor), unreachable }
        }
        Event::RunStarted { .. }
        | Event::FanOutStarted { .. }
        | Event::FanOutFinished
        | Event::HostFinished { .. }
        | Event::Recap(_) => event,
    }
}

fn change(change: Change, hide: &impl Fn(String) -> String) -> Change {
    Change {
        verb: change.verb,
        subject: hide(change.subject),
        aspects: change.aspects.into_iter().map(|one| aspect(one, hide)).collect(),
        remark: change.remark.map(hide),
        key: change.key,
        declined: change.declined,
    }
}

fn aspect(aspect: Aspect, hide: &impl Fn(String) -> String) -> Aspect {
    match aspect {
        Aspect::Text { before, after } => text(before, after, hide),
        Aspect::Attribute { name, before, after } => {
            Aspect::Attribute { name, before: before.map(hide), after: hide(after) }
        }
        other => other,
    }
}

/// Texts that differ in nothing but secrets are as good as secret.
fn text(before: String, after: String, hide: &impl Fn(String) -> String) -> Aspect {
    let hidden = (hide(before.clone()), hide(after.clone()));
    match hidden.0 == hidden.1 && before != after {
        true => Aspect::Secret { lines: crate::diff::lines_changed(&before, &after) },
        false => Aspect::Text { before: hidden.0, after: hidden.1 },
    }
}

/// `error` with every text of it filtered.
pub fn error(error: &Error, redactor: &Redactor) -> Error {
    let filter = |text: &str| redactor.redact(text).into_owned();
    let mut clean = Error::new(error.kind(), filter(error.message()));
    if let Some(host) = error.host() {
        clean = clean.on_host(host);
    }
    if let Some(site) = error.site() {
        clean = clean.at(site.clone());
    }
    for frame in error.stack() {
        let call = filter(&frame.call);
        clean = clean.called_from(Frame { call, site: frame.site.clone() });
    }
    for hint in error.hints() {
        clean = clean.hint(filter(hint));
    }
    if let Some(detail) = error.explanation() {
        clean = clean.detail(filter(detail));
    }
    match error.code() {
        Some(code) => clean.with_code(code),
        None => clean,
    }
}
