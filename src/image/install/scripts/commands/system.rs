//! Commands that do something for a whole system: busybox' links, certificates, kernel modules, services.

use super::{Call, Failure, run};
use crate::image::install::triggers::{busybox as links, certificates, hwdb, modules};
use crate::image::install::{scripts, services};

/// `command -v NAME`, and `command NAME …`.
pub fn command(call: &mut Call<'_, '_>) -> Result<i32, Failure> {
    match call.arguments {
        [flag, name] if flag == "-v" => {
            let found = match () {
                () if scripts::commands::builtin(name).is_some() => Some(name.clone()),
                () if call.shell.is_function(name) => Some(name.clone()),
                () => call.shell.find_command(name).map(|path| format!("/{path}")),
            };
            match found {
                Some(found) => call.say(format!("{found}\n")).map(|()| 0),
                None => Ok(127),
            }
        }
        [name, arguments @ ..] if !name.starts_with('-') => {
            run(Call { shell: call.shell, name, arguments, io: call.io })
        }
        _ => Err(call.unknown()),
    }
}

/// New files are 0644 and directories 0755 here; other masks are not known.
pub fn umask(call: &mut Call<'_, '_>) -> Result<i32, Failure> {
    match call.arguments {
        [mask] if matches!(&**mask, "022" | "0022") => Ok(0),
        _ => Err(call.unknown()),
    }
}

/// `uname -m`: what the node's kernel will say.
pub fn uname(call: &mut Call<'_, '_>) -> Result<i32, Failure> {
    let machine = match call.shell.target.arch {
        "armhf" => "armv6l",
        "armv7" => "armv7l",
        "x86" => "i686",
        arch => arch,
    };
    match call.arguments {
        [flag] if flag == "-m" => call.say(format!("{machine}\n")).map(|()| 0),
        _ => Err(call.unknown()),
    }
}

pub fn busybox(call: &mut Call<'_, '_>) -> Result<i32, Failure> {
    let words: Vec<&str> = call.arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["--install", "-s"] => {
            links::install(call.shell.tree, "busybox", call.shell.now)?;
            Ok(0)
        }
        [] | ["--install" | "--list" | "--list-all" | "--list-full" | "--help", ..] => {
            Err(call.unknown())
        }
        _ => {
            let (applet, arguments) = (&call.arguments[0], &call.arguments[1..]);
            let Some(run) = super::builtin(applet).or_else(|| super::command(applet)) else {
                return Err(call.unknown());
            };
            run(&mut Call { shell: call.shell, name: applet, arguments, io: call.io })
        }
    }
}

pub fn busybox_extras(call: &mut Call<'_, '_>) -> Result<i32, Failure> {
    match call.arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--install", "-s"] => {
            links::install(call.shell.tree, "busybox-extras", call.shell.now)?;
            Ok(0)
        }
        _ => Err(call.unknown()),
    }
}

pub fn bbsuid(call: &mut Call<'_, '_>) -> Result<i32, Failure> {
    match call.arguments {
        [flag] if flag == "--install" => {
            links::install_suid(call.shell.tree, call.shell.now)?;
            Ok(0)
        }
        _ => Err(call.unknown()),
    }
}

pub fn update_ca_certificates(call: &mut Call<'_, '_>) -> Result<i32, Failure> {
    if !call.arguments.is_empty() {
        return Err(call.unknown());
    }
    const HOOKS: &str = "etc/ca-certificates/update.d";
    certificates::update(call.shell.tree, call.shell.now)?;
    let hooks: Vec<String> =
        call.shell.tree.below(HOOKS).map(|(path, _)| path.to_owned()).collect();
    for hook in hooks {
        if hook != format!("{HOOKS}/certhash") {
            return Err(call.shell.unknown(format!("the hook /{hook}")));
        }
        certificates::hash(call.shell.tree, call.shell.now)?;
    }
    Ok(0)
}

/// Kernel packages bring their lists of modules; what other packages add to them needs a look into the modules.
pub fn depmod(call: &mut Call<'_, '_>) -> Result<i32, Failure> {
    let options = call.options("a", "")?;
    let [release] = &options.operands[..] else { return Err(call.unknown()) };
    let dir = call.shell.follow(&format!("/lib/modules/{release}"))?;
    match modules::unlisted(call.shell.tree, &dir)?.first() {
        Some(module) => {
            let what = format!("`depmod` for a module that modules.dep does not list, {module}");
            Err(call.shell.unknown(what))
        }
        None => Ok(0),
    }
}

pub fn mkinitfs(call: &mut Call<'_, '_>) -> Result<i32, Failure> {
    call.shell.notes.push(
        "No initramfs was made: a Pi boots without one. (`disable_trigger=yes` in /etc/mkinitfs/mkinitfs.conf keeps \
         apk from making one later.)"
            .to_owned(),
    );
    Ok(0)
}

pub fn at_first_boot(call: &mut Call<'_, '_>) -> Result<i32, Failure> {
    call.shell.notes.push(format!(
        "`{}` is left to the first boot: no two nodes share what it makes.",
        call.name
    ));
    Ok(0)
}

/// Commands that talk to something that runs, of which there is nothing in a tree.
pub fn nobody_listens(_: &mut Call<'_, '_>) -> Result<i32, Failure> {
    Ok(1)
}

/// The daemon that it else talks to does not run.
pub fn udevadm(call: &mut Call<'_, '_>) -> Result<i32, Failure> {
    let words: Vec<&str> = call.arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["hwdb", "--update" | "-u"] => {
            hwdb::update(call.shell.tree, call.shell.now)?;
            Ok(0)
        }
        ["hwdb", ..] => Err(call.unknown()),
        _ => nobody_listens(call),
    }
}

pub fn rc_update(call: &mut Call<'_, '_>) -> Result<i32, Failure> {
    let words: Vec<&str> =
        call.arguments.iter().map(String::as_str).filter(|word| *word != "-q").collect();
    let now = call.shell.now;
    match words[..] {
        ["add", service] => enable(call, service, "default", now),
        ["add", service, runlevel] => enable(call, service, runlevel, now),
        ["del" | "delete", service, runlevel] => {
            Ok(i32::from(!services::disable(call.shell.tree, service, runlevel)))
        }
        _ => Err(call.unknown()),
    }
}

fn enable(
    call: &mut Call<'_, '_>,
    service: &str,
    runlevel: &str,
    now: i64,
) -> Result<i32, Failure> {
    match services::enable(call.shell.tree, service, runlevel, now) {
        Ok(()) => Ok(0),
        Err(error) => call.complain(error.message()),
    }
}
