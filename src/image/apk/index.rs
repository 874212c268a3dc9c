//! `APKINDEX.tar.gz`: the packages of a repository. Source: apk-tools 3.0, `doc/apk-v2.5.scd`.

use std::io::Read as _;
use std::sync::Arc;

use super::fields::Fields;
use super::keys::Keys;
use super::package::Package;
use super::{gzip, signature};
use crate::error::{Error, ErrorKind, Result};

/// Decoded bytes of an index. Alpine's largest has 10 MiB.
const MAX: u64 = 256 << 20;

/// The packages of a repository, in its order.
#[derive(Debug, Clone, Default)]
pub struct Index {
    /// What the repository calls its state, such as `v3.23.6-12-gab34cd`.
    pub description: String,
    pub packages: Vec<Arc<Package>>,
}

/// How new an index is: what a lock file remembers, so that nobody can offer old packages as new ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freshness {
    pub description: String,
    /// When its newest package was built, in seconds since 1970.
    pub newest: i64,
}

impl Index {
    /// Reads the bytes of an `APKINDEX.tar.gz`, provided that one of `keys` signed it. `origin` says in errors where it
    /// is from.
    ///
    /// # Errors
    /// When it is not trusted, cut, or not an index.
    pub fn open(bytes: &[u8], keys: &Keys, origin: &str) -> Result<Self> {
        let refuse = |why: &str| refuse(origin, why);
        if let Some(why) = gzip::why_not_gzip(bytes) {
            return Err(refuse(why));
        }
        let signed = signature::verify(bytes, keys).map_err(|why| {
            refuse(&why)
                .hint(format!("Trusted are {}.", keys.names().collect::<Vec<_>>().join(", ")))
        })?;
        let mut rest = signed;
        let tar = gzip::member(&mut rest, MAX).map_err(|error| refuse(&error.to_string()))?;
        if !rest.is_empty() {
            return Err(refuse("there is something behind its end"));
        }
        Self::from_tar(&tar).map_err(|why| refuse(&why))
    }

    fn from_tar(tar: &[u8]) -> Result<Self, String> {
        let mut description = String::new();
        let mut packages = None;
        let unreadable = |error: std::io::Error| format!("it cannot be read: {error}");
        for file in tar::Archive::new(tar).entries().map_err(unreadable)? {
            let mut file = file.map_err(unreadable)?;
            let name = file.path_bytes().into_owned();
            if !matches!(&*name, b"DESCRIPTION" | b"APKINDEX") {
                continue;
            }
            let mut text = String::new();
            file.read_to_string(&mut text).map_err(unreadable)?;
            match &*name {
                b"DESCRIPTION" => text.trim().clone_into(&mut description),
                _ => packages = Some(Self::parse(&text)?),
            }
        }
        let packages = packages.ok_or("there is no APKINDEX in it")?;
        Ok(Self { description, packages })
    }

    /// Reads the text of an `APKINDEX`.
    ///
    /// # Errors
    /// With the line, and what is wrong there.
    pub fn parse(text: &str) -> Result<Vec<Arc<Package>>, String> {
        let mut packages = Vec::new();
        let mut fields = Fields::default();
        for (line, number) in text.lines().chain([""]).zip(1..) {
            let at_line = |why: String| format!("line {number}: {why}");
            if line.is_empty() {
                if !fields.is_empty() {
                    let package = std::mem::take(&mut fields).finish(None).map_err(at_line)?;
                    packages.push(Arc::new(package));
                }
                continue;
            }
            let mut chars = line.chars();
            match (chars.next(), chars.next()) {
                (Some(letter), Some(':')) => {
                    fields.set(letter, chars.as_str()).map_err(at_line)?;
                }
                _ => return Err(at_line(format!("`{line}` is not a field"))),
            }
        }
        Ok(packages)
    }

    /// How new it is.
    pub fn freshness(&self) -> Freshness {
        let newest = self.packages.iter().map(|package| package.build_time).max();
        Freshness { description: self.description.clone(), newest: newest.unwrap_or_default() }
    }

    /// Refuses an index that is older than the one that was used before. A signature tells who made an index, not that
    /// there is no newer one: a mirror, or somebody in between, could hold back corrections.
    ///
    /// # Errors
    /// When its newest package was built before `known` was.
    pub fn refuse_if_older(&self, known: &Freshness, origin: &str) -> Result<()> {
        let found = self.freshness();
        if found.newest >= known.newest {
            return Ok(());
        }
        Err(refuse(
            origin,
            &format!(
                "it is older than the one that was used before ({} is older than {})",
                found.describe(),
                known.describe()
            ),
        )
        .hint("The mirror may be behind: try another one, or wait.")
        .hint("If the repository was really set back, remove the lock file and build again."))
    }
}

impl Freshness {
    fn describe(&self) -> String {
        match &*self.description {
            "" => format!("built at {}", self.newest),
            name => format!("{name}, built at {}", self.newest),
        }
    }
}

fn refuse(origin: &str, why: &str) -> Error {
    Error::new(ErrorKind::Image, format!("the package index of {origin} is refused: {why}"))
}

#[cfg(test)]
mod tests;
