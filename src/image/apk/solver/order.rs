//! Sorts what was chosen, and finds out whether it fits together.

use super::graph::{NameId, Need, PackageId, Provider};
use super::state::Solver;

/// What is left to do, the next at the end: a list in place of recursion, since chains of dependencies can be long.
enum Task<'a> {
    /// See to it that a wish, or a dependency of a package, is fulfilled.
    Need(Option<PackageId>, &'a Need<'a>),
    /// Put what has this name in front, with what it needs.
    Name(NameId),
    /// All that the package needs is in front of it: it is its turn.
    Place(PackageId),
    /// If the package that has this name is there because of an `install_if`, put it in front too.
    Triggered(NameId),
    /// What needs something wrong is wrong.
    Blame(Option<PackageId>, Option<PackageId>),
}

impl<'a> Solver<'a> {
    /// The chosen packages in the order of their installation. Counts errors where something is missing.
    pub fn in_order(&mut self) -> Vec<PackageId> {
        let graph = self.graph;
        let mut order = Vec::new();
        let mut tasks: Vec<Task<'a>> =
            graph.world.iter().rev().map(|wish| Task::Need(None, wish)).collect();
        while let Some(task) = tasks.pop() {
            match task {
                Task::Need(of, need) => self.fulfil(of, need, &mut tasks),
                Task::Name(name) => self.open(name, &mut tasks),
                Task::Place(package) => {
                    order.push(package);
                    let names: Vec<NameId> =
                        graph.names_of(package).map(|(name, _)| name).collect();
                    let triggers = names.iter().flat_map(|name| &graph.name(*name).triggers);
                    let first = tasks.len();
                    tasks.extend(triggers.copied().map(Task::Triggered));
                    tasks[first..].reverse();
                }
                Task::Triggered(name) if self.is_triggered(name) => tasks.push(Task::Name(name)),
                Task::Triggered(_) => {}
                Task::Blame(of, by) => {
                    if by.is_some_and(|by| self.package(by).is_wrong) {
                        self.blame(of);
                    }
                }
            }
        }
        order
    }

    fn fulfil(&mut self, of: Option<PackageId>, need: &'a Need<'a>, tasks: &mut Vec<Task<'a>>) {
        let chosen = self.chosen(need.name);
        if !Provider::satisfies(chosen.as_ref(), self.graph, need, of) {
            self.blame(of);
        }
        tasks.push(Task::Blame(of, chosen.map(|provider| provider.package)));
        tasks.push(Task::Name(need.name));
    }

    /// A wish that is not fulfilled is counted when it is decided.
    fn blame(&mut self, of: Option<PackageId>) {
        if let Some(of) = of {
            self.mark_wrong(of);
        }
    }

    fn open(&mut self, id: NameId, tasks: &mut Vec<Task<'a>>) {
        let graph = self.graph;
        if std::mem::replace(&mut self.name(id).is_ordered, true) {
            return;
        }
        let Some(Provider { package, .. }) = self.chosen(id) else { return };
        if std::mem::replace(&mut self.package(package).is_ordered, true) {
            return;
        }
        for (name, _) in graph.names_of(package) {
            self.name(name).is_ordered = true;
        }
        tasks.push(Task::Place(package));
        let needs = graph.package(package).depends.iter().rev();
        tasks.extend(needs.map(|need| Task::Need(Some(package), need)));
    }

    /// Whether all that triggers what has this name is in front.
    fn is_triggered(&self, id: NameId) -> bool {
        let state = |id: NameId| &self.names[id.at()];
        let Some(Provider { package, .. }) = self.chosen(id) else { return false };
        if !state(id).seen || state(id).is_ordered {
            return false;
        }
        self.graph.package(package).install_if.iter().all(|need| {
            let is_in_front = need.dependency.conflict || state(need.name).is_ordered;
            let chosen = self.chosen(need.name);
            is_in_front && Provider::satisfies(chosen.as_ref(), self.graph, need, Some(package))
        })
    }
}
