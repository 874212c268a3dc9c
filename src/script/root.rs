//! The root file system of an image that a playbook holds in its hand.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use rhai::NativeCallContext;

use super::context::{RunContext, lock};
use super::convert::{OrRaise, ScriptResult};
use crate::error::{Error, Result, Site};
use crate::image::Rootfs;
use crate::image::fetch::{Cache, Lock, Progress};
use crate::image::rootfs::{Delivered, Supply, installed_already};
use crate::state::{Aspect, Change};
use crate::ui::Event;

/// How output names it where a host's name stands.
const LABEL: &str = "image";

/// A root file system within a run. Clones are the same one; [`RootHandle::finish`] takes it away.
#[derive(Clone)]
pub struct RootHandle {
    run: Arc<RunContext>,
    root: Arc<Mutex<Option<Rootfs>>>,
    wants: Arc<Mutex<Wants>>,
}

/// The packages that the playbook has named: they are chosen together, when the first other verb comes.
enum Wants {
    /// Their names, and where the last of them were named.
    Named(Vec<String>, Option<Site>),
    Installed,
}

impl RootHandle {
    pub fn new(run: &Arc<RunContext>, root: Rootfs) -> Self {
        Self {
            run: run.clone(),
            root: Arc::new(Mutex::new(Some(root))),
            wants: Arc::new(Mutex::new(Wants::Named(Vec::new(), None))),
        }
    }

    /// Adds to the packages that will be installed; errors about them will name the place `site`.
    ///
    /// # Errors
    /// When they are installed already.
    pub fn want(&self, names: Vec<String>, site: Site) -> Result<()> {
        match &mut *lock(&self.wants) {
            Wants::Named(wants, named_at) => {
                wants.extend(names);
                *named_at = Some(site);
                Ok(())
            }
            Wants::Installed => Err(installed_already()),
        }
    }

    /// Installs what was named, if that is not done yet.
    fn install(&self, root: &mut Rootfs) -> Result<()> {
        let Wants::Named(wants, site) =
            std::mem::replace(&mut *lock(&self.wants), Wants::Installed)
        else {
            return Ok(());
        };
        if wants.is_empty() {
            return Ok(());
        }
        let run = &self.run;
        let mut progress = |Progress { done, total }| {
            run.tell(Event::Progress {
                host: None,
                label: "packages".to_owned(),
                done,
                total: Some(total),
            });
        };
        let cache = if run.options().dry_run { Cache::open_dry()? } else { Cache::open()? };
        let mut supply = Supply { cache, cancel: run.cancel().clone(), progress: &mut progress };
        let Delivered { lock, notes } = root.install(&wants, &mut supply).map_err(|error| {
            // The verb that happened to come next has nothing to do with it.
            match site {
                Some(site) => error.at(site),
                None => error,
            }
        })?;
        for text in notes {
            run.remark(format!("{LABEL}: {text}"));
        }
        self.keep(&root.alpine.lock, &lock)
    }

    /// Writes the lock file and says what is new in it.
    fn keep(&self, path: &Path, lock: &Lock) -> Result<()> {
        let before = std::fs::read_to_string(path).unwrap_or_default();
        let after = lock.print();
        if before == after {
            return Ok(());
        }
        if !self.run.options().dry_run {
            lock.write(path)?;
        }
        let name = path.strip_prefix(&self.run.places().project).unwrap_or(path);
        let change = Change::of("file", name.display().to_string());
        let change = if before.is_empty() { change.with(Aspect::Created) } else { change };
        let change = change.with(Aspect::Text { before, after });
        self.run.tell(Event::Change { host: LABEL.to_owned(), change });
        Ok(())
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
        let mut root = self.lock();
        let root = root.as_mut().ok_or_else(used_up)?;
        self.install(root)?;
        work(root)
    }

    /// The root itself, for the image that is made of it. The handle is of no use any more.
    pub fn finish(&self) -> Result<Rootfs> {
        self.with(|_| Ok(()))?;
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
