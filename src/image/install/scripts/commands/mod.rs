//! The commands that install scripts use, each doing on the tree what busybox' does.

mod accounts;
mod attributes;
mod copy;
mod files;
mod grep;
mod system;
mod test;
mod text;

use super::io::Io;
use super::readable;
use super::shell::{Failure, Shell};

/// One call of a command.
pub struct Call<'c, 't> {
    pub shell: &'c mut Shell<'t>,
    /// As the script has it, such as `/bin/busybox`.
    pub name: &'c str,
    pub arguments: &'c [String],
    pub io: &'c Io,
}

type Run = fn(&mut Call<'_, '_>) -> Result<i32, Failure>;

/// Runs a command that is built into the shell, or that the tree has.
pub fn run(mut call: Call<'_, '_>) -> Result<i32, Failure> {
    if let Some(run) = builtin(call.name) {
        return run(&mut call);
    }
    let Some(path) = call.shell.find_command(call.name) else {
        call.complain("not found")?;
        return Ok(127);
    };
    let name = path.rsplit('/').next().unwrap_or(&path);
    if let Some(run) = command(name) {
        return run(&mut call);
    }
    let program = call.shell.tree.read(&path)?.unwrap_or_default();
    match readable(&program) {
        Ok(text) => call.shell.program(&path, text, call.arguments, call.io),
        Err(_) => Err(call.unknown()),
    }
}

fn builtin(name: &str) -> Option<Run> {
    Some(match name {
        ":" | "true" => |_| Ok(0),
        "false" => |_| Ok(1),
        "[" => test::brackets,
        "test" => test::test,
        "echo" => text::echo,
        "printf" => text::printf,
        "cd" => files::cd,
        "command" => system::command,
        "umask" => system::umask,
        "alias" | "bg" | "eval" | "exec" | "fg" | "getopts" | "hash" | "jobs" | "let" | "read"
        | "source" | "times" | "trap" | "type" | "ulimit" | "wait" | "[[" => {
            |call| Err(call.unknown())
        }
        _ => return None,
    })
}

fn command(name: &str) -> Option<Run> {
    Some(match name {
        "addgroup" => accounts::addgroup,
        "adduser" => accounts::adduser,
        "add-shell" => accounts::add_shell,
        "basename" => text::basename,
        "bbsuid" => system::bbsuid,
        "busybox" => system::busybox,
        "busybox-extras" => system::busybox_extras,
        "cat" => text::cat,
        "chgrp" => attributes::chgrp,
        "chmod" => attributes::chmod,
        "chown" => attributes::chown,
        "cp" => copy::cp,
        "dbus-send" | "killall" | "pkill" => system::nobody_listens,
        "dbus-uuidgen" | "iscsi-gen-initiatorname" | "rc-machine-id" => system::at_first_boot,
        "depmod" => system::depmod,
        "dirname" => text::dirname,
        "egrep" | "fgrep" | "grep" => grep::grep,
        "install" => copy::install,
        "ln" => files::ln,
        "mkdir" => files::mkdir,
        "mkinitfs" => system::mkinitfs,
        "mv" => copy::mv,
        "rc-update" => system::rc_update,
        "readlink" => files::readlink,
        "rm" => files::rm,
        "rmdir" => files::rmdir,
        "sync" => |_| Ok(0),
        "touch" => files::touch,
        "udevadm" => system::udevadm,
        "uname" => system::uname,
        "update-ca-certificates" => system::update_ca_certificates,
        _ => return None,
    })
}

impl Call<'_, '_> {
    /// Writes to the standard output.
    pub fn say(&mut self, text: impl AsRef<[u8]>) -> Result<(), Failure> {
        self.shell.write(&self.io.output, text.as_ref())
    }

    /// Writes an error message, and gives the status that goes with it.
    pub fn complain(&mut self, message: &str) -> Result<i32, Failure> {
        let text = format!("{}: {message}\n", self.name);
        self.shell.write(&self.io.errors, text.as_bytes())?;
        Ok(1)
    }

    /// The call is beyond the interpreter.
    pub fn unknown(&self) -> Failure {
        let call: Vec<&str> =
            std::iter::once(self.name).chain(self.arguments.iter().map(String::as_str)).collect();
        self.shell.unknown(format!("`{}`", call.join(" ")))
    }

    /// Options and operands. `flags` are single letters, `values` letters with a value behind them.
    pub fn options(&self, flags: &str, values: &str) -> Result<Options, Failure> {
        let mut options = Options::default();
        let mut arguments = self.arguments.iter();
        while let Some(argument) = arguments.next() {
            match argument.strip_prefix('-') {
                Some("-") => {
                    options.operands.extend(arguments.by_ref().cloned());
                }
                None | Some("") => options.operands.push(argument.clone()),
                Some(letters) => {
                    for (at, letter) in letters.char_indices() {
                        if flags.contains(letter) {
                            options.flags.push(letter);
                            continue;
                        }
                        if !values.contains(letter) {
                            return Err(self.unknown());
                        }
                        let value = match &letters[at + letter.len_utf8()..] {
                            "" => arguments.next().ok_or_else(|| self.unknown())?.clone(),
                            value => value.to_owned(),
                        };
                        options.values.push((letter, value));
                        break;
                    }
                }
            }
        }
        Ok(options)
    }
}

/// What a command was called with.
#[derive(Debug, Default)]
pub struct Options {
    flags: String,
    values: Vec<(char, String)>,
    pub operands: Vec<String>,
}

impl Options {
    pub fn has(&self, flag: char) -> bool {
        self.flags.contains(flag)
    }

    /// The last value given with that letter.
    pub fn value(&self, letter: char) -> Option<&str> {
        self.values.iter().rev().find(|(given, _)| *given == letter).map(|(_, value)| &**value)
    }
}
