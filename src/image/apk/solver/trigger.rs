//! Packages that are installed by themselves, as soon as all of their `install_if` is.

use super::graph::{NameId, Need, PackageId, Provider};
use super::state::Solver;

impl<'a> Solver<'a> {
    /// Has all names looked at again whose providers are triggered by this one.
    pub fn recheck_triggered_by(&mut self, id: NameId) {
        let graph = self.graph;
        for triggered in &graph.name(id).triggers {
            let name = self.name(*triggered);
            if name.seen && !name.cannot_trigger {
                name.check_triggers = true;
                self.queue_dirty(*triggered);
            }
        }
    }

    /// The same for all names of a package.
    pub fn recheck_triggered_by_package(&mut self, id: PackageId) {
        let graph = self.graph;
        for (name, _) in graph.names_of(id) {
            self.recheck_triggered_by(name);
        }
    }

    /// Finds out whether a package's `install_if` is fulfilled.
    pub fn check_trigger(&mut self, id: PackageId) {
        let needs = &self.graph.package(id).install_if;
        if !self.package(id).triggered && !self.package(id).cannot_trigger {
            let (triggered, cannot_trigger) = self.trigger_of(id, needs);
            let state = self.package(id);
            (state.triggered, state.cannot_trigger) = (triggered, cannot_trigger);
        }
        if self.package(id).triggered {
            for need in needs {
                let from = self.chosen(need.name).map(|provider| provider.package);
                // What is there because nothing is there inherits no tag at all.
                self.inherit_tags(id, from, &Need { tag: 0, ..*need });
            }
        }
    }

    /// Whether all of `needs` are met, and whether they cannot be any more.
    fn trigger_of(&mut self, of: PackageId, needs: &[Need<'a>]) -> (bool, bool) {
        for need in needs {
            if !self.is_decided(need.name) {
                if need.dependency.conflict {
                    self.name(need.name).trigger_waits = true;
                    self.queue_undecided(need.name, false);
                }
                return (false, false);
            }
            let chosen = self.chosen(need.name);
            if !Provider::satisfies(chosen.as_ref(), self.graph, need, Some(of)) {
                return (false, true);
            }
        }
        (true, false)
    }
}
