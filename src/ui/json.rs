//! `--json`: one JSON object a line and event, for other programs.

use std::time::SystemTime;

use serde_json::{Map, Value, json};

use super::event::Event;
use super::stamp::stamp;
use crate::error::Error;

/// The event as one line of JSON. Every object has `event` and `time`, and `host` where one is meant.
pub fn line(event: &Event, now: SystemTime) -> String {
    let (name, fields) = fields(event);
    object(name, now, fields)
}

/// An error that ends the program, as one line of JSON.
pub fn failure(problem: &Error, now: SystemTime) -> String {
    object("error", now, json!({ "error": error(problem) }))
}

fn object(name: &str, now: SystemTime, fields: Value) -> String {
    let mut object = Map::new();
    object.insert("event".into(), name.into());
    object.insert("time".into(), stamp(now).into());
    if let Value::Object(fields) = fields {
        object.extend(fields.into_iter().filter(|(_, value)| !value.is_null()));
    }
    Value::Object(object).to_string()
}

fn fields(event: &Event) -> (&'static str, Value) {
    match event {
        Event::RunStarted { playbook, dry_run, hosts } => {
            ("run_started", json!({ "playbook": playbook, "dry_run": dry_run, "hosts": hosts }))
        }
        Event::FanOutStarted { hosts, total, limit } => {
            ("fan_out_started", json!({ "hosts": hosts, "total": total, "limit": limit }))
        }
        Event::FanOutFinished => ("fan_out_finished", json!({})),
        Event::Step { host, text } => ("step", json!({ "host": host, "text": text })),
        Event::Change { host, change } => {
            let mut fields = json!({ "host": host, "changed": change.changed() });
            if let (Value::Object(fields), Ok(Value::Object(rest))) =
                (&mut fields, serde_json::to_value(change))
            {
                fields.extend(rest);
            }
            ("change", fields)
        }
        Event::Progress { host, label, done, total } => {
            ("progress", json!({ "host": host, "label": label, "done": done, "total": total }))
        }
        Event::Output { host, line } => ("output", json!({ "host": host, "line": line })),
        Event::Print { host, text } => ("print", json!({ "host": host, "text": text })),
        Event::Log { host, text } => ("log", json!({ "host": host, "text": text })),
        Event::Warning { host, text } => ("warning", json!({ "host": host, "text": text })),
        Event::HostFailed { host, error: problem, unreachable } => (
            "host_failed",
            json!({ "host": host, "unreachable": unreachable, "error": error(problem) }),
        ),
        Event::HostFinished { host } => ("host_finished", json!({ "host": host })),
        Event::Recap(recap) => ("recap", serde_json::to_value(recap).unwrap_or_default()),
    }
}

fn error(error: &Error) -> Value {
    json!({
        "kind": error.kind().name(),
        "message": error.message(),
        "host": error.host(),
        "site": error.site(),
        "stack": error.stack(),
        "detail": error.explanation(),
        "code": error.code(),
        "hints": error.hints(),
    })
}
