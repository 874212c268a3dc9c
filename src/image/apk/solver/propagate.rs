//! Deduces what must be, and what cannot be any more, from what is sure.

use std::collections::{HashMap, HashSet};

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
    fn inherit_tags(&mut self, id: PackageId, from: Option<PackageId>, need: &Need<'a>) {
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

    fn need_changed(&mut self, id: NameId) {
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

    pub fn recheck_needing(&mut self, id: NameId) {
        let graph = self.graph;
        for needing in &graph.name(id).needed_by {
            if self.name(*needing).seen {
                self.name(*needing).check_needs = true;
                self.queue_dirty(*needing);
            }
        }
    }

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

    pub fn recheck_triggered_by_package(&mut self, id: PackageId) {
        let graph = self.graph;
        for (name, _) in graph.names_of(id) {
            self.recheck_triggered_by(name);
        }
    }

    /// Looks at a name again: which providers are left, what triggers them, and what all of them need.
    fn reconsider(&mut self, id: NameId) {
        let graph = self.graph;
        let check_needs = std::mem::take(&mut self.name(id).check_needs);
        let check_triggers = std::mem::take(&mut self.name(id).check_triggers);
        let is_needed = self.name(id).needed > 0;
        let (mut has_triggered, mut cannot_trigger, mut has_selectable) = (false, true, false);
        let mut has_foreign_tag = false;
        let mut candidates: Vec<Provider<'a>> = Vec::new();
        for provider in &graph.name(id).providers {
            let package = provider.package;
            self.package(package).is_candidate = false;
            if check_needs && self.package(package).possible && !self.needs_can_be_met(package) {
                self.rule_out(package);
            }
            if !self.package(package).possible {
                continue;
            }
            if check_triggers {
                self.check_trigger(package);
            }
            let state = self.package(package);
            has_triggered |= state.triggered;
            cannot_trigger &= state.cannot_trigger;
            has_selectable |= state.triggered;
            if is_needed {
                state.is_candidate = true;
                has_foreign_tag |= !state.tag_fits;
                candidates.push(*provider);
                has_selectable |= self.may_be_taken(provider);
            }
        }
        let name = self.name(id);
        name.has_options = candidates.len() > 1 || has_foreign_tag;
        name.has_triggered = has_triggered;
        name.cannot_trigger = cannot_trigger;
        let changed = std::mem::replace(&mut name.has_selectable, has_selectable) != has_selectable;
        self.deduce_from(id, &candidates);
        let is_open = |name: &NameId| self.names[name.at()].seen && !self.is_decided(*name);
        let needs_are_final = !graph.name(id).needed_by.iter().any(is_open);
        self.name(id).needs_are_final = needs_are_final;
        self.queue_undecided(id, changed);
    }

    fn needs_can_be_met(&self, id: PackageId) -> bool {
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

    /// Finds out whether a package's `install_if` is fulfilled.
    fn check_trigger(&mut self, id: PackageId) {
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

    /// What all candidates for a name need or provide will be needed or provided, whichever it will be.
    fn deduce_from(&mut self, id: NameId, candidates: &[Provider<'a>]) {
        let graph = self.graph;
        let Some((first, others)) = candidates.split_first() else { return };
        for provider in &graph.name(id).providers {
            let state = self.package(provider.package);
            state.needs_deduced = state.is_candidate;
        }
        let first = first.package;
        let needs = &graph.package(first).depends;
        let mut common: HashSet<NameId> =
            needs.iter().filter(|need| !need.dependency.conflict).map(|need| need.name).collect();
        for other in others {
            let theirs: HashSet<NameId> = graph
                .package(other.package)
                .depends
                .iter()
                .filter(|need| !need.dependency.conflict)
                .map(|need| need.name)
                .collect();
            common.retain(|name| theirs.contains(name));
        }
        for need in needs {
            if !common.remove(&need.name) {
                continue;
            }
            if others.is_empty() {
                self.require(Some(first), need);
            } else if self.name(need.name).needed == 0 {
                self.name(need.name).needed = 1;
                self.need_changed(need.name);
                for provider in &graph.name(need.name).providers {
                    self.inherit_tags(provider.package, Some(first), need);
                }
            }
        }
        self.keep_only_providers_of(id, candidates);
    }

    /// If all candidates for `id` have a second name, nothing else can have that name.
    fn keep_only_providers_of(&mut self, id: NameId, candidates: &[Provider<'a>]) {
        let graph = self.graph;
        let Some((first, others)) = candidates.split_first() else { return };
        // The second names, and whether a candidate has them without a version.
        let mut common: HashMap<NameId, bool> = HashMap::new();
        self.note_names(first, &mut common);
        for other in others {
            let mut theirs = HashMap::new();
            self.note_names(other, &mut theirs);
            common.retain(|name, is_virtual| match theirs.get(name) {
                Some(also) => {
                    *is_virtual |= also;
                    true
                }
                None => false,
            });
        }
        for (name, _) in graph.names_of(first.package) {
            if let Some(is_virtual) = common.remove(&name) {
                self.rule_out_strangers(name, id, is_virtual);
            }
        }
    }

    /// Adds a candidate's names. Its own counts as it is provided under the name that was asked for.
    fn note_names(&self, candidate: &Provider<'a>, names: &mut HashMap<NameId, bool>) {
        let node = self.graph.package(candidate.package);
        names.insert(node.name, candidate.version.is_none());
        for (name, version) in &node.provides {
            names.entry(*name).or_insert(version.is_none());
        }
    }

    /// Rules out providers of `name` that do not provide `wanted`. Those that are one of many stay if `skip_virtual`.
    fn rule_out_strangers(&mut self, name: NameId, wanted: NameId, skip_virtual: bool) {
        let graph = self.graph;
        if name == wanted {
            return;
        }
        for provider in &graph.name(name).providers {
            let node = graph.package(provider.package);
            let provides = || {
                node.provides
                    .iter()
                    .any(|(name, version)| *name == wanted || skip_virtual && version.is_none())
            };
            let stays = node.name == wanted
                || !self.package(provider.package).possible
                || skip_virtual && provider.version.is_none()
                || provides();
            if !stays {
                self.rule_out(provider.package);
            }
        }
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
