//! A user account, made with Alpine's own `adduser`.

use super::authorized_key::check_user;
use super::node::Wanted;
use super::{Aspect, Change};
use crate::error::{Error, Result};
use crate::remote::quote::sh_quote;
use crate::remote::{Converge, Converged};

/// A wanted account. `None` leaves a property of an existing account alone.
#[derive(Debug, Clone, Default)]
pub struct User {
    pub name: String,
    pub uid: Option<u32>,
    pub home: Option<String>,
    pub shell: Option<String>,
    /// Groups that it is a member of besides its own; others are left alone.
    pub groups: Vec<String>,
    pub system: bool,
    pub absent: bool,
}

impl User {
    fn check(&self) -> Result<()> {
        check_user(&self.name)?;
        self.groups.iter().try_for_each(|group| check_user(group))?;
        for path in [&self.home, &self.shell].into_iter().flatten() {
            if !path.starts_with('/') || path.contains([':', '\n', '|']) {
                return Err(Error::playbook(format!(
                    "user: `{}` is not a path",
                    path.escape_debug()
                )));
            }
        }
        Ok(())
    }

    /// Name and wanted value of each property, in the order of the probe.
    fn properties(&self) -> Vec<(&'static str, String)> {
        let uid = self.uid.map(|uid| ("uid", uid.to_string()));
        let home = self.home.clone().map(|home| ("home", home));
        let shell = self.shell.clone().map(|shell| ("shell", shell));
        let mut all: Vec<_> = [uid, home, shell].into_iter().flatten().collect();
        all.extend(self.groups.iter().map(|group| ("group", group.clone())));
        all
    }

    fn probe(&self) -> String {
        let name = &self.name;
        let mut probe = format!(
            "u=; while IFS=: read -r n _ i _ _ h s; do [ \"$n\" != {name} ] || u=$i x=$h y=$s; done </etc/passwd\n\
             [ -n \"$u\" ] || {{ printf absent; return; }}\necho present\n"
        );
        for (property, value) in self.properties() {
            probe += &match property {
                "uid" => "echo \"$u\"\n".to_owned(),
                "home" => "echo \"$x\"\n".to_owned(),
                "shell" => "echo \"$y\"\n".to_owned(),
                _ => format!(
                    "case \" $(id -Gn {name}) \" in *\" {value} \"*) echo {value} ;; *) echo - ;; esac\n"
                ),
            };
        }
        probe
    }

    fn apply(&self) -> String {
        let name = &self.name;
        if self.absent {
            return format!("deluser {name}");
        }
        let mut add = "adduser -D".to_owned();
        if self.system {
            add += " -S";
        }
        if let Some(uid) = self.uid {
            add += &format!(" -u {uid}");
        }
        if let Some(home) = &self.home {
            add += &format!(" -h {}", sh_quote(home));
        }
        if let Some(shell) = &self.shell {
            add += &format!(" -s {}", sh_quote(shell));
        }
        let mut apply = format!("if [ \"$G\" = absent ]; then {add} {name} || return; else\n");
        for (property, value) in self.properties() {
            let field = match property {
                "uid" => 3,
                "home" => 6,
                "shell" => 7,
                _ => continue,
            };
            apply += &format!(
                "B= C=$(awk -F: -v OFS=: -v n={name} -v v={} '$1==n{{${field}=v}}1' /etc/passwd)$NL && f_put /etc/passwd 022 keep keep || return\n",
                sh_quote(&value)
            );
        }
        apply += ":; fi\n";
        for group in &self.groups {
            apply += &format!(
                "case \" $(id -Gn {name}) \" in *\" {group} \"*) ;; *) addgroup {name} {group} || return ;; esac\n"
            );
        }
        apply
    }
}

impl Wanted for User {
    fn converge(&self) -> Result<Converge> {
        self.check()?;
        let values: String =
            self.properties().iter().map(|(_, value)| format!("\n{value}")).collect();
        Ok(Converge {
            key: format!("user {}", self.name),
            probe: self.probe(),
            wanted: if self.absent { "absent".into() } else { format!("present{values}") },
            apply: self.apply(),
            path: "/etc/passwd".into(),
            ..Converge::default()
        })
    }

    fn change(&self, seen: &Converged) -> Result<Change> {
        let change = Change::of("user", &self.name);
        if !seen.differs {
            return Ok(change);
        }
        if self.absent {
            return Ok(change.with(Aspect::Removed));
        }
        let found: Vec<&str> = seen.found.lines().skip(1).collect();
        if seen.found == "absent" {
            return Ok(change.with(Aspect::Created));
        }
        let pairs = self.properties().into_iter().zip(found);
        let differing = pairs.filter(|((_, wanted), found)| wanted != found);
        let aspects = differing.map(|((name, after), found)| Aspect::Attribute {
            name,
            before: (found != "-").then(|| found.to_owned()),
            after,
        });
        Ok(Change { aspects: aspects.collect(), ..change })
    }
}
