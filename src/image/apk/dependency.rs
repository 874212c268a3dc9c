//! What packages, and the user, ask for: `[!]name[@tag][op version]`. Source: apk-tools 3.0, `doc/apk-world.5.scd`.

use std::cmp::Ordering;
use std::fmt;

use super::checksum::Checksum;
use super::version::Version;
use crate::error::{Error, ErrorKind, Result};

/// A wish for a package, or against one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Dependency {
    /// `!name`: what matches must not be installed.
    pub conflict: bool,
    /// The name of a package, or of something that packages provide, such as `so:libc.musl-aarch64.so.1`.
    pub name: String,
    /// `@tag`: packages of repositories with this tag may be taken. In the user's own list only.
    pub tag: Option<String>,
    pub constraint: Constraint,
}

/// Which versions a dependency is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Constraint {
    Any,
    Version(Op, Version),
    /// `><Q1…`: this very package.
    Identity(Checksum),
}

/// How a version must stand to the one in the dependency. `~` compares as many components as are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Op {
    Less,
    LessOrEqual,
    LessOrMatches,
    Equal,
    Matches,
    GreaterOrEqual,
    GreaterOrMatches,
    Greater,
}

/// A name that a package has besides its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Provide {
    pub name: String,
    /// With a version, the package owns the name, and satisfies those who need it. Without, it is one of many, and the
    /// user chooses, or `provider_priority` does.
    pub version: Option<Version>,
}

impl Op {
    /// As it is spelled in packages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::LessOrMatches => "<~",
            Self::Equal => "=",
            Self::Matches => "~",
            Self::GreaterOrEqual => ">=",
            Self::GreaterOrMatches => ">~",
            Self::Greater => ">",
        }
    }

    /// From any order of its characters. `~` implies `=`.
    fn parse(text: &str) -> Option<Self> {
        let has = |sign| text.contains(sign);
        let equal = has('=') || has('~');
        Some(match (has('<'), has('>'), equal, has('~')) {
            (true, false, false, _) => Self::Less,
            (true, false, true, false) => Self::LessOrEqual,
            (true, false, true, true) => Self::LessOrMatches,
            (false, false, true, false) => Self::Equal,
            (false, false, true, true) => Self::Matches,
            (false, true, true, false) => Self::GreaterOrEqual,
            (false, true, true, true) => Self::GreaterOrMatches,
            (false, true, false, _) => Self::Greater,
            _ => return None,
        })
    }

    /// Whether `found` stands to `wanted` as this says.
    pub fn accepts(self, found: &Version, wanted: &Version) -> bool {
        let order = match self {
            Self::LessOrMatches | Self::Matches | Self::GreaterOrMatches => {
                found.compare_to_prefix(wanted)
            }
            _ => found.compare(wanted),
        };
        match self {
            Self::Less => order == Ordering::Less,
            Self::LessOrEqual | Self::LessOrMatches => order != Ordering::Greater,
            Self::Equal | Self::Matches => order == Ordering::Equal,
            Self::GreaterOrEqual | Self::GreaterOrMatches => order != Ordering::Less,
            Self::Greater => order == Ordering::Greater,
        }
    }
}

impl Dependency {
    /// Any version of `name`.
    pub fn on(name: impl Into<String>) -> Self {
        Self { conflict: false, name: name.into(), tag: None, constraint: Constraint::Any }
    }

    /// Reads a dependency, with or without a tag.
    ///
    /// # Errors
    /// When it is none, with what is wrong.
    pub fn parse(text: &str) -> Result<Self> {
        let (conflict, rest) = match text.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let sign = |sign: char| matches!(sign, '<' | '>' | '=' | '~');
        let (name, constraint) = match rest.find(sign) {
            None => (rest, Constraint::Any),
            Some(at) => {
                let (name, rest) = rest.split_at(at);
                let version = rest.trim_start_matches(sign);
                let op = &rest[..rest.len() - version.len()];
                (name, Constraint::parse(op, version).map_err(|why| malformed(text, &why))?)
            }
        };
        let (name, tag) = match name.split_once('@') {
            Some((_, "")) => return Err(malformed(text, "there is no tag after `@`")),
            Some((name, tag)) => (name, Some(tag.to_owned())),
            None => (name, None),
        };
        if name.is_empty() {
            return Err(malformed(text, "it has no name"));
        }
        if let Some(bad) = name.chars().find(|c| c.is_whitespace() || c.is_control() || *c == '!') {
            return Err(malformed(text, &format!("{bad:?} cannot be in a name")));
        }
        Ok(Self { conflict, name: name.to_owned(), tag, constraint })
    }

    /// Reads a list separated by spaces, as packages have it: without tags.
    ///
    /// # Errors
    /// When an item is not a dependency.
    pub fn parse_list(text: &str) -> Result<Vec<Self>> {
        text.split_ascii_whitespace()
            .map(|item| match Self::parse(item)? {
                Self { tag: Some(_), .. } => {
                    Err(malformed(item, "`@` is for the user's own list, not for packages"))
                }
                dependency => Ok(dependency),
            })
            .collect()
    }
}

impl Constraint {
    /// Whether a package with that checksum is meant, if it has the name in question in that version. A name without
    /// a version is older than all versions.
    pub fn accepts(&self, version: Option<&Version>, checksum: &Checksum) -> bool {
        match (self, version) {
            (Self::Any, _) => true,
            (Self::Identity(wanted), _) => wanted == checksum,
            (Self::Version(op, wanted), Some(found)) => op.accepts(found, wanted),
            (Self::Version(op, _), None) => {
                matches!(op, Op::Less | Op::LessOrEqual | Op::LessOrMatches)
            }
        }
    }

    fn parse(op: &str, version: &str) -> Result<Self, String> {
        if op == "><" {
            return Checksum::parse(version)
                .map(Self::Identity)
                .ok_or_else(|| format!("`{version}` is not a checksum"));
        }
        let op = Op::parse(op).ok_or_else(|| format!("`{op}` does not compare versions"))?;
        let version = Version::parse(version).map_err(|error| error.message().to_owned())?;
        Ok(Self::Version(op, version))
    }
}

impl Provide {
    /// Reads `name` or `name=version`.
    ///
    /// # Errors
    /// When it is neither.
    pub fn parse(text: &str) -> Result<Self> {
        let Dependency { conflict, name, tag, constraint } = Dependency::parse(text)?;
        if conflict || tag.is_some() {
            return Err(malformed(text, "a package provides a name, or a name and a version"));
        }
        match constraint {
            Constraint::Any => Ok(Self { name, version: None }),
            Constraint::Version(_, version) => Ok(Self { name, version: Some(version) }),
            Constraint::Identity(_) => Err(malformed(text, "a checksum cannot be provided")),
        }
    }
}

fn malformed(text: &str, why: &str) -> Error {
    Error::new(ErrorKind::Image, format!("`{text}` does not name a package: {why}"))
        .hint("Write a name, or a name and a version: k3s, k3s>=1.30, k3s~1.30, !mdev, foo@edge.")
}

impl fmt::Display for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.conflict { "!" } else { "" };
        write!(f, "{sign}{}", self.name)?;
        if let Some(tag) = &self.tag {
            write!(f, "@{tag}")?;
        }
        match &self.constraint {
            Constraint::Any => Ok(()),
            Constraint::Version(op, version) => write!(f, "{}{version}", op.as_str()),
            Constraint::Identity(checksum) => write!(f, "><{checksum}"),
        }
    }
}

impl fmt::Display for Provide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            Some(version) => write!(f, "{}={version}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn prints_what_it_read() {
        for text in [
            "k3s",
            "!mdev",
            "so:libc.musl-aarch64.so.1",
            "cmd:[",
            "foo@edge>=1.2-r0",
            "!foo<~1.2",
            "busybox><Q1KZXO0l8XKbgqYMdY0sCLLRlLDFs=",
        ] {
            assert_eq!(Dependency::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Dependency::parse("a=>1").unwrap().to_string(), "a>=1");
        assert_eq!(Dependency::parse("a=~1").unwrap().to_string(), "a~1");
    }

    #[test]
    fn says_what_is_wrong_with_a_dependency() {
        let message = |text| Dependency::parse(text).unwrap_err().message().to_owned();
        insta::assert_snapshot!(message("!"), @"`!` does not name a package: it has no name");
        insta::assert_snapshot!(message("a b"), @"`a b` does not name a package: ' ' cannot be in a name");
        insta::assert_snapshot!(message("a<=>1"), @"`a<=>1` does not name a package: `<=>` does not compare versions");
        insta::assert_snapshot!(message("a>1_new"), @"`a>1_new` does not name a package: `1_new` is not a version: `_new` cannot stand there");
        insta::assert_snapshot!(message("a><sha"), @"`a><sha` does not name a package: `sha` is not a checksum");
        insta::assert_snapshot!(message("a@>1"), @"`a@>1` does not name a package: there is no tag after `@`");
        insta::assert_snapshot!(Provide::parse("!a").unwrap_err().message(), @"`!a` does not name a package: a package provides a name, or a name and a version");
        insta::assert_snapshot!(Dependency::parse_list("a b@edge").unwrap_err().message(), @"`b@edge` does not name a package: `@` is for the user's own list, not for packages");
    }

    #[test]
    fn compares_versions_as_asked() {
        let accepts = |found: &str, wanted: &str| {
            let Constraint::Version(op, wanted) = Dependency::parse(wanted).unwrap().constraint
            else {
                panic!("{wanted} has no version")
            };
            op.accepts(&Version::parse(found).unwrap(), &wanted)
        };
        for wanted in ["a<2", "a<=1.2-r0", "a=1.2-r0", "a~1.2", "a~1", "a>=1.2", "a>~1.1", "a>1"] {
            assert!(accepts("1.2-r0", wanted), "{wanted}");
        }
        for wanted in ["a<1.2-r0", "a<=1", "a=1.2", "a~1.3", "a>~1.3", "a>1.2-r0", "a<~1.1"] {
            assert!(!accepts("1.2-r0", wanted), "{wanted}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_can_be_read_again(text in "!?[a-z:.@]{0,6}[<>=~]{0,3}[0-9._a-z-]{0,5}") {
            if let Ok(dependency) = Dependency::parse(&text) {
                prop_assert_eq!(&Dependency::parse(&dependency.to_string()).unwrap(), &dependency);
            }
        }
    }
}
