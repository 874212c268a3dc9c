//! What the vault commands want from git.

use std::path::Path;
use std::process::Output;

use crate::child;
use crate::error::{Error, Result};

/// The name of the diff and merge driver in git's configuration.
pub const DRIVER: &str = "pirun-vault";

/// Runs git in the directory of `path`.
pub fn git(path: &Path, arguments: &[&str]) -> Result<Output> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    child::command("git")
        .arg("-C")
        .arg(directory)
        .args(arguments)
        .output()
        .map_err(|error| Error::file(format!("git cannot be run: {error}")))
}

/// What git prints to stdout, or its complaint as an error.
pub fn read(path: &Path, arguments: &[&str]) -> Result<Vec<u8>> {
    let output = git(path, arguments)?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let complaint = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Error::file(format!("git {} failed", arguments.first().unwrap_or(&""))).detail(complaint))
}

/// The content of `path` in a revision (`HEAD`), or in a stage of a conflict (`:2`).
pub fn content(path: &Path, revision: &str) -> Result<Vec<u8>> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    read(path, &["show", &format!("{revision}:./{name}")])
}

/// How the vault stands in git, in words.
pub fn state(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let answers =
        |arguments: &[&str]| git(path, arguments).ok().filter(|output| output.status.success());
    if answers(&["rev-parse", "--is-inside-work-tree"]).is_none() {
        return "not in a repository".into();
    }
    if answers(&["ls-files", "--error-unmatch", "--", &name]).is_none() {
        return "not tracked: it is safe to commit, and should be".into();
    }
    let changed = answers(&["diff", "--quiet", "HEAD", "--", &name]).is_none();
    let state = if changed { "changed since the last commit" } else { "committed" };
    match answers(&["config", "--get", &format!("diff.{DRIVER}.textconv")]) {
        Some(_) => state.to_owned(),
        None => format!("{state}; `pirun vault git-setup` makes its diffs and merges readable"),
    }
}
