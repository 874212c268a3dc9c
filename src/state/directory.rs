//! A directory, a symbolic link, and nothing at all: the other things a path can be.

use super::attributes::Attributes;
use super::file::check_path;
use super::node::Wanted;
use super::{Aspect, Change};
use crate::error::{Error, Result};
use crate::remote::quote::sh_quote;
use crate::remote::{Converge, Converged};

/// A wanted directory; missing parents are made with mode 0755.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    pub path: String,
    pub attributes: Attributes,
}

impl Wanted for Directory {
    fn converge(&self) -> Result<Converge> {
        check_path(&self.path)?;
        let path = sh_quote(&self.path);
        let line = self.attributes.stat_line();
        let mut apply = match self.attributes.mode {
            Some(mode) => format!(
                "if [ -d {path} ]; then chmod {mode:o} {path}; else mkdir -p -m {mode:o} {path}; fi || return"
            ),
            None => format!("[ -d {path} ] || mkdir -p {path} || return"),
        };
        let owner = self.attributes.chown();
        if !owner.is_empty() {
            apply += &format!("\nchown {} {path}", sh_quote(&owner));
        }
        Ok(Converge {
            key: format!("dir {}", self.path.trim_end_matches('/')),
            probe: format!("f_state {path} {} ''", sh_quote(&self.attributes.stat_format())),
            wanted: format!("directory {line}").trim_end().to_owned(),
            facets: std::iter::once("kind").chain(self.attributes.facets()).collect(),
            apply,
            path: self.path.clone(),
            makes_parents: true,
            ..Converge::default()
        })
    }

    fn change(&self, seen: &Converged) -> Result<Change> {
        let change = Change::of("dir", &self.path);
        if !seen.differs {
            return Ok(change);
        }
        let words: Vec<&str> = seen.found.split_whitespace().collect();
        let (kind, words) = words.split_first().map_or(("absent", &[][..]), |(k, w)| (*k, w));
        match kind {
            "absent" | "nowhere" => {
                Ok(change.with(Aspect::Created).remark(self.attributes.remark(0o755)))
            }
            "directory" => Ok(Change { aspects: self.attributes.differences(words), ..change }),
            _ => Err(Error::file(format!("{} exists and is not a directory", self.path))
                .hint(format!("`host.absent(\"{}\")` removes it.", self.path))),
        }
    }
}

/// A wanted symbolic link.
#[derive(Debug, Clone, Default)]
pub struct Link {
    pub path: String,
    /// What the link says; it need not exist.
    pub target: String,
}

impl Wanted for Link {
    fn converge(&self) -> Result<Converge> {
        check_path(&self.path)?;
        let (path, target) = (sh_quote(&self.path), sh_quote(&self.target));
        let (parent, name) = self.path.rsplit_once('/').unwrap_or(("", &self.path));
        let temp = sh_quote(&format!("{parent}/.{name}.pirun"));
        Ok(Converge {
            key: format!("link {}", self.path),
            probe: format!("l_state {path}"),
            wanted: format!("link {}", self.target),
            apply: format!("ln -sfn {target} {temp} && mv -fT {temp} {path}"),
            path: self.path.clone(),
            replaces_link: true,
            ..Converge::default()
        })
    }

    fn change(&self, seen: &Converged) -> Result<Change> {
        let change = Change::of("link", &self.path);
        if !seen.differs {
            return Ok(change);
        }
        let target = |before: Option<&str>| Aspect::Attribute {
            name: "target",
            before: before.map(str::to_owned),
            after: self.target.clone(),
        };
        match &*seen.found {
            "absent" | "nowhere" => Ok(change.with(Aspect::Created).with(target(None))),
            "exists" => Err(Error::file(format!("{} exists and is not a link", self.path))
                .hint(format!("`host.absent(\"{}\")` removes it first.", self.path))),
            found => Ok(change.with(target(found.strip_prefix("link ")))),
        }
    }
}

/// A path that should not be there.
#[derive(Debug, Clone, Default)]
pub struct Absent {
    pub path: String,
}

impl Wanted for Absent {
    fn converge(&self) -> Result<Converge> {
        check_path(&self.path)?;
        let path = self.path.trim_end_matches('/');
        if path.matches('/').count() < 2 && !path.starts_with("/tmp/") {
            return Err(Error::playbook(format!("`{}` is not something to remove", self.path))
                .hint("A top-level directory can only be removed by hand."));
        }
        let word = sh_quote(path);
        Ok(Converge {
            key: format!("file {path}"),
            probe: format!(
                "if [ -L {word} ]; then printf link; elif [ -d {word} ]; then printf directory; \
                 elif [ -e {word} ]; then printf file; else printf absent; fi"
            ),
            wanted: "absent".into(),
            facets: vec!["kind"],
            apply: format!(
                "p_mount {word}; [ \"$M\" != {word} ] || {{ echo {word} is a mount point >&2; return 1; }}\nrm -rf {word}"
            ),
            path: path.to_owned(),
            replaces_link: true,
            makes_parents: true,
            ..Converge::default()
        })
    }

    fn change(&self, seen: &Converged) -> Result<Change> {
        let change = Change::of("absent", &self.path);
        Ok(if seen.differs { change.with(Aspect::Removed) } else { change })
    }
}
