//! Install scripts, done to a tree without running them: a shell for the uniform part of the language that Alpine's
//! packages use, with the commands that they call.
//!
//! What is beyond it is an error that names package, script and line. A build can then run the script ("qemu") or leave
//! it out ("skip").

mod commands;
mod emulator;
mod expand;
mod io;
mod parse;
mod pattern;
mod run;
mod shell;
mod syntax;
mod word;

use std::fmt;
use std::rc::Rc;

use self::io::{Io, Sink};
use self::parse::Unknown;
pub(super) use self::pattern::Pattern;
pub(super) use self::run::run;
use self::shell::{Failure, Shell};
use crate::error::{Error, ErrorKind, Result};
use crate::image::apk::ScriptKind;
use crate::image::tree::Tree;

/// A script of a package.
#[derive(Debug, Clone, Copy)]
pub struct Script<'a> {
    /// Name and version, such as `busybox-1.37.0-r30`.
    pub package: &'a str,
    pub kind: ScriptKind,
    pub text: &'a [u8],
}

/// The system that a script is for.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// Alpine's name for its architecture.
    pub arch: &'a str,
    /// Seconds since 1970: the time of everything that scripts make.
    pub date: i64,
}

/// What interpreting came to.
#[derive(Debug)]
pub enum Outcome {
    /// Done, with sentences about what was left out knowingly.
    Done(Vec<String>),
    /// The script has what the interpreter does not know; the tree may be half changed.
    Beyond(Error),
}

impl fmt::Display for Script<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} script of {}", self.kind.name(), self.package)
    }
}

/// Does to the tree what the script would do, in its root directory, with `arguments` behind its name.
///
/// # Errors
/// When the script fails, or the tree cannot be read or written.
pub fn interpret(
    tree: &mut Tree,
    script: Script<'_>,
    arguments: &[String],
    target: Target<'_>,
) -> Result<Outcome> {
    let text = match readable(script.text) {
        Ok(text) => text,
        Err(unknown) => return Ok(Outcome::Beyond(beyond(script, &unknown))),
    };
    let mut shell = Shell::new(tree, target, arguments);
    let said = Sink::buffer();
    let io = Io { input: Rc::new([]), output: said.clone(), errors: said.clone() };
    match shell.script(text, &io) {
        Ok(0) => Ok(Outcome::Done(shell.notes)),
        Ok(status) => Err(Error::new(ErrorKind::Image, format!("{script} failed with {status}"))
            .detail(String::from_utf8_lossy(&said.taken()))
            .hint(OFFER)),
        Err(Failure::Unknown(unknown)) => Ok(Outcome::Beyond(beyond(script, &unknown))),
        Err(Failure::Tree(error)) => Err(error),
    }
}

const OFFER: &str =
    "`scripts: \"qemu\"` runs it under emulation; `scripts: \"skip\"` leaves it out.";

fn beyond(script: Script<'_>, unknown: &Unknown) -> Error {
    let Unknown { line, what } = unknown;
    let message = format!("{script} does more than pirun can do by itself: line {line}, {what}");
    Error::new(ErrorKind::Image, message).hint(OFFER)
}

/// The text, if its first line says that it is for a shell.
fn readable(text: &[u8]) -> Result<&str, Unknown> {
    let unknown = |what: String| Unknown { line: 1, what };
    let text = str::from_utf8(text).map_err(|_| unknown("it is not text".into()))?;
    let first = text.lines().next().unwrap_or_default();
    let interpreter = first.strip_prefix("#!").map(|path| path.trim());
    let shells = ["/bin/sh", "/bin/ash", "/bin/busybox sh", "/bin/busybox ash", "/bin/bash"];
    match interpreter {
        Some(path) if shells.iter().any(|shell| path.split(" -").next() == Some(shell)) => Ok(text),
        Some(path) => Err(unknown(format!("it is for {path}, not for a shell"))),
        None => Err(unknown("it does not say what it is for (`#!`)".into())),
    }
}

#[cfg(test)]
mod tests;
