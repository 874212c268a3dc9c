//! Who speaks for and against a package: what [`explain`](super::explain) tells.

use super::explain::Problems;
use super::graph::{NameId, Need, PackageId, Provider};

impl<'a> Problems<'_, 'a> {
    pub fn full_name(&self, package: PackageId) -> String {
        self.solver.graph.package(package).package.full_name()
    }

    /// A need of a package that nothing can meet any more.
    pub fn unmet(&self, package: PackageId) -> Option<String> {
        let needs = &self.solver.graph.package(package).depends;
        let unmet = needs.iter().find(|need| !self.solver.can_be_met(package, need))?;
        Some(unmet.dependency.to_string())
    }

    /// Who speaks against a package: a chosen package, or the user.
    pub fn conflict_of(&self, package: PackageId) -> Option<String> {
        let graph = self.solver.graph;
        if let Some(wish) = graph.world.iter().find(|wish| self.excludes(wish, None, package)) {
            return Some(format!("your {}", wish.dependency));
        }
        let by_need = |chosen: &PackageId| {
            let mut needs = graph.package(*chosen).depends.iter();
            let need = needs.find(|need| self.excludes(need, Some(*chosen), package))?;
            Some(format!("{}, which needs {}", self.full_name(*chosen), need.dependency))
        };
        let by_name = |chosen: &PackageId| {
            let shared = self.shared_name(*chosen, package)?;
            Some(format!("{}, which is {shared} too", self.full_name(*chosen)))
        };
        let chosen = || self.chosen.iter();
        chosen().find_map(by_need).or_else(|| chosen().find_map(by_name))
    }

    /// Whether a need that names a package does not accept it.
    fn excludes(&self, need: &Need<'a>, of: Option<PackageId>, package: PackageId) -> bool {
        let graph = self.solver.graph;
        let mut providers = graph.name(need.name).providers.iter();
        providers
            .any(|one| one.package == package && !Provider::satisfies(Some(one), graph, need, of))
    }

    /// A name that only one of two packages can have.
    fn shared_name(&self, a: PackageId, b: PackageId) -> Option<&'a str> {
        let graph = self.solver.graph;
        let shared = graph.names_of(a).find(|(name, version)| {
            let theirs = graph.names_of(b).find(|(other, _)| other == name);
            theirs.is_some_and(|(_, other)| version.is_some() || other.is_some())
        });
        shared.filter(|_| a != b).map(|(name, _)| graph.name(name).text)
    }

    /// " by a and b" for those who need a name.
    pub fn needed_by(&self, id: NameId) -> String {
        let graph = self.solver.graph;
        let needs = |need: &&Need<'a>| need.name == id && !need.dependency.conflict;
        if graph.world.iter().any(|wish| needs(&wish)) {
            return " by you".into();
        }
        let needing = self
            .chosen
            .iter()
            .filter(|package| graph.package(**package).depends.iter().any(|need| needs(&need)));
        let by: Vec<String> = needing.map(|package| self.full_name(*package)).collect();
        if by.is_empty() { String::new() } else { format!(" by {}", list(&by)) }
    }

    /// A provider as it is found under a name.
    pub fn described(&self, id: NameId, provider: &Provider<'a>) -> String {
        let node = self.solver.graph.package(provider.package);
        match provider.version {
            _ if node.name == id => node.package.full_name(),
            Some(version) => format!("{version} of {}", node.package.full_name()),
            None => format!("{} without a version", node.package.full_name()),
        }
    }
}

/// `a, b and c`, and no more than five.
pub(super) fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] if first.len() < 5 => format!("{} and {last}", first.join(", ")),
        _ => format!("{} and {} others", items[..4].join(", "), items.len() - 4),
    }
}
