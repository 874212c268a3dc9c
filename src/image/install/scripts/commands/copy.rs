//! `cp`, `mv`, `install`.

use super::attributes::{owner, set_mode};
use super::{Call, Failure, Options};
use crate::image::install::hard_links::{rename, unlink};
use crate::image::tree::{Entry, Kind};

pub fn cp(call: &mut Call<'_, '_>) -> Result<i32, Failure> {
    let options = call.options("arRpdPLfv", "")?;
    let all = options.has('a');
    let recursive = all || options.has('r') || options.has('R');
    // With -r, busybox follows no links below what it is asked for.
    let keep_links =
        (all || options.has('d') || options.has('P') || recursive) && !options.has('L');
    let keep = all || options.has('p');
    each(call, &options, |call, operand, to| {
        let from = match keep_links {
            true => call.shell.place(operand)?,
            false => call.shell.follow(operand)?,
        };
        let Some(entry) = call.shell.tree.get(&from).cloned() else {
            return call.complain(&format!("can't stat '{operand}': No such file or directory"));
        };
        if entry.kind == Kind::Directory && !recursive {
            return call.complain(&format!("omitting directory '{operand}'"));
        }
        if format!("{to}/").starts_with(&format!("{from}/")) {
            return call.complain(&format!("recursion detected, omitting '{operand}'"));
        }
        let below: Vec<(String, Entry)> = call
            .shell
            .tree
            .below(&from)
            .map(|(path, entry)| (path[from.len()..].to_owned(), entry.clone()))
            .collect();
        let copies = std::iter::once((String::new(), entry)).chain(below);
        for (below, entry) in copies {
            copy(call, &format!("{from}{below}"), entry, &format!("{to}{below}"), keep)?;
        }
        Ok(0)
    })
}

fn copy(
    call: &mut Call<'_, '_>,
    from: &str,
    entry: Entry,
    to: &str,
    keep: bool,
) -> Result<(), Failure> {
    let shell = &mut *call.shell;
    let kind = match (&entry.kind, shell.tree.content(from)) {
        // A copy is a file of its own.
        (Kind::Hard(_), Some(content)) => Kind::File(content.clone()),
        (kind, _) => kind.clone(),
    };
    let is_directory = kind == Kind::Directory;
    let there = shell.tree.get(to).cloned();
    if is_directory && there.as_ref().is_some_and(|there| there.kind == Kind::Directory) {
        return Ok(());
    }
    if let Kind::File(content) = &kind
        && !keep
        && let Some(Entry { kind: Kind::File(_), .. }) = there
    {
        // The file stays, with its owner and mode; its content is another.
        let content = content.bytes()?;
        return shell.put_file(to, content);
    }
    unlink(shell.tree, to)?;
    let copy = match keep {
        true => Entry { kind, ..entry },
        false => Entry { kind, mode: entry.mode & 0o755, ..Entry::link("").at(shell.now) },
    };
    shell.tree.insert(to, copy)?;
    Ok(())
}

pub fn mv(call: &mut Call<'_, '_>) -> Result<i32, Failure> {
    let options = call.options("fnTv", "")?;
    each(call, &options, |call, operand, to| {
        let from = call.shell.place(operand)?;
        let Some(entry) = call.shell.tree.get(&from).cloned() else {
            return call.complain(&format!("can't rename '{operand}': No such file or directory"));
        };
        let there = call.shell.tree.get(to).map(|there| there.kind == Kind::Directory);
        match there {
            Some(_) if options.has('n') => return Ok(0),
            Some(directory) if directory != (entry.kind == Kind::Directory) => {
                return call.complain(&format!("can't rename '{operand}' over '{to}'"));
            }
            Some(true) if call.shell.tree.below(to).next().is_some() => {
                return call.complain(&format!("'{to}': Directory not empty"));
            }
            _ => {}
        }
        if entry.kind != Kind::Directory {
            rename(call.shell.tree, &from, to)?;
            return Ok(0);
        }
        if format!("{to}/").starts_with(&format!("{from}/")) {
            return call.complain(&format!("can't move '{operand}' into itself"));
        }
        call.shell.tree.insert(to, entry)?;
        let below: Vec<String> =
            call.shell.tree.below(&from).map(|(path, _)| path.to_owned()).collect();
        for path in below {
            let moved = format!("{to}{}", &path[from.len()..]);
            let is_directory = call.shell.tree.get(&path).map(|it| it.kind == Kind::Directory);
            if is_directory == Some(true) {
                if let Some(entry) = call.shell.tree.get(&path).cloned() {
                    call.shell.tree.insert(&moved, entry)?;
                }
            } else {
                rename(call.shell.tree, &path, &moved)?;
            }
        }
        call.shell.tree.remove(&from);
        Ok(0)
    })
}

pub fn install(call: &mut Call<'_, '_>) -> Result<i32, Failure> {
    let options = call.options("dDpcs", "mog")?;
    let mode = options.value('m').unwrap_or("755").to_owned();
    let names = match (options.value('o'), options.value('g')) {
        (None, None) => None,
        (user, group) => {
            Some(format!("{}:{}", user.unwrap_or_default(), group.unwrap_or_default()))
        }
    };
    let finish = |call: &mut Call<'_, '_>, path: &str| -> Result<i32, Failure> {
        if let Some(names) = &names {
            let Some((uid, gid)) = owner(call, names)? else { return Ok(1) };
            if let Some(entry) = call.shell.tree.get_mut(path) {
                entry.uid = uid.unwrap_or(entry.uid);
                entry.gid = gid.unwrap_or(entry.gid);
            }
        }
        set_mode(call, path, &mode)
    };
    if options.has('d') {
        for operand in &options.operands {
            let path = call.shell.follow(operand)?;
            if call.shell.tree.get(&path).is_none() {
                let now = call.shell.now;
                call.shell.tree.insert(&path, Entry::directory(0o755).at(now))?;
            }
            if finish(call, &path)? != 0 {
                return Ok(1);
            }
        }
        return Ok(0);
    }
    each(call, &options, |call, operand, to| {
        let from = call.shell.follow(operand)?;
        let Some(content) = call.shell.tree.content(&from).cloned() else {
            return call.complain(&format!("can't stat '{operand}': No such file or directory"));
        };
        let parent = to.rsplit_once('/').map_or("", |(parent, _)| parent);
        if !options.has('D') && call.shell.tree.get(parent).is_none() {
            return call.complain(&format!("can't create '{to}': No such file or directory"));
        }
        unlink(call.shell.tree, to)?;
        let entry = Entry { kind: Kind::File(content), ..Entry::link("").at(call.shell.now) };
        call.shell.tree.insert(to, entry)?;
        finish(call, to)
    })
}

/// Calls `one` with each operand but the last and the path it goes to, which the last names or contains.
fn each(
    call: &mut Call<'_, '_>,
    options: &Options,
    mut one: impl FnMut(&mut Call<'_, '_>, &str, &str) -> Result<i32, Failure>,
) -> Result<i32, Failure> {
    let [operands @ .., place] = &options.operands[..] else { return Err(call.unknown()) };
    let followed = call.shell.follow(place)?;
    let into = call.shell.tree.get(&followed).is_some_and(|it| it.kind == Kind::Directory)
        && !options.has('T');
    if operands.is_empty() || (operands.len() > 1 && !into) {
        return call.complain(&format!("'{place}' is not a directory"));
    }
    let mut status = 0;
    for operand in operands {
        let name = operand.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        let to = match into {
            true => format!("{followed}/{name}").trim_start_matches('/').to_owned(),
            false => call.shell.place(place)?,
        };
        let parent = to.rsplit_once('/').map_or("", |(parent, _)| parent);
        let parent_is_file =
            call.shell.tree.get(parent).is_some_and(|it| it.kind != Kind::Directory);
        if parent_is_file || (call.shell.tree.get(parent).is_none() && !options.has('D')) {
            status = call.complain(&format!("can't create '{to}': No such directory"))?;
            continue;
        }
        status = status.max(one(call, operand, &to)?);
    }
    Ok(status)
}
