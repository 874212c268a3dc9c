//! Finding the hosts that a pattern means.

use std::fs;
use std::sync::Arc;

use globset::GlobBuilder;
use regex::Regex;

use super::mark::{shown, wrong};
use super::pattern::{Step, parts, split_subscript};
use super::{Host, Inventory};
use crate::error::{Error, Result};

/// The numbers of the hosts that `pattern` means, ascending: the order of the inventory.
pub(crate) fn select(inventory: &Inventory, pattern: &str) -> Result<Vec<usize>> {
    let mut chosen = vec![false; inventory.hosts.len()];
    let mut found_any = false;
    for (step, part) in with_files(inventory, pattern)? {
        let matching = one(inventory, &part)?;
        match step {
            Step::Add => matching.iter().for_each(|&host| chosen[host] = true),
            Step::Keep => {
                (0..chosen.len())
                    .for_each(|host| chosen[host] &= matching.binary_search(&host).is_ok());
            }
            Step::Remove => matching.iter().for_each(|&host| chosen[host] = false),
        }
        found_any |= step == Step::Add && !matching.is_empty();
    }
    let hosts: Vec<usize> = (0..chosen.len()).filter(|&host| chosen[host]).collect();
    // A group without hosts is a fact; a pattern that takes away what it chose is a mistake.
    match hosts.is_empty() && found_any {
        true => Err(wrong(format!("the pattern `{}` leaves no host", shown(pattern)))),
        false => Ok(hosts),
    }
}

/// The error of a pattern that should mean one host and means several.
pub(crate) fn ambiguous(pattern: &str, others: &[Arc<Host>], last: &Host) -> Error {
    const SHOWN: usize = 5;
    let count = others.len() + 1;
    let mut names: Vec<&str> = others.iter().map(|host| host.name.as_str()).take(SHOWN).collect();
    match count <= SHOWN {
        true => names.push(&last.name),
        false => names.push("…"),
    }
    wrong(format!("`{}` means {count} hosts: {}", shown(pattern), names.join(", ")))
        .hint("Choose one by its name or position, such as `[0]`.")
}

/// The parts of a pattern, with those of `@file` in the place of it.
fn with_files(inventory: &Inventory, pattern: &str) -> Result<Vec<(Step, String)>> {
    let mut all = Vec::new();
    for (step, part) in parts(pattern)? {
        match part.strip_prefix('@') {
            Some(name) if step == Step::Add => all.extend(from_file(inventory, name)?),
            Some(_) => {
                return Err(wrong(format!(
                    "`@{}` cannot be combined with `!` or `&`",
                    shown(&part[1..])
                ))
                .hint("Write the `!` before each name in the file."));
            }
            None => all.push((step, part)),
        }
    }
    all.sort_by_key(|(step, _)| *step);
    Ok(all)
}

/// The patterns of a file, one a line. `@failed` is the list that the last run left.
fn from_file(inventory: &Inventory, name: &str) -> Result<Vec<(Step, String)>> {
    let is_failed = name == "failed";
    let path = match is_failed {
        true => inventory.failed_file.clone(),
        false => inventory.start.join(name),
    };
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if is_failed && error.kind() == std::io::ErrorKind::NotFound => {
            return Err(wrong(
                "`@failed` names the hosts that failed in the last run, and no run left such a list",
            ));
        }
        Err(error) => return Err(Error::io(name, &error)),
    };
    let mut all = Vec::new();
    for line in
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        if line.starts_with('@') {
            return Err(wrong(format!("`{}` in {name} names another file", shown(line))));
        }
        all.extend(parts(line)?);
    }
    match all.is_empty() {
        true if is_failed => Err(wrong("no host failed in the last run")),
        true => Err(wrong(format!("{name} contains no pattern"))),
        false => Ok(all),
    }
}

/// The hosts of one part, ascending.
fn one(inventory: &Inventory, part: &str) -> Result<Vec<usize>> {
    if let Some(host) = inventory.tree.host_named(part) {
        return Ok(vec![host]);
    }
    let (name, subscript) = split_subscript(part);
    let matching = named(inventory, name)?;
    let Some(subscript) = subscript else { return Ok(matching) };
    let chosen = subscript.apply(&matching);
    if !chosen.is_empty() || matching.is_empty() {
        return Ok(chosen);
    }
    let hosts =
        if matching.len() == 1 { "1 host".into() } else { format!("{} hosts", matching.len()) };
    Err(wrong(format!("`{}` chooses nothing: `{name}` contains {hosts}", shown(part)))
        .hint("Positions count from 0."))
}

/// The hosts of all groups that match, and the hosts that match themselves.
fn named(inventory: &Inventory, name: &str) -> Result<Vec<usize>> {
    let matcher = Matcher::new(name)?;
    let mut chosen = vec![false; inventory.hosts.len()];
    let mut known = false;
    for group in inventory.groups.iter().filter(|group| matcher.matches(&group.name)) {
        known = true;
        for host in &group.hosts {
            if let Some(number) = inventory.tree.host_named(host) {
                chosen[number] = true;
            }
        }
    }
    if !known || !matches!(matcher, Matcher::Word(_)) {
        for (number, host) in inventory.hosts.iter().enumerate() {
            if matcher.matches(&host.name) {
                known = true;
                chosen[number] = true;
            }
        }
    }
    match known {
        true => Ok((0..chosen.len()).filter(|&host| chosen[host]).collect()),
        false => Err(unknown(inventory, name)),
    }
}

/// How a part of a pattern compares with names.
enum Matcher<'a> {
    Word(&'a str),
    Glob(globset::GlobMatcher),
    Regex(Regex),
}

impl<'a> Matcher<'a> {
    fn new(name: &'a str) -> Result<Self> {
        if let Some(expression) = name.strip_prefix('~') {
            // Ansible's expressions match from the start, and need not reach the end.
            return Regex::new(&format!("^(?:{expression})")).map(Self::Regex).map_err(|error| {
                wrong(format!("`{}` is not a regular expression", shown(name)))
                    .detail(error.to_string())
            });
        }
        if !name.contains(['*', '?', '[']) {
            return Ok(Self::Word(name));
        }
        let glob = GlobBuilder::new(name).backslash_escape(false).build();
        glob.map(|glob| Self::Glob(glob.compile_matcher()))
            .map_err(|error| wrong(format!("`{}` is not a pattern: {}", shown(name), error.kind())))
    }

    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Word(word) => *word == name,
            Self::Glob(glob) => glob.is_match(name),
            Self::Regex(regex) => regex.is_match(name),
        }
    }
}

fn unknown(inventory: &Inventory, name: &str) -> Error {
    let what = if name.starts_with('~') || name.contains(['*', '?', '[']) {
        "matches"
    } else {
        "is called"
    };
    let error = wrong(format!("no host or group {what} `{}` in {}", shown(name), inventory.file));
    let groups = inventory.groups.iter().map(|group| group.name.as_str());
    let names = groups.chain(inventory.hosts.iter().map(|host| host.name.as_str()));
    inventory.with_suggestion(error, name, names)
}
