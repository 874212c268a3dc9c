//! `chgrp`, `chmod`, `chown`.

use super::{Call, Failure};
use crate::image::install::users;
use crate::image::tree::Kind;

/// What `user:group` names, either of which may be missing; `None` after a complaint.
type Owner = Option<(Option<u32>, Option<u32>)>;

pub fn chown(call: &mut Call<'_, '_>) -> Result<i32, Failure> {
    let options = call.options("RhLHPfv", "")?;
    let [names, operands @ ..] = &options.operands[..] else { return Err(call.unknown()) };
    let Some(owner) = owner(call, names)? else { return Ok(1) };
    change(call, operands, options.has('R'), options.has('h'), owner)
}

pub fn chgrp(call: &mut Call<'_, '_>) -> Result<i32, Failure> {
    let options = call.options("RhLHPfv", "")?;
    let [name, operands @ ..] = &options.operands[..] else { return Err(call.unknown()) };
    let Some(owner) = owner(call, &format!(":{name}"))? else { return Ok(1) };
    change(call, operands, options.has('R'), options.has('h'), owner)
}

pub fn owner(call: &mut Call<'_, '_>, names: &str) -> Result<Owner, Failure> {
    let (user, group) = names.split_once([':', '.']).unwrap_or((names, ""));
    let uid = match user {
        "" => None,
        user => match users::uid(call.shell.tree, user)? {
            Some(uid) => Some(uid),
            None => return call.complain(&format!("unknown user {user}")).map(|_| None),
        },
    };
    let gid = match group {
        // `user:` is the group that the user has.
        "" if names.ends_with(':') => users::user(call.shell.tree, user)?.map(|user| user.gid),
        "" => None,
        group => match users::gid(call.shell.tree, group)? {
            Some(gid) => Some(gid),
            None => return call.complain(&format!("unknown group {group}")).map(|_| None),
        },
    };
    Ok(Some((uid, gid)))
}

fn change(
    call: &mut Call<'_, '_>,
    operands: &[String],
    recursive: bool,
    no_follow: bool,
    (uid, gid): (Option<u32>, Option<u32>),
) -> Result<i32, Failure> {
    let mut status = 0;
    for operand in operands {
        // What is below is never followed.
        let path = match no_follow || recursive {
            true => call.shell.place(operand)?,
            false => call.shell.follow(operand)?,
        };
        let paths = paths(call, &path, recursive);
        if paths.is_empty() {
            status = call.complain(&format!("{operand}: No such file or directory"))?;
        }
        for path in paths {
            let Some(entry) = call.shell.tree.get_mut(&path) else { continue };
            entry.uid = uid.unwrap_or(entry.uid);
            entry.gid = gid.unwrap_or(entry.gid);
            // As the kernel does it.
            if matches!(entry.kind, Kind::File(_)) {
                entry.mode &= if entry.mode & 0o010 != 0 { !0o6000 } else { !0o4000 };
            }
        }
    }
    Ok(status)
}

pub fn chmod(call: &mut Call<'_, '_>) -> Result<i32, Failure> {
    // A mode such as -x is no option.
    let recursive = call.arguments.first().is_some_and(|argument| argument == "-R");
    let arguments = &call.arguments[usize::from(recursive)..];
    let [mode, operands @ ..] = arguments else { return Err(call.unknown()) };
    let mut status = 0;
    for operand in operands {
        let path = call.shell.follow(operand)?;
        let paths = paths(call, &path, recursive);
        if paths.is_empty() {
            status = call.complain(&format!("{operand}: No such file or directory"))?;
        }
        for path in paths {
            status = status.max(set_mode(call, &path, mode)?);
        }
    }
    Ok(status)
}

/// Gives a path of the tree a mode in octal or letters. Links have none.
pub fn set_mode(call: &mut Call<'_, '_>, path: &str, text: &str) -> Result<i32, Failure> {
    let path = &crate::image::install::hard_links::original(call.shell.tree, path);
    let Some(entry) = call.shell.tree.get_mut(path) else { return Ok(0) };
    if matches!(entry.kind, Kind::Link(_)) {
        return Ok(0);
    }
    match mode(text, entry.mode, entry.kind == Kind::Directory) {
        Some(mode) => entry.mode = mode,
        None => return call.complain(&format!("invalid mode '{text}'")),
    }
    Ok(0)
}

fn paths(call: &Call<'_, '_>, path: &str, recursive: bool) -> Vec<String> {
    let mut paths: Vec<String> =
        call.shell.tree.get(path).map(|_| path.to_owned()).into_iter().collect();
    if recursive {
        paths.extend(call.shell.tree.below(path).map(|(path, _)| path.to_owned()));
    }
    paths
}

/// The mode that `text` makes of `mode`.
fn mode(text: &str, mode: u16, directory: bool) -> Option<u16> {
    if text.starts_with(|char: char| char.is_ascii_digit()) {
        return u16::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777);
    }
    text.split(',').try_fold(mode, |mode, clause| clause_applied(clause, mode, directory))
}

fn clause_applied(clause: &str, mut mode: u16, directory: bool) -> Option<u16> {
    let who = clause.find(['+', '-', '='])?;
    let mut mask = 0;
    for letter in clause[..who].chars() {
        mask |= match letter {
            'u' => 0o4700,
            'g' => 0o2070,
            'o' => 0o1007,
            'a' => 0o7777,
            _ => return None,
        };
    }
    // Without letters, the umask counts: 022.
    let mask = if who == 0 { 0o7755 } else { mask };
    let (sign, letters) = clause[who..].split_at(1);
    let mut bits = 0;
    for letter in letters.chars() {
        bits |= match letter {
            'r' => 0o444,
            'w' => 0o222,
            'x' => 0o111,
            'X' if directory || mode & 0o111 != 0 => 0o111,
            'X' => 0,
            's' => 0o6000,
            't' => 0o1000,
            _ => return None,
        };
    }
    match sign {
        "+" => mode |= bits & mask,
        "-" => mode &= !(bits & mask),
        _ => mode = (mode & !mask) | (bits & mask),
    }
    Some(mode)
}

#[cfg(test)]
mod tests {
    use super::mode;

    #[test]
    fn letters_change_modes_as_chmod_does() {
        assert_eq!(mode("+x", 0o644, false), Some(0o755));
        assert_eq!(mode("u+s,g-w", 0o775, false), Some(0o4755));
        assert_eq!(mode("g=rX,o=", 0o755, true), Some(0o750));
        assert_eq!(mode("a+X", 0o644, false), Some(0o644));
        assert_eq!(mode("-w", 0o666, false), Some(0o466));
        assert_eq!(mode("1777", 0, true), Some(0o1777));
        assert_eq!(mode("u+q", 0, true), None);
        assert_eq!(mode("99", 0, true), None);
    }
}
