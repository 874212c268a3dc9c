//! Finds all names and packages that may have to do with the user's wishes, and the order in which they are met.

use super::graph::{NameId, PackageId, UNTAGGED};
use super::state::{Rank, Solver};

/// What is left to do, the next at the end: a list in place of recursion, since chains of dependencies can be long.
enum Task {
    Meet(NameId),
    Prepare(PackageId),
    /// Everything that the name leads to is discovered, but for what its providers are triggered by.
    Rank(NameId),
}

impl Solver<'_> {
    pub fn discover_world(&mut self) {
        let graph = self.graph;
        for wish in &graph.world {
            self.name(wish.name).rank.is_wish = true;
        }
        let mut discovered = 0;
        for wish in &graph.world {
            let mut tasks = vec![Task::Meet(wish.name)];
            while let Some(task) = tasks.pop() {
                match task {
                    Task::Meet(name) => self.meet(name, &mut tasks),
                    Task::Prepare(package) => self.prepare(package, &mut tasks),
                    Task::Rank(name) => {
                        discovered += 1;
                        self.rank(name, discovered);
                    }
                }
            }
        }
    }

    fn meet(&mut self, id: NameId, tasks: &mut Vec<Task>) {
        if std::mem::replace(&mut self.name(id).seen, true) {
            return;
        }
        let graph = self.graph;
        let name = graph.name(id);
        let first = tasks.len();
        let packages = || name.providers.iter().map(|provider| provider.package);
        let meet = |names: &[NameId]| names.iter().copied().map(Task::Meet).collect::<Vec<_>>();
        tasks.extend(packages().map(Task::Prepare));
        tasks.extend(meet(&name.triggers));
        for package in packages() {
            let node = graph.package(package);
            tasks.extend(meet(&graph.name(node.name).triggers));
            tasks.extend(node.provides.iter().map(|(name, _)| Task::Meet(*name)));
        }
        tasks.push(Task::Rank(id));
        for package in packages() {
            tasks
                .extend(graph.package(package).install_if.iter().map(|need| Task::Meet(need.name)));
        }
        tasks[first..].reverse();
    }

    fn prepare(&mut self, id: PackageId, tasks: &mut Vec<Task>) {
        if std::mem::replace(&mut self.package(id).seen, true) {
            return;
        }
        let graph = self.graph;
        let node = graph.package(id);
        let untagged = graph.repositories_with(UNTAGGED);
        let state = self.package(id);
        state.possible = node.usable;
        state.cannot_trigger = node.install_if.is_empty();
        // Packages without files are taken from everywhere.
        state.tag_preferred = node.package.installed_size == 0 || node.repositories & untagged != 0;
        state.tag_fits = state.tag_preferred;
        tasks.extend(node.depends.iter().rev().map(|need| Task::Meet(need.name)));
    }

    fn rank(&mut self, id: NameId, discovered: u32) {
        let graph = self.graph;
        let providers = &graph.name(id).providers;
        let is_package =
            providers.iter().any(|provider| graph.package(provider.package).name == id);
        let cannot_trigger =
            providers.iter().all(|provider| self.packages[provider.package.at()].cannot_trigger);
        let name = self.name(id);
        name.rank = Rank { is_package, discovered, ..name.rank };
        name.cannot_trigger = cannot_trigger;
    }
}
