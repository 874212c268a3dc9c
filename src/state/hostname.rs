//! The node's name, on disk and in the kernel.

use super::node::Wanted;
use super::{Aspect, Change};
use crate::error::{Error, Result};
use crate::remote::{Converge, Converged};

/// The wanted host name: a DNS label.
#[derive(Debug, Clone)]
pub struct Hostname(String);

impl Hostname {
    pub fn new(name: &str) -> Result<Self> {
        let good = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
        let fits = !name.is_empty() && name.len() <= 63 && name.chars().all(good);
        if !fits || name.starts_with(['-', '.']) || name.ends_with(['-', '.']) {
            return Err(Error::playbook(format!("`{}` is not a host name", name.escape_debug()))
                .hint("Letters, digits, `-` and `.`, at most 63 characters."));
        }
        Ok(Self(name.to_owned()))
    }

    pub fn name(&self) -> &str {
        &self.0
    }
}

impl Wanted for Hostname {
    fn converge(&self) -> Result<Converge> {
        let name = &self.0;
        Ok(Converge {
            key: "hostname".into(),
            probe: "f= k=\n[ ! -f /etc/hostname ] || read -r f </etc/hostname\n\
                    read -r k </proc/sys/kernel/hostname\nprintf '%s %s' \"$f\" \"$k\""
                .into(),
            wanted: format!("{name} {name}"),
            apply: format!("B= C='{name}\n'\nf_put /etc/hostname 022 keep keep && hostname {name}"),
            path: "/etc/hostname".into(),
            content: Some(format!("{name}\n").into_bytes()),
            ..Converge::default()
        })
    }

    fn change(&self, seen: &Converged) -> Result<Change> {
        let change = Change::of("hostname", &self.0);
        if !seen.differs {
            return Ok(change);
        }
        let (file, kernel) = seen.found.split_once(' ').unwrap_or(("", ""));
        let part = |name, before: &str| {
            (before != self.0).then(|| Aspect::Attribute {
                name,
                before: (!before.is_empty()).then(|| before.to_owned()),
                after: self.0.clone(),
            })
        };
        let aspects = [part("/etc/hostname", file), part("running name", kernel)];
        Ok(Change { aspects: aspects.into_iter().flatten().collect(), ..change })
    }
}
