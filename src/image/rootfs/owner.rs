//! Names and numbers of users and groups, as the image's own `/etc/passwd` and `/etc/group` have them.

use crate::error::{Error, ErrorKind, Result};
use crate::image::install::users;
use crate::image::{Entry, Tree};
use crate::state::Attributes;
use crate::suggest::did_you_mean;

/// The number of a user, given its name or its number. root is there before any package.
pub fn user_id(tree: &Tree, name: &str) -> Result<u32> {
    let found = users::uid(tree, name)?.or((name == "root").then_some(0));
    found.ok_or_else(|| unknown(tree, "user", "/etc/passwd", name))
}

/// The number of a group, given its name or its number.
pub fn group_id(tree: &Tree, name: &str) -> Result<u32> {
    let found = users::gid(tree, name)?.or((name == "root").then_some(0));
    found.ok_or_else(|| unknown(tree, "group", "/etc/group", name))
}

/// The home directory of a user.
pub fn home(tree: &Tree, user: &str) -> Result<String> {
    match users::user(tree, user)? {
        Some(found) => Ok(found.home),
        None => Err(unknown(tree, "user", "/etc/passwd", user)),
    }
}

/// Mode, owner and group of an entry, those of them that are wanted, as `stat` on the node would print them.
pub fn stat_words(tree: &Tree, entry: &Entry, wanted: &Attributes) -> Result<Vec<String>> {
    let mut words = Vec::new();
    words.extend(wanted.mode.map(|_| format!("{:o}", entry.mode)));
    if let Some(owner) = &wanted.owner {
        words.push(shown(owner, user_id(tree, owner)?, entry.uid));
    }
    if let Some(group) = &wanted.group {
        words.push(shown(group, group_id(tree, group)?, entry.gid));
    }
    Ok(words)
}

fn shown(name: &str, wanted: u32, found: u32) -> String {
    if wanted == found { name.to_owned() } else { found.to_string() }
}

fn unknown(tree: &Tree, what: &str, file: &str, name: &str) -> Error {
    let bytes = tree.read(file).ok().flatten().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let names = text.lines().filter_map(|line| line.split(':').next());
    let error = Error::new(ErrorKind::Image, format!("the image has no {what} `{name}` in {file}"));
    match did_you_mean(name, names) {
        Some(hint) => error.hint(hint),
        None => error.hint("Install the package that makes it first."),
    }
}
