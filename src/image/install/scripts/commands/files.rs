//! `cd`, `ln`, `mkdir`, `readlink`, `rm`, `rmdir`, `touch`.

use super::{Call, Failure};
use crate::image::install::hard_links::{original, unlink};
use crate::image::tree::{Entry, Kind};

pub fn cd(call: &mut Call<'_, '_>) -> Result<i32, Failure> {
    let path = call.options("P", "")?.operands.first().cloned().unwrap_or_else(|| "/".into());
    match call.shell.change_directory(&path) {
        true => Ok(0),
        false => call.complain(&format!("can't cd to {path}")),
    }
}

pub fn mkdir(call: &mut Call<'_, '_>) -> Result<i32, Failure> {
    let options = call.options("pv", "m")?;
    let mode = match options.value('m').map(|mode| u16::from_str_radix(mode, 8)) {
        Some(Ok(mode)) => Some(mode & 0o7777),
        Some(Err(_)) => return Err(call.unknown()),
        None => None,
    };
    let mut status = 0;
    for operand in &options.operands {
        let path = call.shell.follow(operand)?;
        let there = call.shell.tree.get(&path).map(|entry| entry.kind == Kind::Directory);
        match there {
            Some(true) if options.has('p') => continue,
            Some(_) => {
                status =
                    call.complain(&format!("can't create directory '{operand}': File exists"))?;
                continue;
            }
            None => {}
        }
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        if !options.has('p') && call.shell.tree.get(parent).is_none() {
            status = call.complain(&format!("can't create directory '{operand}': no parent"))?;
            continue;
        }
        let now = call.shell.now;
        call.shell.tree.insert(&path, Entry::directory(mode.unwrap_or(0o755)).at(now))?;
    }
    Ok(status)
}

pub fn rmdir(call: &mut Call<'_, '_>) -> Result<i32, Failure> {
    let mut status = 0;
    for operand in &call.options("", "")?.operands {
        let path = call.shell.place(operand)?;
        let tree = &mut *call.shell.tree;
        let empty = tree.get(&path).is_some_and(|entry| entry.kind == Kind::Directory)
            && tree.below(&path).next().is_none();
        if empty && !path.is_empty() {
            tree.remove(&path);
        } else {
            status = call.complain(&format!("'{operand}': not an empty directory"))?;
        }
    }
    Ok(status)
}

pub fn rm(call: &mut Call<'_, '_>) -> Result<i32, Failure> {
    let options = call.options("rRfv", "")?;
    let mut status = 0;
    for operand in &options.operands {
        let path = call.shell.place(operand)?;
        let recursive = options.has('r') || options.has('R');
        match call.shell.tree.get(&path).map(|entry| entry.kind == Kind::Directory) {
            None if options.has('f') => {}
            None => status = call.complain(&format!("can't remove '{operand}': No such file"))?,
            Some(true) if path.is_empty() => return Err(call.unknown()),
            Some(true) if recursive => {
                let below: Vec<String> =
                    call.shell.tree.below(&path).map(|(path, _)| path.to_owned()).collect();
                // From the bottom, so that files with names elsewhere move there.
                for path in below.iter().rev() {
                    unlink(call.shell.tree, path)?;
                }
                call.shell.tree.remove(&path);
            }
            Some(true) => status = call.complain(&format!("'{operand}' is a directory"))?,
            Some(false) => {
                unlink(call.shell.tree, &path)?;
            }
        }
    }
    Ok(status)
}

pub fn ln(call: &mut Call<'_, '_>) -> Result<i32, Failure> {
    let options = call.options("sfnTv", "")?;
    let (targets, place) = match &options.operands[..] {
        [] => return Err(call.unknown()),
        [target] => (vec![target.clone()], ".".to_owned()),
        [targets @ .., place] => (targets.to_vec(), place.clone()),
    };
    let followed = call.shell.follow(&place)?;
    let is_link = matches!(
        call.shell.tree.get(&call.shell.place(&place)?).map(|entry| &entry.kind),
        Some(Kind::Link(_))
    );
    let into = call.shell.tree.get(&followed).is_some_and(|entry| entry.kind == Kind::Directory)
        && !options.has('T')
        && !(options.has('n') && is_link);
    let mut status = 0;
    for target in targets {
        let name = target.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        let path = if into { format!("{followed}/{name}") } else { call.shell.place(&place)? };
        let path = path.trim_start_matches('/').to_owned();
        let link = match options.has('s') {
            true => Some(Kind::Link(target.clone())),
            false => {
                let source = call.shell.follow(&target)?;
                let file = call.shell.tree.content(&source).is_some();
                file.then(|| Kind::Hard(original(call.shell.tree, &source)))
            }
        };
        status = match link {
            Some(link) => put_link(call, &path, link, options.has('f'))?,
            None => call.complain(&format!("{target}: No such file or directory"))?,
        };
    }
    Ok(status)
}

fn put_link(call: &mut Call<'_, '_>, path: &str, kind: Kind, force: bool) -> Result<i32, Failure> {
    if kind == Kind::Hard(path.to_owned()) {
        return Ok(0);
    }
    match call.shell.tree.get(path).map(|entry| &entry.kind) {
        None => {}
        Some(Kind::Directory) => return call.complain(&format!("{path}: is a directory")),
        Some(_) if force => {
            unlink(call.shell.tree, path)?;
        }
        Some(_) => return call.complain(&format!("{path}: File exists")),
    }
    let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
    if call.shell.tree.get(parent).is_none() {
        return call.complain(&format!("{path}: No such file or directory"));
    }
    let entry = match &kind {
        Kind::Hard(target) => call.shell.tree.get(target).cloned(),
        _ => None,
    };
    let entry = entry.unwrap_or_else(|| Entry::link("").at(call.shell.now));
    call.shell.tree.insert(path, Entry { kind, ..entry })?;
    Ok(0)
}

pub fn readlink(call: &mut Call<'_, '_>) -> Result<i32, Failure> {
    let options = call.options("fnv", "")?;
    let [operand] = &options.operands[..] else { return Err(call.unknown()) };
    let end = if options.has('n') { "" } else { "\n" };
    let target = match options.has('f') {
        true => Some(format!("/{}", call.shell.follow(operand)?)),
        false => match call.shell.tree.get(&call.shell.place(operand)?).map(|entry| &entry.kind) {
            Some(Kind::Link(target)) => Some(target.clone()),
            _ => None,
        },
    };
    match target {
        Some(target) => call.say(format!("{target}{end}")).map(|()| 0),
        None => Ok(1),
    }
}

pub fn touch(call: &mut Call<'_, '_>) -> Result<i32, Failure> {
    let options = call.options("c", "")?;
    let mut status = 0;
    for operand in &options.operands {
        let path = call.shell.follow(operand)?;
        let now = call.shell.now;
        if let Some(entry) = call.shell.tree.get_mut(&path) {
            entry.mtime = now;
            continue;
        }
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        if options.has('c') {
        } else if call.shell.tree.get(parent).is_none() {
            status = call.complain(&format!("{operand}: No such file or directory"))?;
        } else {
            call.shell.put_file(&path, Vec::new())?;
        }
    }
    Ok(status)
}
