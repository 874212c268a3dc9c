//! Looks at a name and its providers that are left: what must be, and what cannot be any more, whichever it will be.

use std::collections::{HashMap, HashSet};

use super::graph::{NameId, Provider};
use super::state::Solver;

impl<'a> Solver<'a> {
    /// Looks at a name again: which providers are left, what triggers them, and what all of them need.
    pub fn reconsider(&mut self, id: NameId) {
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
}
