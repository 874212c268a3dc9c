//! The host that a playbook holds in its hand.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rhai::NativeCallContext;

use super::context::{HostState, RunContext, current_host};
use super::convert::{self, ScriptResult};
use crate::error::{Error, Result};
use crate::inventory::Host;
use crate::state::{Change, Node};
use crate::ui::Event;

/// A host of the inventory within a run. Clones are the same host.
#[derive(Clone)]
pub struct HostHandle(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    run: Arc<RunContext>,
    state: Arc<HostState>,
    /// Set by `would_change`: verbs go to this node, and count here instead of in the recap.
    probe: Option<Probe>,
    /// Set by `wait_for`: the live line keeps what is waited for.
    silent: bool,
}

#[derive(Clone)]
struct Probe {
    node: Arc<Node>,
    changes: Arc<AtomicUsize>,
}

impl HostHandle {
    pub fn new(run: &Arc<RunContext>, host: &Arc<Host>) -> Self {
        let state = run.state(host);
        Self(Arc::new(Inner { run: run.clone(), state, probe: None, silent: false }))
    }

    pub fn host(&self) -> &Arc<Host> {
        &self.0.state.host
    }

    pub fn name(&self) -> &str {
        &self.host().name
    }

    pub fn run(&self) -> &Arc<RunContext> {
        &self.0.run
    }

    pub fn state(&self) -> &Arc<HostState> {
        &self.0.state
    }

    /// The same host, but its verbs go to `dry` and only count what they would change.
    #[must_use]
    pub fn probing(&self, dry: Arc<Node>) -> Self {
        let probe = Some(Probe { node: dry, changes: Arc::default() });
        Self(Arc::new(Inner { probe, ..(*self.0).clone() }))
    }

    /// How many changes were seen through a handle made by [`HostHandle::probing`].
    pub fn probed_changes(&self) -> usize {
        self.0.probe.as_ref().map_or(0, |probe| probe.changes.load(Ordering::SeqCst))
    }

    /// The connection, made when it is first needed.
    pub fn node(&self) -> Result<Arc<Node>> {
        match &self.0.probe {
            Some(probe) => Ok(probe.node.clone()),
            None => self.0.run.node(&self.0.state),
        }
    }

    /// How output names it: `rpi41`, or `rpi41 → rpi40` when rpi41's closure uses another host.
    pub fn label(&self) -> String {
        match current_host() {
            Some(current) if current != self.name() => format!("{current} → {}", self.name()),
            _ => self.name().to_owned(),
        }
    }

    /// A verb that only looks. `doing` is shown in the host's live line.
    pub fn look<T>(
        &self,
        ctx: &NativeCallContext,
        doing: &str,
        work: impl FnOnce(&Node) -> Result<T>,
    ) -> ScriptResult<T> {
        self.attempt(doing, work).map_err(|error| self.raise(ctx, error))
    }

    /// A verb that changes: its change is counted and shown.
    pub fn change(
        &self,
        ctx: &NativeCallContext,
        doing: &str,
        work: impl FnOnce(&Node) -> Result<Change>,
    ) -> ScriptResult<Change> {
        let change = self.attempt(doing, work).map_err(|error| self.raise(ctx, error))?;
        self.report(change.clone());
        Ok(change)
    }

    /// Counts and shows a change that a verb made by other means than [`HostHandle::change`].
    pub fn report(&self, change: Change) {
        match &self.0.probe {
            Some(probe) if change.changed() => {
                probe.changes.fetch_add(1, Ordering::SeqCst);
            }
            Some(_) => {}
            None => {
                self.0.state.count(&change);
                self.0.run.tell(Event::Change { host: self.label(), change });
            }
        }
    }

    /// An error of this host at the place of the call, as Rhai wants it.
    pub fn raise(&self, ctx: &NativeCallContext, error: Error) -> Box<rhai::EvalAltResult> {
        convert::raise(ctx, error.on_host(self.name()))
    }

    fn attempt<T>(&self, doing: &str, work: impl FnOnce(&Node) -> Result<T>) -> Result<T> {
        self.0.run.check_cancelled()?;
        self.doing(doing);
        work(&*self.node()?)
    }

    /// The same host, whose verbs do not say what they are doing: `wait_for` says it for them.
    #[must_use]
    pub fn silent(&self) -> Self {
        Self(Arc::new(Inner { silent: true, ..(*self.0).clone() }))
    }

    /// Shows in the host's live line what is being done.
    pub fn doing(&self, text: &str) {
        if self.0.silent {
            return;
        }
        self.0.run.tell(Event::Step { host: self.label(), text: text.to_owned() });
    }
}

impl fmt::Display for HostHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for HostHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
