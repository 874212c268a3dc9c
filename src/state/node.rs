//! A node as the verbs see it: bring a wanted thing about, inside or outside a writable scope.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Change, sha256};
use crate::error::Result;
use crate::remote::{Converge, Converged, Output, Query, Remote, Run, Scope};

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
    /// Whether each change leaves a mark first, because the playbook has handlers.
    marks: AtomicBool,
    /// The marks that an earlier, cut run has left, once they were asked for.
    left: Mutex<Option<Arc<HashSet<String>>>>,
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
        Self {
            remote,
            scope: Mutex::default(),
            ask,
            marks: AtomicBool::new(false),
            left: Mutex::default(),
        }
    }

    /// From now on each change leaves a mark on the node first, until [`Node::clear_marks`]: should the
    /// run be cut, the next one knows that a handler is still due.
    pub fn leave_marks(&self) {
        self.marks.store(true, Ordering::Relaxed);
    }

    /// Whether an earlier, cut run made one of these changes and never got to its handler.
    pub fn has_marks(&self, changes: &[Change]) -> Result<bool> {
        let left = self.left_marks()?;
        Ok(changes.iter().any(|change| left.contains(&mark_name(&change.key))))
    }

    fn left_marks(&self) -> Result<Arc<HashSet<String>>> {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(marks) = &*left {
            return Ok(Arc::clone(marks));
        }
        let script = "[ ! -d \"$H/pending\" ] || ls \"$H/pending\"".to_owned();
        let output = self.remote.query(&Query { script, ..Query::default() })?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let marks = Arc::new(text.lines().map(str::to_owned).collect::<HashSet<_>>());
        *left = Some(Arc::clone(&marks));
        Ok(marks)
    }

    /// Takes the marks of these changes away: their handler has succeeded.
    pub fn clear_marks(&self, changes: &[Change]) -> Result<()> {
        let names: Vec<String> = changes.iter().map(|change| mark_name(&change.key)).collect();
        if names.is_empty() || self.is_dry() {
            return Ok(());
        }
        let names = names.iter().map(|name| format!("\"$H/pending/{name}\"")).collect::<Vec<_>>();
        let apply = format!("rm -f {}", names.join(" "));
        let (probe, wanted) = (":".into(), "cleared".into());
        self.remote.converge(&Converge { probe, wanted, apply, ..Converge::default() }).map(drop)
    }

    pub fn remote(&self) -> &Arc<dyn Remote> {
        &self.remote
    }

    pub fn is_dry(&self) -> bool {
        self.remote.is_dry()
    }

    /// Brings `wanted` about and says what differed.
    pub fn bring(&self, wanted: &dyn Wanted) -> Result<Change> {
        let converge = self.here(wanted.converge()?);
        let key = converge.key.clone();
        if self.ask.is_some() {
            let seen = self.remote.look(&converge)?;
            self.note_left(&seen);
            let change = Change { key: key.clone(), ..wanted.change(&seen)? };
            if !change.changed() || !self.agrees(&change)? {
                return Ok(change.unless_changed());
            }
        }
        let seen = self.remote.converge(&converge)?;
        let change = wanted.change(&seen)?;
        if seen.differs {
            self.note_change();
        }
        self.note_left(&seen);
        Ok(Change { key, ..change })
    }

    /// Whether the user wants this change. Only asked with `--step`.
    pub fn agrees(&self, change: &Change) -> Result<bool> {
        self.ask.as_ref().map_or(Ok(true), |ask| ask(change))
    }

    /// Makes a change that the caller has looked for, and asked about, itself.
    pub fn make(&self, converge: Converge) -> Result<Converged> {
        let seen = self.remote.converge(&self.here(converge))?;
        self.note_change();
        Ok(seen)
    }

    /// Like [`Node::make`], without another look. An empty `apply` only checks the way to `path`, opens the scope and
    /// leaves the mark, for a change that travels over a channel of its own.
    pub fn make_now(&self, key: String, path: &str, apply: String) -> Result<()> {
        let apply = if apply.is_empty() { ":".to_owned() } else { apply };
        let converge = self.here(Converge {
            key,
            probe: ":".into(),
            wanted: "made".into(),
            apply,
            path: path.to_owned(),
            ..Converge::default()
        });
        self.remote.converge(&converge)?;
        self.note_change();
        Ok(())
    }

    /// The request as it is in the present scope, with the mark that it leaves.
    fn here(&self, converge: Converge) -> Converge {
        let marks = self.marks.load(Ordering::Relaxed);
        let mark = marks.then(|| (mark_name(&converge.key), converge.key.clone()));
        Converge { scope: self.current_scope(), mark, ..converge }
    }

    /// Runs a changing script. `None` in a dry run.
    pub fn run(&self, mut run: Run) -> Result<Option<Output>> {
        run.scope = self.current_scope();
        let output = self.remote.run(&run)?;
        self.note_change();
        Ok(output)
    }

    /// Remembers what the node says of earlier runs that were cut.
    fn note_left(&self, seen: &Converged) {
        self.lock().marked |= seen.marked;
        if !seen.due {
            self.left.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default();
        }
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

/// A file name for the mark of a change.
fn mark_name(key: &str) -> String {
    sha256(key.as_bytes())[..16].to_owned()
}
