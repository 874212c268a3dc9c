//! A node as the verbs see it: bring a wanted thing about, inside or outside a writable scope.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Change;
use crate::error::Result;
use crate::remote::{Converge, Converged, Output, Remote, Run, Scope};

/// One wanted thing: how to look and put right, and how to tell what differed.
pub trait Wanted {
    /// The request for the node.
    fn converge(&self) -> Result<Converge>;

    /// What the answer means. Called for equal states too, which give an empty change.
    fn change(&self, seen: &Converged) -> Result<Change>;
}

/// Asked before each change when the user wants to step through: `false` skips it.
pub type Ask = Arc<dyn Fn(&Change) -> Result<bool> + Send + Sync>;

/// A connected node and the scope that its changes happen in.
pub struct Node {
    remote: Arc<dyn Remote>,
    scope: Mutex<ScopeState>,
    ask: Option<Ask>,
}

#[derive(Default)]
struct ScopeState {
    scope: Scope,
    /// Whether a change has happened in the scope.
    opened: bool,
    /// Whether the node says that an earlier run left a mount writable.
    marked: bool,
}

impl Node {
    pub fn new(remote: Arc<dyn Remote>, ask: Option<Ask>) -> Self {
        Self { remote, scope: Mutex::default(), ask }
    }

    pub fn remote(&self) -> &Arc<dyn Remote> {
        &self.remote
    }

    pub fn is_dry(&self) -> bool {
        self.remote.is_dry()
    }

    /// Brings `wanted` about and says what differed.
    pub fn bring(&self, wanted: &dyn Wanted) -> Result<Change> {
        let mut converge = wanted.converge()?;
        converge.scope = self.current_scope();
        if let Some(ask) = &self.ask {
            let change = wanted.change(&self.remote.look(&converge)?)?;
            if !change.changed() || !ask(&change)? {
                return Ok(Change { aspects: Vec::new(), ..change });
            }
        }
        let seen = self.remote.converge(&converge)?;
        let change = wanted.change(&seen)?;
        if seen.differs {
            self.note_change();
        }
        self.lock().marked |= seen.marked;
        Ok(change)
    }

    /// Runs a changing script. `None` in a dry run.
    pub fn run(&self, mut run: Run) -> Result<Option<Output>> {
        run.scope = self.current_scope();
        let output = self.remote.run(&run)?;
        self.note_change();
        Ok(output)
    }

    /// Remembers that the scope, if there is one, is open now.
    pub fn note_change(&self) {
        let mut state = self.lock();
        state.opened = !state.scope.mount.is_empty();
    }

    /// The scope that changes happen in at this moment.
    pub fn current_scope(&self) -> Scope {
        self.lock().scope.clone()
    }

    pub(super) fn enter_scope(&self, scope: Scope) {
        let mut state = self.lock();
        state.scope = scope;
        state.opened = false;
    }

    /// Whether a change has opened the scope, and whether an earlier run left it open.
    pub(super) fn scope_was_opened(&self) -> (bool, bool) {
        let state = self.lock();
        (state.opened, state.marked)
    }

    pub(super) fn leave_scope(&self) {
        *self.lock() = ScopeState::default();
    }

    fn lock(&self) -> MutexGuard<'_, ScopeState> {
        self.scope.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
