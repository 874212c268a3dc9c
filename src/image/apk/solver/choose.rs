//! Decides which provider a name gets.

use std::cmp::Ordering;

use super::graph::{NameId, Provider};
use super::state::{Decision, Solver};

impl<'a> Solver<'a> {
    /// Decides for one provider of a name, or for none.
    pub fn decide(&mut self, id: NameId) {
        let Some(chosen) = self.best_provider(id) else {
            self.assign(id, None);
            if self.name(id).needed > 0 {
                self.errors += 1;
            }
            return;
        };
        let graph = self.graph;
        let package = chosen.package;
        if !self.package(package).possible || !self.package(package).tag_fits {
            self.mark_wrong(package);
        }
        for (name, version) in graph.names_of(package) {
            self.assign(name, Some(Provider { package, version }));
        }
        for need in &graph.package(package).depends {
            self.require(Some(package), need);
        }
    }

    fn best_provider(&mut self, id: NameId) -> Option<Provider<'a>> {
        let graph = self.graph;
        let name = self.name(id);
        let is_needed = name.needed > 0;
        if !is_needed && !name.has_triggered {
            return None;
        }
        let mut best: Option<Provider<'a>> = None;
        for provider in &graph.name(id).providers {
            let package = self.package(provider.package);
            let is_wanted = is_needed || package.triggered && package.tag_fits && package.possible;
            if !is_wanted || !self.may_be_taken(provider) {
                continue;
            }
            if best.is_none_or(|best| self.compare(provider, &best) == Ordering::Greater) {
                best = Some(*provider);
            }
        }
        best
    }

    /// Which of two providers of a name is to be preferred.
    fn compare(&self, a: &Provider<'a>, b: &Provider<'a>) -> Ordering {
        let state = |provider: &Provider<'a>| &self.packages[provider.package.at()];
        let node = |provider: &Provider<'a>| self.graph.package(provider.package);
        let ((state_a, state_b), (node_a, node_b)) = ((state(a), state(b)), (node(a), node(b)));
        let by_own_version = || {
            if node_a.name != node_b.name {
                return Ordering::Equal;
            }
            node_a.package.version.compare(&node_b.package.version)
        };
        let by_version = || match (a.version, b.version) {
            (Some(a), Some(b)) => a.compare(b),
            // Without a version is older than with any.
            (a, b) => a.is_some().cmp(&b.is_some()),
        };
        let priority = |provider: &Provider<'a>| node(provider).package.provider_priority;
        let first_repository =
            |provider: &Provider<'a>| node(provider).repositories.trailing_zeros();
        state_a
            .possible
            .cmp(&state_b.possible)
            .then_with(|| state_a.needs_deduced.cmp(&state_b.needs_deduced))
            .then_with(|| state_b.conflicts.cmp(&state_a.conflicts))
            .then_with(|| state_a.tag_fits.cmp(&state_b.tag_fits))
            .then_with(|| state_a.tag_preferred.cmp(&state_b.tag_preferred))
            .then_with(by_version)
            .then_with(by_own_version)
            .then_with(|| priority(a).cmp(&priority(b)))
            .then_with(|| first_repository(b).cmp(&first_repository(a)))
    }

    /// Notes who has a name from now on.
    fn assign(&mut self, id: NameId, provider: Option<Provider<'a>>) {
        let graph = self.graph;
        if let Some(Decision(known)) = self.name(id).decided {
            self.share(known, provider);
            return;
        }
        self.leave_queue(id);
        self.name(id).decided = Some(Decision(provider));
        if let Some(Provider { package, .. }) = provider
            && self.name(id).needed == 0
            && self.package(package).triggered
        {
            for need in &graph.package(package).install_if {
                if !self.is_decided(need.name) {
                    self.require(Some(package), need);
                }
            }
        }
        for other in &graph.name(id).providers {
            let is_same = provider.is_some_and(|provider| provider.package == other.package);
            // Of those without a version there may be many.
            let both_virtual = provider.is_none_or(|provider| provider.version.is_none())
                && other.version.is_none();
            if !is_same && !both_virtual {
                self.rule_out(other.package);
            }
        }
        self.recheck_needing(id);
        match provider {
            Some(provider) => self.recheck_triggered_by_package(provider.package),
            None => self.recheck_triggered_by(id),
        }
    }

    /// A second package for a name that has one: fine if neither owns it.
    fn share(&mut self, known: Option<Provider<'a>>, provider: Option<Provider<'a>>) {
        let is_owner = |one: &Option<Provider<'a>>| one.is_some_and(|one| one.version.is_some());
        if is_owner(&known) || is_owner(&provider) {
            for wrong in [provider, known].into_iter().flatten() {
                self.mark_wrong(wrong.package);
            }
        }
    }
}
