//! Deduces what must be, and what cannot be any more, from what is sure.

use super::graph::{NameId, Need, PackageId, Provider};
use super::state::Solver;

impl<'a> Solver<'a> {
    pub fn apply_world(&mut self) {
        let graph = self.graph;
        for wish in &graph.world {
            self.require(None, wish);
        }
    }

    /// Decides name after name, until none is left.
    pub fn run(&mut self) {
        loop {
            while let Some(name) = self.next_dirty() {
                self.reconsider(name);
            }
            let Some(name) = self.next_undecided() else { break };
            self.decide(name);
        }
    }

    /// Takes a dependency for sure: of the package `of`, or of the user.
    pub fn require(&mut self, of: Option<PackageId>, need: &Need<'a>) {
        let graph = self.graph;
        if !need.dependency.conflict {
            self.name(need.name).needed += 1;
            if self.name(need.name).needed == 1 {
                self.need_changed(need.name);
            }
        }
        for provider in &graph.name(need.name).providers {
            let satisfies = Provider::satisfies(Some(provider), graph, need, of);
            let package = self.package(provider.package);
            package.conflicts += u32::from(!satisfies);
            if package.possible && package.conflicts > 0 {
                self.rule_out(provider.package);
            }
            if satisfies {
                self.inherit_tags(provider.package, of, need);
            }
        }
    }

    /// What a package may be taken from is what the one that needs it may be taken from; and what the user said of it.
    pub fn inherit_tags(&mut self, id: PackageId, from: Option<PackageId>, need: &Need<'a>) {
        let graph = self.graph;
        let repositories = graph.package(id).repositories;
        match from {
            Some(from) => self.package(id).tags |= self.packages[from.at()].tags,
            None => {
                let preferred = repositories & graph.repositories_with(need.tag) != 0;
                let package = self.package(id);
                package.tags |= need.tag;
                package.tag_preferred = preferred;
            }
        }
        let allowed = graph.repositories_with(self.packages[id.at()].tags);
        self.package(id).tag_fits |= repositories & allowed != 0;
    }

    /// Notes that a name that nothing needed is needed.
    pub fn need_changed(&mut self, id: NameId) {
        self.queue_undecided(id, false);
        self.recheck_triggered_by(id);
        self.queue_dirty(id);
    }

    /// A package cannot be installed: all who count on it are to be looked at again.
    pub fn rule_out(&mut self, id: PackageId) {
        self.package(id).possible = false;
        let graph = self.graph;
        for (name, _) in graph.names_of(id) {
            self.recheck_needing(name);
        }
        self.recheck_triggered_by_package(id);
    }

    /// Has all names looked at again whose providers depend on this one.
    pub fn recheck_needing(&mut self, id: NameId) {
        let graph = self.graph;
        for needing in &graph.name(id).needed_by {
            if self.name(*needing).seen {
                self.name(*needing).check_needs = true;
                self.queue_dirty(*needing);
            }
        }
    }

    /// Whether all that a package depends on was chosen, or still can be.
    pub fn needs_can_be_met(&self, id: PackageId) -> bool {
        self.graph.package(id).depends.iter().all(|need| self.can_be_met(id, need))
    }

    /// Whether something that was chosen, or still can be, meets a need of a package.
    pub fn can_be_met(&self, of: PackageId, need: &Need<'a>) -> bool {
        let meets = |provider| Provider::satisfies(provider, self.graph, need, Some(of));
        if self.is_decided(need.name) {
            return meets(self.chosen(need.name).as_ref());
        }
        if self.names[need.name.at()].needed == 0 && meets(None) {
            return true;
        }
        let providers = &self.graph.name(need.name).providers;
        providers.iter().any(|one| self.packages[one.package.at()].possible && meets(Some(one)))
    }

    /// Whether a provider may be taken though the user did not name it: one of many only by its priority, or if it is
    /// needed by its own name.
    pub fn may_be_taken(&self, provider: &Provider<'a>) -> bool {
        let node = self.graph.package(provider.package);
        provider.version.is_some()
            || node.package.provider_priority > 0
            || self.names[node.name.at()].needed > 0
    }
}
