//! Which of two packages a path belongs to. Source: apk-tools 3.0, `src/package.c`, `apk_pkg_replaces_file` and
//! `apk_pkg_replaces_dir`.

use super::database::Record;
use crate::image::apk::{Constraint, Dependency, Package};

/// What becomes of a path that an earlier package has, when a later one brings it too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    Earlier,
    Later,
    /// Neither says that it replaces the other's files.
    Conflict,
}

/// For files and links.
pub fn of_file(earlier: &Record, later: &Record) -> Claim {
    let rank = |one: &Record, other: &Record| {
        let replaces = one.replaces.iter().any(|dependency| names(dependency, &other.package));
        replaces.then_some(one.replaces_priority)
    };
    let (before, after) = (rank(earlier, later), rank(later, earlier));
    let same_origin =
        !later.package.origin.is_empty() && earlier.package.origin == later.package.origin;
    match () {
        () if before > after => Claim::Earlier,
        () if after.is_some() || same_origin => Claim::Later,
        () => Claim::Conflict,
    }
}

/// For the mode and owner of a directory: there is always one.
pub fn later_owns_directory(earlier: &Record, later: &Record) -> bool {
    if earlier.replaces_priority != later.replaces_priority {
        return earlier.replaces_priority < later.replaces_priority;
    }
    let (a, b) = (&earlier.package, &later.package);
    if !a.origin.is_empty() && a.origin == b.origin {
        if a.origin == a.name {
            return false;
        }
        if b.origin == b.name {
            return true;
        }
    }
    a.name > b.name
}

/// Whether a dependency is on this package by its own name.
fn names(dependency: &Dependency, package: &Package) -> bool {
    if dependency.name != package.name {
        return dependency.conflict;
    }
    let matches = match &dependency.constraint {
        Constraint::Any => true,
        Constraint::Version(op, wanted) => op.accepts(&package.version, wanted),
        Constraint::Identity(checksum) => *checksum == package.checksum,
    };
    matches != dependency.conflict
}
