//! What is known of a package before it is downloaded.

use super::checksum::Checksum;
use super::dependency::{Dependency, Provide};
use super::version::Version;

/// A package as an index describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Package {
    pub name: String,
    pub version: Version,
    /// `noarch` for all machines.
    pub arch: String,
    /// Which file it is.
    pub checksum: Checksum,
    /// Bytes of the file.
    pub size: u64,
    /// Bytes of what is in it; 0 for a package that only depends on others.
    pub installed_size: u64,
    pub description: String,
    pub url: String,
    pub license: String,
    /// The source package it was built from. Packages of one origin may replace each other's files.
    pub origin: String,
    pub maintainer: String,
    /// Seconds since 1970.
    pub build_time: i64,
    pub commit: String,
    /// Which of several packages that provide a name without a version is taken: the highest, never 0.
    pub provider_priority: u16,
    pub depends: Vec<Dependency>,
    pub provides: Vec<Provide>,
    /// It is installed by itself as soon as all of these are.
    pub install_if: Vec<Dependency>,
    /// Why it cannot be installed, whatever is wanted: its description needs a newer reader.
    pub unusable: Option<String>,
}

impl Package {
    /// What repositories call its file.
    pub fn file_name(&self) -> String {
        format!("{}.apk", self.full_name())
    }

    /// Name and version, as `apk` prints it.
    pub fn full_name(&self) -> String {
        format!("{}-{}", self.name, self.version)
    }
}
