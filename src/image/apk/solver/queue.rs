//! Names that wait: to be looked at again, or to be decided.

use std::collections::{BTreeSet, VecDeque};

use super::graph::NameId;
use super::state::{Rank, Solver};

/// In which queue a name waits for a decision.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Waiting {
    #[default]
    Nowhere,
    /// Nothing can change any more: decided at once, in the order of arrival.
    Now,
    /// There is a provider that may be taken.
    Selectable,
    /// There is none yet.
    Last,
}

#[derive(Default)]
pub(super) struct Queues {
    dirty: VecDeque<NameId>,
    now: VecDeque<NameId>,
    selectable: BTreeSet<(Rank, NameId)>,
    last: BTreeSet<(Rank, NameId)>,
}

impl Solver<'_> {
    /// Has a name looked at again.
    pub fn queue_dirty(&mut self, id: NameId) {
        let name = self.name(id);
        let matters = name.needed > 0 || name.check_triggers;
        if name.is_dirty || name.decided.is_some() || !matters {
            return;
        }
        name.is_dirty = true;
        self.queues.dirty.push_back(id);
    }

    /// The next name to be looked at again.
    pub fn next_dirty(&mut self) -> Option<NameId> {
        while let Some(id) = self.queues.dirty.pop_front() {
            // A decision takes a name out of the queue.
            if !self.is_decided(id) {
                self.name(id).is_dirty = false;
                return Some(id);
            }
        }
        None
    }

    /// Has a name decided some time. One that waits already may come to another queue if it `changed`.
    pub fn queue_undecided(&mut self, id: NameId, changed: bool) {
        let name = &self.names[id.at()];
        if name.decided.is_some() || name.waiting == Waiting::Now {
            return;
        }
        let is_final =
            name.needs_are_final && name.needed > 0 && name.has_selectable && !name.has_options;
        if name.waiting == Waiting::Nowhere {
            if name.needed == 0 && !name.has_triggered && !name.trigger_waits {
                return;
            }
        } else if !is_final && !changed {
            return;
        }
        let waiting = match (is_final, name.has_selectable) {
            (true, _) => Waiting::Now,
            (false, true) => Waiting::Selectable,
            (false, false) => Waiting::Last,
        };
        self.leave_queue(id);
        let rank = self.names[id.at()].rank;
        self.name(id).waiting = waiting;
        match waiting {
            Waiting::Nowhere => {}
            Waiting::Now => self.queues.now.push_back(id),
            Waiting::Selectable => drop(self.queues.selectable.insert((rank, id))),
            Waiting::Last => drop(self.queues.last.insert((rank, id))),
        }
    }

    /// Takes a name that is decided out of its queue.
    pub fn leave_queue(&mut self, id: NameId) {
        let entry = (self.names[id.at()].rank, id);
        match std::mem::take(&mut self.name(id).waiting) {
            // Left behind there: it is skipped when its turn comes.
            Waiting::Nowhere | Waiting::Now => {}
            Waiting::Selectable => drop(self.queues.selectable.remove(&entry)),
            Waiting::Last => drop(self.queues.last.remove(&entry)),
        }
    }

    /// The next name to decide.
    pub fn next_undecided(&mut self) -> Option<NameId> {
        while let Some(id) = self.queues.now.pop_front() {
            if !self.is_decided(id) {
                return Some(id);
            }
        }
        let (_, id) = self.queues.selectable.pop_last().or_else(|| self.queues.last.pop_last())?;
        self.name(id).waiting = Waiting::Nowhere;
        Some(id)
    }
}
