//! Which packages a list of wishes comes to: the same ones that `apk add` would install into an empty root.
//!
//! That must be so: the node's own `apk` completes and checks what an image has. So the rules are those of `apk` 3.0,
//! down to the order in which names are looked at. It never takes a decision back. It deduces as much as it can
//! ([`propagate`], [`deduce`], [`trigger`]): what must be installed, and what cannot be any more. Then it decides for
//! one name ([`choose`]), the one that leaves the least to chance, and deduces again. [`order`] sorts what was chosen,
//! and finds out whether it fits together; [`explain`] says why it does not.
//!
//! Source of the rules: apk-tools 3.0.6, `src/solver.c` and `src/database.c`, read for what they do.

mod choose;
mod deduce;
mod discover;
mod explain;
mod graph;
mod hash_order;
mod order;
mod propagate;
mod queue;
mod reasons;
mod state;
#[cfg(test)]
mod tests;
mod trigger;

use std::sync::Arc;

use super::dependency::Dependency;
use super::index::Index;
use super::package::Package;
use crate::error::{Error, ErrorKind, Result};
use crate::suggest::did_you_mean;
use graph::Graph;
use state::Solver;

/// As many repositories as can be used at a time.
const MAX_REPOSITORIES: usize = 32;

/// A repository whose index was read.
#[derive(Debug, Clone)]
pub struct Repository {
    /// What errors call it.
    pub name: String,
    /// Its packages are taken only for those who ask for `name@tag`.
    pub tag: Option<String>,
    pub index: Index,
}

/// The packages to install.
#[derive(Debug, Clone)]
pub struct Solution {
    /// In the order in which `apk` installs them: dependencies come first, circles aside.
    pub packages: Vec<Selected>,
}

/// A package that was selected.
#[derive(Debug, Clone)]
pub struct Selected {
    pub package: Arc<Package>,
    /// The first repository that has it.
    pub repository: usize,
    /// The tag that lets it in; none for a package of an untagged repository.
    pub tag: Option<String>,
}

/// Chooses packages that fulfil all of `world`, for machines of `arch`. A later wish for a name replaces an earlier one.
/// Of packages that are equally good, the one of the first repository is taken.
///
/// # Errors
/// When there is no such set of packages, or `apk` would not find it: with the wishes that cannot be fulfilled, and why.
pub fn solve(world: &[Dependency], repositories: &[Repository], arch: &str) -> Result<Solution> {
    if repositories.len() > MAX_REPOSITORIES {
        return Err(Error::new(
            ErrorKind::Image,
            format!(
                "there are {} repositories, and {MAX_REPOSITORIES} can be used",
                repositories.len()
            ),
        ));
    }
    let world = last_wishes(world);
    refuse_unknown_tags(&world, repositories)?;
    let graph = Graph::build(&world, repositories, arch);
    let mut solver = Solver::new(&graph);
    solver.discover_world();
    solver.apply_world();
    solver.run();
    let packages = solver.in_order();
    if solver.errors > 0 {
        return Err(explain::explain(&solver, &packages));
    }
    let selected = |id: graph::PackageId| {
        let node = graph.package(id);
        Selected {
            package: Arc::clone(node.package),
            repository: node.repositories.trailing_zeros() as usize,
            tag: solver.tag_of(id),
        }
    };
    Ok(Solution { packages: packages.into_iter().map(selected).collect() })
}

/// One wish a name, in the order of names that does not tell `A` from `a`.
fn last_wishes(world: &[Dependency]) -> Vec<Dependency> {
    let mut wishes: Vec<Dependency> = Vec::new();
    for wish in world {
        match wishes.iter_mut().find(|known| known.name == wish.name) {
            Some(known) => known.clone_from(wish),
            None => wishes.push(wish.clone()),
        }
    }
    wishes.sort_by_cached_key(|wish| (wish.name.to_ascii_lowercase(), wish.name.clone()));
    wishes
}

/// A tag that no repository has is a mistake, even if the package is in an untagged one.
fn refuse_unknown_tags(world: &[Dependency], repositories: &[Repository]) -> Result<()> {
    let tags = || repositories.iter().filter_map(|repository| repository.tag.as_deref());
    for wish in world {
        let Some(tag) = &wish.tag else { continue };
        if !tags().any(|known| known == tag) {
            let error = Error::new(
                ErrorKind::Image,
                format!("you ask for {wish}, and no repository has the tag @{tag}"),
            );
            return Err(did_you_mean(tag, tags()).into_iter().fold(error, Error::hint));
        }
    }
    Ok(())
}
