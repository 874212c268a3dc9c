//! Alpine packages.

use super::node::{Node, Wanted};
use super::{Aspect, Change, Directory, File};
use crate::error::{Error, Result};
use crate::remote::quote::{sh_quote, sh_words};
use crate::remote::{Converge, Converged};

/// Packages that should be installed, or not.
#[derive(Debug, Clone, Default)]
pub struct Packages {
    names: Vec<String>,
    pub absent: bool,
    /// One more repository to look in.
    pub repository: Option<String>,
}

impl Packages {
    pub fn new(names: impl IntoIterator<Item = String>) -> Result<Self> {
        let mut names: Vec<String> = names.into_iter().collect();
        names.iter().try_for_each(|name| check_name(name))?;
        names.sort();
        names.dedup();
        Ok(Self { names, ..Self::default() })
    }

    pub fn names(&self) -> &[String] {
        &self.names
    }
}

/// A package name, without a version.
fn check_name(name: &str) -> Result<()> {
    let good = |c: char| c.is_ascii_alphanumeric() || "_-.+".contains(c);
    if name.is_empty() || name.starts_with(['-', '.']) || !name.chars().all(good) {
        return Err(Error::playbook(format!("`{}` is not a package name", name.escape_debug()))
            .hint("Give plain names, such as `nfs-utils`; versions come from the image's Alpine branch."));
    }
    Ok(())
}

impl Wanted for Packages {
    fn converge(&self) -> Result<Converge> {
        let names = sh_words(&self.names);
        let repository = self
            .repository
            .as_ref()
            .map(|url| format!(" --repository {}", sh_quote(url)))
            .unwrap_or_default();
        let apply = if self.absent {
            format!("apk del -q {names}")
        } else {
            format!("apk add -q{repository} {names}")
        };
        Ok(Converge {
            key: format!("packages {names}"),
            probe: format!("apk info -e {names} | sort -u"),
            wanted: if self.absent { String::new() } else { self.names.join("\n") },
            apply,
            path: "/usr/bin/.".into(),
            ..Converge::default()
        })
    }

    fn change(&self, seen: &Converged) -> Result<Change> {
        let change = Change::of("packages", self.names.join(" "));
        if !seen.differs {
            return Ok(change);
        }
        let installed: Vec<&str> = seen.found.lines().collect();
        let aspects =
            self.names.iter().filter(|name| installed.contains(&name.as_str()) == self.absent);
        let word = if self.absent { "removed" } else { "installed" };
        let aspects =
            aspects.map(|name| Aspect::Attribute { name: word, before: None, after: name.clone() });
        Ok(Change { aspects: aspects.collect(), ..change })
    }
}

/// The list on `/data` of packages that belong to the node, whatever image it runs.
#[derive(Debug, Clone)]
pub struct KeptPackages(Vec<String>);

impl KeptPackages {
    /// One name a line.
    const PATH: &'static str = "/data/pirun/packages";

    /// The list with `packages` in it.
    pub fn of(packages: &Packages) -> Self {
        Self(packages.names.clone())
    }

    /// Adds what is missing to the list; what others have put there stays.
    pub fn bring(&self, node: &Node) -> Result<Change> {
        let before = node.remote().read(Self::PATH)?.unwrap_or_default();
        let before = String::from_utf8_lossy(&before);
        let mut names: Vec<&str> = before.lines().collect();
        names.extend(self.0.iter().map(String::as_str));
        names.sort_unstable();
        names.dedup();
        let content = names.iter().fold(String::new(), |text, name| text + *name + "\n");
        if content == before {
            return Ok(Change::of("keep_packages", self.0.join(" ")));
        }
        node.bring(&Directory { path: "/data/pirun".into(), ..Directory::default() })?;
        let file = File {
            verb: "keep_packages",
            path: Self::PATH.into(),
            content: content.into_bytes(),
            ..File::default()
        };
        Ok(Change { subject: self.0.join(" "), ..file.bring(node)? })
    }
}
