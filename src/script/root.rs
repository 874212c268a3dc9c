//! The root file system of an image that a playbook holds in its hand.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use rhai::NativeCallContext;

use super::context::{RunContext, lock};
use super::convert::{OrRaise, ScriptResult};
use crate::error::{Error, Result};
use crate::image::Rootfs;
use crate::state::Change;
use crate::ui::Event;

/// How output names it where a host's name stands.
const LABEL: &str = "image";

/// A root file system within a run. Clones are the same one; [`RootHandle::finish`] takes it away.
#[derive(Clone)]
pub struct RootHandle {
    run: Arc<RunContext>,
    root: Arc<Mutex<Option<Rootfs>>>,
}

impl RootHandle {
    pub fn new(run: &Arc<RunContext>, root: Rootfs) -> Self {
        Self { run: run.clone(), root: Arc::new(Mutex::new(Some(root))) }
    }

    pub fn run(&self) -> &Arc<RunContext> {
        &self.run
    }

    /// A verb that changes. Its change is shown in a dry run; a build shows it with `-v` only, since all of it is new.
    pub fn change(
        &self,
        ctx: &NativeCallContext,
        work: impl FnOnce(&mut Rootfs) -> Result<Change>,
    ) -> ScriptResult<Change> {
        let change = self.with(work).or_raise(ctx)?;
        if self.run.options().dry_run && change.changed() {
            self.run.tell(Event::Change { host: LABEL.to_owned(), change: change.clone() });
        } else {
            self.run.remark(format!("{LABEL}: {} {}", change.verb, change.subject));
        }
        Ok(change)
    }

    /// A verb that looks, or does something that is no change of its own.
    pub fn look<T>(
        &self,
        ctx: &NativeCallContext,
        work: impl FnOnce(&mut Rootfs) -> Result<T>,
    ) -> ScriptResult<T> {
        self.with(work).or_raise(ctx)
    }

    fn with<T>(&self, work: impl FnOnce(&mut Rootfs) -> Result<T>) -> Result<T> {
        self.run.check_cancelled()?;
        work(self.lock().as_mut().ok_or_else(used_up)?)
    }

    /// The root itself, for the image that is made of it. The handle is of no use any more.
    pub fn finish(&self) -> Result<Rootfs> {
        self.lock().take().ok_or_else(used_up)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Rootfs>> {
        lock(&self.root)
    }
}

fn used_up() -> Error {
    Error::playbook("an image was made of this root already")
        .hint("Finish the root first, then call `image(root, …)` once; its result can be saved in several forms.")
}

impl fmt::Display for RootHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("root file system")
    }
}

impl fmt::Debug for RootHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("root file system")
    }
}
