//! Users and groups of a tree: looked up and added to `etc/passwd`, `etc/group` and `etc/shadow` as busybox' `adduser`
//! and `addgroup` do it, down to the backups (`passwd-`) and the order in which ids are given out.
//!
//! Source: busybox 1.37, `loginutils/adduser.c`, `addgroup.c`, `libbb/update_passwd.c`, with Alpine's patches: system
//! users have `/sbin/nologin`, and nobody is called "Linux User".

use std::ops::RangeInclusive;

use crate::error::{Error, ErrorKind, Result};
use crate::image::tree::{Content, Entry, Kind, Tree};

const PASSWD: &str = "etc/passwd";
const GROUP: &str = "etc/group";
const SHADOW: &str = "etc/shadow";
const SKEL: &str = "etc/skel";
const SYSTEM_IDS: RangeInclusive<u32> = 100..=999;
const IDS: RangeInclusive<u32> = 1000..=60_000;
const SECONDS_A_DAY: i64 = 24 * 60 * 60;

/// One line of `etc/passwd`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub name: String,
    pub uid: u32,
    pub gid: u32,
    pub home: String,
}

/// A user to be added. What is left out is as `adduser` has it.
#[derive(Debug, Clone, Default)]
pub struct NewUser {
    pub name: String,
    pub uid: Option<u32>,
    /// An existing group; without it, system users are in `nogroup` and others get a group of their own name.
    pub group: Option<String>,
    pub gecos: Option<String>,
    pub home: Option<String>,
    pub shell: Option<String>,
    /// Gets an id from 100 to 999.
    pub system: bool,
    /// Leaves the home directory out.
    pub no_home: bool,
}

/// The user of that name.
///
/// # Errors
/// When `etc/passwd` cannot be read.
pub fn user(tree: &Tree, name: &str) -> Result<Option<User>> {
    Ok(users(tree)?.into_iter().find(|user| user.name == name))
}

/// The id of the user of that name, or of that number.
///
/// # Errors
/// When `etc/passwd` cannot be read.
pub fn uid(tree: &Tree, name: &str) -> Result<Option<u32>> {
    Ok(user(tree, name)?.map(|user| user.uid).or_else(|| name.parse().ok()))
}

/// The id of the group of that name, or of that number.
///
/// # Errors
/// When `etc/group` cannot be read.
pub fn gid(tree: &Tree, name: &str) -> Result<Option<u32>> {
    let found = groups(tree)?.into_iter().find(|(group, _)| group == name);
    Ok(found.map(|(_, gid)| gid).or_else(|| name.parse().ok()))
}

/// Adds a group with the id that is wanted, or with the next free one.
///
/// # Errors
/// When the name or the id is in use, no id is left, or there is no `etc/group`.
pub fn add_group(
    tree: &mut Tree,
    name: &str,
    gid: Option<u32>,
    system: bool,
    now: i64,
) -> Result<u32> {
    check_name(name)?;
    let groups = groups(tree)?;
    if groups.iter().any(|(group, _)| group == name) {
        return Err(refused(format!("group '{name}' in use")));
    }
    let used = |id: u32| groups.iter().any(|(_, gid)| *gid == id);
    let gid = match gid {
        Some(gid) if used(gid) => return Err(refused(format!("gid '{gid}' in use"))),
        Some(gid) => gid,
        None => range(system)
            .into_iter()
            .find(|id| !used(*id))
            .ok_or_else(|| refused("no gids left".into()))?,
    };
    edit(tree, GROUP, now, |lines| lines.push(format!("{name}:x:{gid}:")))?;
    Ok(gid)
}

/// Puts a user that exists into a group that exists.
///
/// # Errors
/// When one of them does not exist.
pub fn add_member(tree: &mut Tree, name: &str, group: &str, now: i64) -> Result<()> {
    if user(tree, name)?.is_none() {
        return Err(refused(format!("unknown user {name}")));
    }
    let prefix = format!("{group}:");
    let Some(line) = lines(tree, GROUP)?.into_iter().find(|line| line.starts_with(&prefix)) else {
        return Err(refused(format!("unknown group {group}")));
    };
    let members = line.rsplit(':').next().unwrap_or_default();
    if members.split(',').any(|member| member == name) {
        return Ok(());
    }
    edit(tree, GROUP, now, |lines| {
        for line in lines.iter_mut().filter(|line| line.starts_with(&prefix)) {
            let comma = if line.ends_with(':') { "" } else { "," };
            line.push_str(&format!("{comma}{name}"));
        }
    })
}

/// Adds a user, locked; makes its home directory unless told not to.
///
/// # Errors
/// When the name or id is in use, no id is left, the group is unknown, or there is no `etc/passwd`.
pub fn add_user(tree: &mut Tree, new: &NewUser, now: i64) -> Result<u32> {
    let name = &new.name;
    check_name(name)?;
    let users = users(tree)?;
    if users.iter().any(|user| user.name == *name) {
        return Err(refused(format!("user '{name}' in use")));
    }
    let group = new.group.as_deref().or(new.system.then_some("nogroup"));
    let gid = match group {
        Some(group) => {
            Some(gid(tree, group)?.ok_or_else(|| refused(format!("unknown group {group}")))?)
        }
        None => None,
    };
    let groups = groups(tree)?;
    let used = |id: u32| {
        users.iter().any(|user| user.uid == id)
            || (gid.is_none() && groups.iter().any(|(_, gid)| *gid == id))
    };
    let uid = match new.uid {
        Some(uid) if used(uid) => return Err(refused(format!("uid '{uid}' in use"))),
        Some(uid) => uid,
        None => range(new.system)
            .into_iter()
            .find(|id| !used(*id))
            .ok_or_else(|| refused("no uids left".into()))?,
    };
    let gid = match gid {
        Some(gid) => gid,
        None => add_group(tree, name, Some(uid), false, now)?,
    };
    let home = new.home.clone().unwrap_or_else(|| format!("/home/{name}"));
    let shell = new.shell.as_deref().unwrap_or(match new.system {
        true => "/sbin/nologin",
        false => "/bin/sh",
    });
    let gecos = new.gecos.as_deref().unwrap_or_default();
    edit(tree, PASSWD, now, |lines| {
        lines.push(format!("{name}:x:{uid}:{gid}:{gecos}:{home}:{shell}"));
    })?;
    if tree.content(&tree.resolve(SHADOW)?).is_some() {
        let day = now / SECONDS_A_DAY;
        edit(tree, SHADOW, now, |lines| lines.push(format!("{name}:!:{day}:0:99999:7:::")))?;
    }
    if let Some(group) = group {
        add_member(tree, name, group, now)?;
    }
    if !new.no_home {
        make_home(tree, &home, uid, gid, now)?;
    }
    Ok(uid)
}

/// Sets the second field of a user's line in `etc/shadow`: a hash as `crypt` makes it, `!` or `*` to lock it.
///
/// # Errors
/// When there is no such line.
pub fn set_password(tree: &mut Tree, name: &str, hash: &str, now: i64) -> Result<()> {
    let prefix = format!("{name}:");
    if !lines(tree, SHADOW)?.iter().any(|line| line.starts_with(&prefix)) {
        return Err(refused(format!("user {name} is not in /{SHADOW}")));
    }
    edit(tree, SHADOW, now, |lines| {
        for line in lines.iter_mut().filter(|line| line.starts_with(&prefix)) {
            let rest = line.splitn(4, ':').nth(3).unwrap_or_default();
            *line = format!("{name}:{hash}:{}:{rest}", now / SECONDS_A_DAY);
        }
    })
}

/// As `adduser` leaves it: mode 2755, with what is in `/etc/skel` if it is new.
fn make_home(tree: &mut Tree, home: &str, uid: u32, gid: u32, now: i64) -> Result<()> {
    let path = tree.resolve(home)?;
    if tree.get(&path).is_none() {
        tree.insert(&path, Entry::directory(0o755).at(now))?;
        let skel: Vec<(String, Entry)> = tree
            .below(SKEL)
            .map(|(from, entry)| (from[SKEL.len()..].to_owned(), entry.clone()))
            .collect();
        for (below, entry) in skel {
            tree.insert(&format!("{path}{below}"), entry.owned_by(uid, gid))?;
        }
    }
    match tree.get_mut(&path) {
        Some(entry) if entry.kind == Kind::Directory => {
            (entry.uid, entry.gid, entry.mode) = (uid, gid, 0o2755);
        }
        // Such as /dev/null: `adduser` complains, and goes on.
        _ => {}
    }
    Ok(())
}

fn range(system: bool) -> RangeInclusive<u32> {
    if system { SYSTEM_IDS } else { IDS }
}

pub(super) fn users(tree: &Tree) -> Result<Vec<User>> {
    let parse = |line: &String| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        let (uid, gid) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
        Some(User { name, uid, gid, home: fields.nth(1)?.to_owned() })
    };
    Ok(lines(tree, PASSWD)?.iter().filter_map(parse).collect())
}

pub(super) fn groups(tree: &Tree) -> Result<Vec<(String, u32)>> {
    let parse = |line: &String| {
        let mut fields = line.split(':');
        Some((fields.next()?.to_owned(), fields.nth(1)?.parse().ok()?))
    };
    Ok(lines(tree, GROUP)?.iter().filter_map(parse).collect())
}

/// No lines if there is no such file.
fn lines(tree: &Tree, path: &str) -> Result<Vec<String>> {
    let bytes = tree.read(path)?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect())
}

/// Changes the lines of a file that exists; what it was goes to the same name with a `-`.
fn edit(
    tree: &mut Tree,
    path: &str,
    now: i64,
    change: impl FnOnce(&mut Vec<String>),
) -> Result<()> {
    let path = tree.resolve(path)?;
    let before = match tree.get(&path) {
        Some(entry) if matches!(entry.kind, Kind::File(_)) => entry.clone(),
        _ => return Err(refused(format!("there is no /{path}"))),
    };
    let mut lines = lines(tree, &path)?;
    change(&mut lines);
    let text = lines.join("\n") + "\n";
    let kind = Kind::File(Content::Bytes(text.into_bytes().into()));
    let after = Entry { kind, mtime: now, ..before.clone() };
    tree.insert(&format!("{path}-"), before)?;
    tree.insert(&path, after)
}

/// As the tools check it: a colon or a line break in a name would make another line of the file.
fn check_name(name: &str) -> Result<()> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"_.@-".contains(&byte);
    let plain = name.strip_suffix('$').unwrap_or(name);
    if !plain.is_empty() && !plain.starts_with('-') && plain.bytes().all(good) {
        return Ok(());
    }
    Err(refused(format!("illegal name '{}'", name.escape_default())))
}

fn refused(message: String) -> Error {
    Error::new(ErrorKind::Image, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 20_000 * SECONDS_A_DAY + 5;

    fn tree() -> Tree {
        let mut tree = Tree::new();
        let passwd =
            "root:x:0:0:root:/root:/bin/sh\nguest:x:405:100:guest:/dev/null:/sbin/nologin\n";
        let group = "root:x:0:root\nusers:x:100:games\nnogroup:x:65533:\n";
        for (path, text, mode) in
            [(PASSWD, passwd, 0o644), (GROUP, group, 0o644), (SHADOW, "root:*::0:::::\n", 0o640)]
        {
            tree.insert(path, Entry::file(text.as_bytes(), mode).owned_by(0, 42)).unwrap();
        }
        tree
    }

    fn last(tree: &Tree, path: &str) -> String {
        lines(tree, path).unwrap().pop().unwrap()
    }

    fn daemon(name: &str, group: &str) -> NewUser {
        NewUser {
            name: name.into(),
            group: Some(group.into()),
            home: Some(format!("/var/lib/{name}")),
            system: true,
            ..NewUser::default()
        }
    }

    #[test]
    fn gives_out_system_ids_from_100_as_adduser_does() {
        let mut tree = tree();
        // The group 100 is taken, the user 100 is not.
        assert_eq!(add_group(&mut tree, "rpc", None, true, NOW).unwrap(), 101);
        assert_eq!(add_user(&mut tree, &daemon("rpc", "rpc"), NOW).unwrap(), 100);
        assert_eq!(last(&tree, PASSWD), "rpc:x:100:101::/var/lib/rpc:/sbin/nologin");
        assert_eq!(last(&tree, GROUP), "rpc:x:101:rpc");
        assert_eq!(last(&tree, SHADOW), "rpc:!:20000:0:99999:7:::");
        assert_eq!(last(&tree, "etc/group-"), "rpc:x:101:");
        let home = tree.get("var/lib/rpc").unwrap();
        assert_eq!((home.uid, home.gid, home.mode), (100, 101, 0o2755));
        assert_eq!(tree.get(SHADOW).map(|shadow| (shadow.mode, shadow.gid)), Some((0o640, 42)));
    }

    #[test]
    fn a_person_gets_a_group_of_the_same_id_and_what_is_in_skel() {
        let mut tree = tree();
        tree.insert("etc/skel/.profile", Entry::file(*b"x", 0o600)).unwrap();
        let person = NewUser { name: "pi".into(), ..NewUser::default() };
        assert_eq!(add_user(&mut tree, &person, NOW).unwrap(), 1000);
        assert_eq!(last(&tree, PASSWD), "pi:x:1000:1000::/home/pi:/bin/sh");
        assert_eq!(last(&tree, GROUP), "pi:x:1000:");
        assert_eq!(
            tree.get("home/pi/.profile").map(|file| (file.uid, file.mode)),
            Some((1000, 0o600))
        );
    }

    #[test]
    fn refuses_names_and_ids_that_are_in_use() {
        let mut tree = tree();
        let before = lines(&tree, PASSWD).unwrap();
        let message = |error: Error| error.message().to_owned();
        let add = |tree: &mut Tree, new: NewUser| message(add_user(tree, &new, NOW).unwrap_err());
        assert_eq!(add(&mut tree, daemon("guest", "users")), "user 'guest' in use");
        assert_eq!(add(&mut tree, daemon("x", "none")), "unknown group none");
        assert_eq!(add(&mut tree, daemon("a:b\nc", "users")), "illegal name 'a:b\\nc'");
        let taken = NewUser { uid: Some(405), ..daemon("x", "users") };
        assert_eq!(add(&mut tree, taken), "uid '405' in use");
        let group = add_group(&mut tree, "x", Some(100), true, NOW).unwrap_err();
        assert_eq!(group.message(), "gid '100' in use");
        assert_eq!(lines(&tree, PASSWD).unwrap(), before);
    }

    #[test]
    fn a_member_is_added_once() {
        let mut tree = tree();
        for _ in 0..2 {
            add_member(&mut tree, "guest", "users", NOW).unwrap();
        }
        assert_eq!(lines(&tree, GROUP).unwrap()[1], "users:x:100:games,guest");
        assert!(add_member(&mut tree, "nobody", "users", NOW).is_err());
    }

    #[test]
    fn writes_where_links_into_data_lead() {
        let mut tree = tree();
        let shadow = tree.remove(SHADOW).unwrap();
        tree.insert("data/etc/shadow", shadow).unwrap();
        tree.insert(SHADOW, Entry::link("/data/etc/shadow")).unwrap();
        set_password(&mut tree, "root", "$6$salt$hash", NOW).unwrap();
        assert_eq!(last(&tree, "data/etc/shadow"), "root:$6$salt$hash:20000:0:::::");
        assert!(matches!(tree.get(SHADOW).unwrap().kind, Kind::Link(_)));
    }

    #[test]
    fn names_and_numbers_are_looked_up() {
        let tree = tree();
        assert_eq!(uid(&tree, "guest").unwrap(), Some(405));
        assert_eq!(uid(&tree, "77").unwrap(), Some(77));
        assert_eq!(gid(&tree, "users").unwrap(), Some(100));
        assert_eq!(gid(&tree, "wheel").unwrap(), None);
    }
}
