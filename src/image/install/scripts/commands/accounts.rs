//! `addgroup`, `adduser`, `add-shell`.

use super::{Call, Failure};
use crate::image::install::users::{self, NewUser};

const SHELLS: &str = "etc/shells";

pub fn addgroup(call: &mut Call<'_, '_>) -> Result<i32, Failure> {
    let options = call.options("S", "g")?;
    let now = call.shell.now;
    let gid = match options.value('g').map(str::parse) {
        Some(Err(_)) => return call.complain("invalid number"),
        Some(Ok(gid)) => Some(gid),
        None => None,
    };
    let tree = &mut *call.shell.tree;
    let result = match &options.operands[..] {
        [group] => users::add_group(tree, group, gid, options.has('S'), now).map(drop),
        [user, group] => users::add_member(tree, user, group, now),
        _ => return Err(call.unknown()),
    };
    done(call, result)
}

pub fn adduser(call: &mut Call<'_, '_>) -> Result<i32, Failure> {
    let options = call.options("SDH", "hgsGuk")?;
    let now = call.shell.now;
    let name = match &options.operands[..] {
        [name] => name,
        [user, group] => {
            let result = users::add_member(call.shell.tree, user, group, now);
            return done(call, result);
        }
        _ => return Err(call.unknown()),
    };
    // Without -D, adduser would ask for a password; it does not for system users' sake.
    if !options.has('D') && !options.has('S') || options.value('k').is_some() {
        return Err(call.unknown());
    }
    let uid = match options.value('u').map(str::parse) {
        Some(Err(_)) => return call.complain("invalid number"),
        Some(Ok(uid)) => Some(uid),
        None => None,
    };
    let text = |letter| options.value(letter).map(str::to_owned);
    let new = NewUser {
        name: name.clone(),
        uid,
        group: text('G'),
        gecos: text('g'),
        home: text('h'),
        shell: text('s'),
        system: options.has('S'),
        no_home: options.has('H'),
    };
    let result = users::add_user(call.shell.tree, &new, now).map(drop);
    done(call, result)
}

pub fn add_shell(call: &mut Call<'_, '_>) -> Result<i32, Failure> {
    let options = call.options("", "")?;
    let path = call.shell.follow(SHELLS)?;
    let bytes = call.shell.tree.read(&path)?.unwrap_or_default();
    let mut text = String::from_utf8_lossy(&bytes).into_owned();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    let mut shells = options.operands;
    shells.sort();
    shells.dedup();
    shells.retain(|shell| !text.lines().any(|line| line == shell));
    for shell in shells {
        text.push_str(&shell);
        text.push('\n');
    }
    call.shell.put_file(&path, text.into_bytes())?;
    Ok(0)
}

/// That a name is in use is no failure of the build: scripts ignore it.
fn done(call: &mut Call<'_, '_>, result: crate::error::Result<()>) -> Result<i32, Failure> {
    match result {
        Ok(()) => Ok(0),
        Err(error) => call.complain(error.message()),
    }
}
