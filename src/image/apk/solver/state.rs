//! What the solver knows of names and packages at a moment.

use super::graph::{Graph, NameId, PackageId, Provider, Tags, UNTAGGED};
use super::queue::{Queues, Waiting};

pub(super) struct Solver<'a> {
    pub graph: &'a Graph<'a>,
    pub names: Vec<NameState<'a>>,
    pub packages: Vec<PackageState>,
    pub queues: Queues,
    /// How many names and packages turned out to be impossible.
    pub errors: usize,
}

#[derive(Clone, Default)]
pub(super) struct NameState<'a> {
    /// Whether it has to do with the user's wishes at all.
    pub seen: bool,
    /// Names that are more important are decided first.
    pub rank: Rank,
    /// Who needs it: wishes and packages that are sure to be installed.
    pub needed: u32,
    /// The decision, once there is one.
    pub decided: Option<Decision<'a>>,
    pub waiting: Waiting,
    /// Whether it waits to be looked at again, and what has changed since it was.
    pub is_dirty: bool,
    pub check_needs: bool,
    pub check_triggers: bool,
    /// Whether a provider is triggered by its `install_if`, and whether none can be any more.
    pub has_triggered: bool,
    pub cannot_trigger: bool,
    /// A decision is awaited by an `install_if` with `!name`.
    pub trigger_waits: bool,
    /// Whether there is more than one provider left, or one whose tag was not asked for.
    pub has_options: bool,
    /// Whether a provider may be taken without being named by the user.
    pub has_selectable: bool,
    /// Whether all who could depend on it are decided.
    pub needs_are_final: bool,
    /// Whether what has it is in its place among what is to be installed.
    pub is_ordered: bool,
}

/// The order of names in a queue: those that the user named, then those that are names of packages, then the rest; of
/// each, the one that was discovered last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    pub is_wish: bool,
    pub is_package: bool,
    pub discovered: u32,
}

/// Which provider a name got; none, if it stays without.
#[derive(Clone, Copy)]
pub(super) struct Decision<'a>(pub Option<Provider<'a>>);

#[derive(Clone, Default)]
pub(super) struct PackageState {
    pub seen: bool,
    /// Whether it still can be installed.
    pub possible: bool,
    /// How many dependencies of what is sure to be installed speak against it.
    pub conflicts: u32,
    /// The tags with which it, and what it depends on, was asked for.
    pub tags: Tags,
    /// Whether one of its repositories may be used for it, and whether it is the preferred one.
    pub tag_fits: bool,
    pub tag_preferred: bool,
    pub triggered: bool,
    pub cannot_trigger: bool,
    /// Whether it was a candidate when its name was last looked at, and whether its needs were deduced then.
    pub is_candidate: bool,
    pub needs_deduced: bool,
    pub is_ordered: bool,
    /// Whether it was chosen though it cannot be right.
    pub is_wrong: bool,
}

impl<'a> Solver<'a> {
    pub fn new(graph: &'a Graph<'a>) -> Self {
        Self {
            graph,
            names: vec![NameState::default(); graph.names().len()],
            packages: vec![
                PackageState { tags: UNTAGGED, ..Default::default() };
                graph.packages().len()
            ],
            queues: Queues::default(),
            errors: 0,
        }
    }

    pub fn name(&mut self, id: NameId) -> &mut NameState<'a> {
        &mut self.names[id.at()]
    }

    pub fn package(&mut self, id: PackageId) -> &mut PackageState {
        &mut self.packages[id.at()]
    }

    /// The provider that was decided for a name, if it was decided, and for one.
    pub fn chosen(&self, id: NameId) -> Option<Provider<'a>> {
        self.names[id.at()].decided.and_then(|Decision(provider)| provider)
    }

    pub fn is_decided(&self, id: NameId) -> bool {
        self.names[id.at()].decided.is_some()
    }

    /// Notes that a package cannot be right.
    pub fn mark_wrong(&mut self, id: PackageId) {
        if !self.package(id).is_wrong {
            self.package(id).is_wrong = true;
            self.errors += 1;
        }
    }

    /// The tag that lets a package in; none if it needs none.
    pub fn tag_of(&self, id: PackageId) -> Option<String> {
        let tags = self.packages[id.at()].tags;
        self.graph.first_tag(tags, self.graph.package(id).repositories).map(str::to_owned)
    }
}
