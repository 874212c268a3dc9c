//! Names and numbers of users and groups, as the image's own `/etc/passwd` and `/etc/group` have them.

use crate::error::{Error, ErrorKind, Result};
use crate::image::{Entry, Tree};
use crate::state::Attributes;
use crate::suggest::did_you_mean;

/// The number of a user, given its name or its number.
pub fn user_id(tree: &Tree, name: &str) -> Result<u32> {
    id(tree, "user", "/etc/passwd", name)
}

/// The number of a group, given its name or its number.
pub fn group_id(tree: &Tree, name: &str) -> Result<u32> {
    id(tree, "group", "/etc/group", name)
}

/// The home directory of a user.
pub fn home(tree: &Tree, user: &str) -> Result<String> {
    let text = text(tree, "/etc/passwd")?;
    let home = text.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        (fields.first() == Some(&user)).then(|| fields.get(5).map(|&home| home.to_owned()))?
    });
    home.ok_or_else(|| unknown("user", "/etc/passwd", user, &text))
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

fn text(tree: &Tree, file: &str) -> Result<String> {
    Ok(String::from_utf8_lossy(&tree.read(file)?.unwrap_or_default()).into_owned())
}

fn id(tree: &Tree, what: &str, file: &str, name: &str) -> Result<u32> {
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    if name == "root" {
        return Ok(0);
    }
    let text = text(tree, file)?;
    let found = text.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok())?
    });
    found.ok_or_else(|| unknown(what, file, name, &text))
}

fn unknown(what: &str, file: &str, name: &str, text: &str) -> Error {
    let names = text.lines().filter_map(|line| line.split(':').next());
    let error = Error::new(ErrorKind::Image, format!("the image has no {what} `{name}` in {file}"));
    match did_you_mean(name, names) {
        Some(hint) => error.hint(hint),
        None => error.hint("Install the package that makes it first."),
    }
}
