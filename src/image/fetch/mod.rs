//! Where packages come from: mirrors, the cache, and the lock file that says which.
//!
//! A [`Fetcher`] brings the indexes of an [`Alpine`](super::Alpine)'s repositories and, once packages have been
//! [`Chosen`], their files. Nothing gets into the [`Cache`] that is not what a trusted index or the [`Lock`] means, so
//! whatever is in there can be used without a mirror.

mod cache;
mod client;
mod fetcher;
mod index;
mod lock;
mod package;
#[cfg(test)]
mod tests;
mod trouble;

use std::sync::Arc;

pub use cache::Cache;
pub use client::Patience;
pub use fetcher::{Fetcher, Progress, Repository};
pub use lock::{Lock, LockedIndex};

use super::apk::Package;

/// A package that is to be in the image, and the repository that has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Chosen {
    /// Such as `main`.
    pub repository: String,
    pub package: Arc<Package>,
}
