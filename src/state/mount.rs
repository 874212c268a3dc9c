//! A mount: its line in `/etc/fstab`, and whether it is mounted now.

use super::file::check_path;
use super::node::Wanted;
use super::{Action, Aspect, Change};
use crate::error::{Error, Result};
use crate::remote::quote::sh_quote;
use crate::remote::{Converge, Converged};

/// How far a mount should be set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MountState {
    /// In `fstab`, and mounted.
    #[default]
    Mounted,
    /// In `fstab`; whether it is mounted does not matter.
    Present,
    /// In `fstab`, not mounted.
    Unmounted,
    /// Neither.
    Absent,
}

impl MountState {
    pub const NAMES: [&'static str; 4] = ["mounted", "present", "unmounted", "absent"];

    pub fn parse(word: &str) -> Option<Self> {
        let states = [Self::Mounted, Self::Present, Self::Unmounted, Self::Absent];
        Self::NAMES.iter().position(|name| *name == word).map(|index| states[index])
    }
}

/// A wanted mount.
#[derive(Debug, Clone, Default)]
pub struct Mount {
    pub path: String,
    pub source: String,
    pub fstype: String,
    /// Comma-separated; empty means `defaults`.
    pub options: String,
    pub state: MountState,
}

impl Mount {
    fn fstab_line(&self) -> String {
        let options = if self.options.is_empty() { "defaults" } else { &self.options };
        format!("{} {} {} {options} 0 0", self.source, self.path, self.fstype)
    }

    fn check(&self) -> Result<()> {
        check_path(&self.path)?;
        let needed = self.state != MountState::Absent;
        for (name, value) in
            [("source", &self.source), ("fstype", &self.fstype), ("options", &self.options)]
        {
            if value.contains(char::is_whitespace) {
                return Err(Error::playbook(format!("mount: {name} must not contain a space")));
            }
            if needed && value.is_empty() && name != "options" {
                return Err(Error::playbook(format!("mount: {name} is missing"))
                    .hint("Example: host.mount(\"/data/nas\", #{ source: \"nas:/export\", fstype: \"nfs\" });"));
            }
        }
        Ok(())
    }
}

impl Wanted for Mount {
    fn converge(&self) -> Result<Converge> {
        self.check()?;
        let path = sh_quote(&self.path);
        let absent = self.state == MountState::Absent;
        let fstab = if absent { String::new() } else { self.fstab_line() };
        let mounted = match self.state {
            MountState::Mounted => "mounted",
            MountState::Present => "",
            MountState::Unmounted | MountState::Absent => "unmounted",
        };
        let mount = match mounted {
            "mounted" => format!(
                "[ -d {path} ] || mkdir -p {path} || return\n[ \"$M\" = {path} ] || mount {path}"
            ),
            "unmounted" => format!("[ \"$M\" != {path} ] || umount {path}"),
            _ => ":".to_owned(),
        };
        Ok(Converge {
            key: format!("mount {}", self.path),
            probe: format!(
                "while read -r s p t o x; do [ \"$p\" != {path} ] || printf '%s' \"$s $p $t $o $x\"; done </etc/fstab; echo\n{}",
                match mounted {
                    "" => String::new(),
                    _ => format!(
                        "p_mount {path}; [ \"$M\" = {path} ] && printf mounted || printf unmounted"
                    ),
                }
            ),
            wanted: format!("{fstab}\n{mounted}").trim_end_matches('\n').to_owned(),
            apply: format!(
                "B= C=\nwhile IFS= read -r l; do set -- $l; [ \"$2\" = {path} ] || C=$C$l$NL; done </etc/fstab\n\
                 [ -z {line} ] || C=$C{line}$NL\nf_put /etc/fstab 022 keep keep || return\np_mount {path}\n{mount}",
                line = sh_quote(&fstab)
            ),
            path: "/etc/fstab".into(),
            ..Converge::default()
        })
    }

    fn change(&self, seen: &Converged) -> Result<Change> {
        let change = Change::of("mount", &self.path);
        if !seen.differs {
            return Ok(change);
        }
        let (line, mounted) = seen.found.split_once('\n').unwrap_or((&seen.found, ""));
        let wanted =
            if self.state == MountState::Absent { String::new() } else { self.fstab_line() };
        let mut change = change;
        if line != wanted {
            change.aspects.push(Aspect::Attribute {
                name: "fstab",
                before: (!line.is_empty()).then(|| line.to_owned()),
                after: wanted,
            });
        }
        let action = match (self.state, mounted) {
            (MountState::Mounted, "unmounted") => Some(Action::Mount),
            (MountState::Unmounted | MountState::Absent, "mounted") => Some(Action::Unmount),
            _ => None,
        };
        change.aspects.extend(action.map(|action| Aspect::Action { action }));
        Ok(change)
    }
}
