//! Alpine's package formats: what a repository's index says, what is in a package, and which packages a list of wishes
//! comes to.
//!
//! A repository is [`Index::open`]ed with the [`Keys`] that may have signed it. [`solve`] chooses packages from several
//! of them, as `apk` would. [`Archive::open`] reads a downloaded package, provided it is the one the index meant.
//!
//! Format 2 only (`.apk` of gzip members, `APKINDEX.tar.gz`): it is what Alpine 3.23's repositories hold. Format 3 is
//! recognized and refused. Source of all formats: apk-tools 3.0, `doc/apk-v2.5.scd` and `doc/apk-package.5.scd`.

mod archive;
mod checksum;
mod data;
mod dependency;
mod fields;
mod gzip;
mod index;
mod keys;
mod listing;
mod package;
mod pkginfo;
mod signature;
mod solver;
#[cfg(test)]
pub(crate) mod testing;
mod version;

pub use archive::{Archive, ScriptKind};
pub use checksum::Checksum;
pub use dependency::{Constraint, Dependency, Op, Provide};
pub use index::{Freshness, Index};
pub use keys::Keys;
pub use listing::File;
pub use package::Package;
pub use pkginfo::PackageInfo;
pub use solver::{Repository, Selected, Solution, solve};
pub use version::Version;
