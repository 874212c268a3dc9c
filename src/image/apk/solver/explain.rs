//! Says why a list of wishes cannot be fulfilled.

use std::collections::BTreeSet;

use super::graph::{Need, PackageId, Provider};
use super::reasons::list;
use super::state::Solver;
use crate::error::{Error, ErrorKind};
use crate::suggest::did_you_mean;

/// Problems that are told in full; the rest is counted.
const SHOWN: usize = 8;

/// The error for wishes that led to `chosen`, which does not fit together.
pub(super) fn explain(solver: &Solver<'_>, chosen: &[PackageId]) -> Error {
    let mut problems =
        Problems { solver, chosen, told: BTreeSet::new(), messages: Vec::new(), hints: Vec::new() };
    for wish in &solver.graph.world {
        problems.look_at(None, wish);
    }
    for package in chosen {
        for need in &solver.graph.package(*package).depends {
            problems.look_at(Some(*package), need);
        }
    }
    for package in chosen {
        problems.look_at_package(*package);
    }
    problems.into_error()
}

pub(super) struct Problems<'s, 'a> {
    pub solver: &'s Solver<'a>,
    pub chosen: &'s [PackageId],
    told: BTreeSet<String>,
    messages: Vec<String>,
    hints: Vec<String>,
}

impl<'a> Problems<'_, 'a> {
    fn tell(&mut self, message: String) {
        if self.told.insert(message.clone()) {
            self.messages.push(message);
        }
    }

    fn hint(&mut self, hint: String) {
        if !self.hints.contains(&hint) {
            self.hints.push(hint);
        }
    }

    /// Tells why a need is not met, if it is not.
    fn look_at(&mut self, of: Option<PackageId>, need: &Need<'a>) {
        let (solver, graph) = (self.solver, self.solver.graph);
        let who = of.map_or("you ask for".into(), |of| format!("{} needs", self.full_name(of)));
        let chosen = solver.chosen(need.name);
        let dependency = need.dependency;
        let meets = |provider| Provider::satisfies(provider, graph, need, of);
        if meets(chosen.as_ref()) {
            return;
        }
        if dependency.conflict {
            if let Some(chosen) = chosen {
                let refuses = of
                    .map_or("you exclude".into(), |of| format!("{} excludes", self.full_name(of)));
                let because = self.needed_by(need.name);
                self.tell(format!(
                    "{refuses} {}, but {} is needed{because}",
                    &dependency.to_string()[1..],
                    self.full_name(chosen.package)
                ));
            }
            return;
        }
        let providers = &graph.name(need.name).providers;
        let matching: Vec<&Provider<'a>> =
            providers.iter().filter(|one| meets(Some(one))).collect();
        if providers.is_empty() {
            self.tell(format!("{who} {dependency}, which no repository has"));
            let names = graph.names().iter().filter(|name| !name.providers.is_empty());
            if let Some(hint) = did_you_mean(&dependency.name, names.map(|name| name.text)) {
                self.hint(hint);
            }
        } else if matching.is_empty() {
            let found: Vec<String> =
                providers.iter().map(|one| self.described(need.name, one)).collect();
            self.tell(format!("{who} {dependency}, and there is only {}", list(&found)));
        } else {
            self.why_not(&who, need, &matching);
        }
    }

    /// Tells why none of the providers that would meet a need was taken.
    fn why_not(&mut self, who: &str, need: &Need<'a>, matching: &[&Provider<'a>]) {
        let (solver, graph) = (self.solver, self.solver.graph);
        let dependency = need.dependency;
        if !matching.iter().any(|one| solver.may_be_taken(one)) {
            let names: BTreeSet<&str> =
                matching.iter().map(|one| &*graph.package(one.package).package.name).collect();
            let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
            self.tell(format!(
                "{who} {dependency}, which {} can be, and none is preferred",
                list(&names)
            ));
            self.hint(format!("Add the one that you want to your packages: {}.", names[0]));
            return;
        }
        for one in matching {
            let node = graph.package(one.package);
            let name = node.package.full_name();
            if let Some(why) = &node.package.unusable {
                self.tell(format!("{who} {dependency}, and {name} cannot be used: {why}"));
            } else if !node.usable {
                self.tell(format!("{who} {dependency}, and {name} is for {}", node.package.arch));
            } else if let Some(missing) = self.unmet(one.package) {
                self.tell(format!("{who} {dependency}, and {name} needs {missing}"));
                self.look_deeper(one.package);
            } else if let Some(conflict) = self.conflict_of(one.package) {
                self.tell(format!("{who} {dependency}, but {name} is excluded by {conflict}"));
            } else {
                let chosen = solver.chosen(need.name).map(|chosen| self.full_name(chosen.package));
                let chosen = chosen.unwrap_or_else(|| "nothing".into());
                self.tell(format!("{who} {dependency}, but {chosen} was chosen instead of {name}"));
            }
        }
    }

    /// Tells the reasons below a package that was given up.
    fn look_deeper(&mut self, package: PackageId) {
        if self.messages.len() > SHOWN
            || !self.told.insert(format!("\0{}", self.full_name(package)))
        {
            return;
        }
        for need in &self.solver.graph.package(package).depends {
            if !self.solver.can_be_met(package, need) {
                self.look_at(Some(package), need);
            }
        }
    }

    /// Tells of a chosen package that cannot be used here, that shares a name with another, or that no untagged repository
    /// has.
    fn look_at_package(&mut self, package: PackageId) {
        let (solver, graph) = (self.solver, self.solver.graph);
        let state = &solver.packages[package.at()];
        let node = graph.package(package);
        let name = self.full_name(package);
        if let Some(why) = &node.package.unusable {
            self.tell(format!("{name} cannot be used: {why}"));
        } else if !node.usable {
            self.tell(format!(
                "{name} is for {}, and there is none for this architecture",
                node.package.arch
            ));
        }
        if !state.tag_fits {
            let tags = graph.tags_of(node.repositories);
            if let Some(tag) = tags.first() {
                self.tell(format!("{name} is only in the repository with the tag @{tag}"));
                self.hint(format!("Ask for {}@{tag} to take it from there.", node.package.name));
            }
        }
        for (id, _) in graph.names_of(package) {
            let Some(owner) = solver.chosen(id).filter(|owner| owner.package != package) else {
                continue;
            };
            let mine = graph.names_of(package).find(|(name, _)| *name == id);
            if owner.version.is_some() || mine.is_some_and(|(_, version)| version.is_some()) {
                let owner = self.full_name(owner.package);
                self.tell(format!(
                    "{name} and {owner} are both {}, and only one can be",
                    graph.name(id).text
                ));
            }
        }
    }

    fn into_error(self) -> Error {
        let Self { mut messages, hints, .. } = self;
        if messages.is_empty() {
            messages.push("the packages you ask for exclude each other".into());
        }
        let first = messages.remove(0);
        let hidden = messages.len().saturating_sub(SHOWN);
        messages.truncate(SHOWN);
        if hidden > 0 {
            messages.push(format!("and {hidden} more problems"));
        }
        let error = Error::new(ErrorKind::Image, first).detail(messages.join("\n"));
        hints.into_iter().fold(error, Error::hint)
    }
}
