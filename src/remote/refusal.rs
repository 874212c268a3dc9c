//! What a node says when a change fails, in words that help.

use crate::error::{Error, ErrorKind};

/// Reads the stderr of a failed change. `mount`: the mount point that was written to, if known.
pub fn refusal(stderr: &str, mount: Option<&str>) -> Error {
    let last = stderr.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("");
    let message = last.strip_prefix("sh: ").unwrap_or(last);
    let file = |message: String| Error::new(ErrorKind::File, message);
    if stderr.contains("Read-only file system") {
        return read_only(mount.unwrap_or("/"));
    }
    if stderr.contains("No space left on device") {
        let place = mount.map(|m| format!(" on {m}")).unwrap_or_default();
        return file(format!("no space left{place}"))
            .hint("Free some space; the old file is still in place.");
    }
    if let Some(directory) = message.strip_prefix("no directory ") {
        return no_directory(directory);
    }
    if let Some(link) = message.strip_prefix("foreign link ") {
        return foreign_link(link);
    }
    if stderr.contains("not found") {
        return Error::new(ErrorKind::Command, message.to_owned())
            .hint("Is the package that brings this command in the image?");
    }
    let message = if message.is_empty() { "the change failed without a word" } else { message };
    Error::new(ErrorKind::Command, message.to_owned()).detail(stderr.trim_end())
}

/// A write to a mount that is read-only, in a dry run as in a real one.
pub fn read_only(mount: &str) -> Error {
    Error::new(ErrorKind::File, format!("{mount} is mounted read-only"))
        .hint(format!("Put the change into `host.writable(\"{mount}\", |host| …)`."))
}

/// A write that a user of the node could have sent somewhere else.
pub fn foreign_link(link: &str) -> Error {
    Error::new(ErrorKind::File, format!("{link} is a link that does not belong to root")).hint(
        "A write that follows it could go to any file. Name the place that it leads to instead.",
    )
}

/// A write into a directory that does not exist.
pub fn no_directory(directory: &str) -> Error {
    Error::new(ErrorKind::File, format!("there is no directory {directory}"))
        .hint(format!("`host.dir(\"{directory}\")` makes it."))
}
