//! The shell text of each request, on top of the function library of the session.

use std::time::Duration;

use super::quote::{sh_bytes, sh_quote};
use super::{Converge, Run, Scope};

/// Looks and compares.
pub fn look(c: &Converge) -> String {
    probe(c, "p_look")
}

/// Looks, compares, and puts right what differs.
pub fn converge(c: &Converge) -> String {
    let mark = c.mark.as_ref().map_or(String::new(), |(name, line)| {
        format!("mark_set pending {name} {} || return\n", sh_quote(line))
    });
    let apply = format!("{mark}{}", c.apply);
    within(&c.scope, &apply, &probe(c, "p_converge"))
}

/// Runs a script that changes the node.
pub fn run(run: &Run) -> String {
    let script = user(&run.script, run.stdin.as_deref(), run.timeout);
    within(&run.scope, &script, "p_write A")
}

/// A user's script, with its stdin and its time limit.
pub fn user(script: &str, stdin: Option<&[u8]>, timeout: Option<Duration>) -> String {
    let call = match timeout {
        None => format!("p_user {}", sh_quote(script)),
        Some(limit) => format!("timeout {} sh -c {}", limit.as_secs().max(1), sh_quote(script)),
    };
    match stdin.map(sh_bytes) {
        None => call,
        Some((text, false)) => format!("printf %s {text} | {call}"),
        Some((text, true)) => format!("printf %s {text} | base64 -d | {call}"),
    }
}

/// The scope that `call` may open, and what `A` stands for in it.
fn within(scope: &Scope, apply: &str, call: &str) -> String {
    format!(
        "SCOPE={} WSERVICES={}\nA() {{\n{apply}\n}}\n{call}",
        sh_quote(&scope.mount),
        sh_quote(&scope.services.join(" ")),
    )
}

/// How to look, what is wanted, and what to show if it differs.
fn probe(c: &Converge, call: &str) -> String {
    let show = if c.show.is_empty() { ":" } else { &c.show };
    format!(
        "S() {{\n{}\n}}\nD() {{\n{show}\n}}\nW={} P={} NOFOLLOW={}\n{call}",
        c.probe,
        sh_quote(&c.wanted),
        sh_quote(&c.path),
        if c.replaces_link { "1" } else { "" },
    )
}
