//! The dry run: reads go to the node, writes go to an overlay that later reads see. There is no way to
//! write: the wrapped remote was never sent a function that does, and nothing here calls one.

use std::collections::{HashMap, HashSet};
use std::io::{Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::refusal::{no_directory, read_only};
use super::{Converge, Converged, Output, Query, Remote, Run, Scope};
use crate::error::Result;

/// Wraps a remote so that changes are only imagined.
pub struct DryRemote {
    real: Arc<dyn Remote>,
    overlay: Mutex<Overlay>,
}

/// What the node would look like by now.
#[derive(Default)]
struct Overlay {
    /// The state line of each thing that a verb would have changed, by key.
    states: HashMap<String, String>,
    /// The content of each path that would have been written; `None`: it would be gone.
    contents: HashMap<String, Option<Vec<u8>>>,
    /// The scope that a change has opened.
    open: Option<Scope>,
    /// Mounts that a playbook would have remounted or mounted writable.
    writable: HashSet<String>,
}

impl DryRemote {
    pub fn new(real: Arc<dyn Remote>) -> Self {
        Self { real, overlay: Mutex::default() }
    }

    fn overlay(&self) -> MutexGuard<'_, Overlay> {
        // A panic elsewhere cannot leave an imagined change half-made in a way that matters.
        self.overlay.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the node, as changed so far, would answer to a look.
    fn imagine(&self, c: &Converge) -> Result<Converged> {
        let (known, content) = {
            let overlay = self.overlay();
            (overlay.states.get(&c.key).cloned(), overlay.contents.get(&c.path).cloned())
        };
        let Some(found) = known else {
            let mut seen = self.real.look(c)?;
            if let Some(content) = content {
                // Another verb has imagined this path (a file that a `line` then edits).
                seen.shown = content.clone().unwrap_or_default();
            }
            return Ok(seen);
        };
        let differs = found != c.wanted;
        let shown = content.flatten().unwrap_or_default();
        Ok(Converged { found, differs, shown, ..Converged::default() })
    }
}

impl Overlay {
    fn refuse(&self, c: &Converge, seen: &Converged) -> Result<()> {
        if seen.read_only && c.scope.mount != seen.mount && !self.writable.contains(&seen.mount) {
            return Err(read_only(&seen.mount));
        }
        let parent = c.path.rsplit_once('/').map_or("", |(parent, _)| parent);
        if seen.found == "nowhere" && !c.makes_parents && !self.has_directory(parent) {
            return Err(no_directory(parent));
        }
        Ok(())
    }

    fn has_directory(&self, path: &str) -> bool {
        let below = format!("dir {path}/");
        self.states.iter().any(|(key, state)| {
            (key == &format!("dir {path}") || key.starts_with(&below))
                && state.starts_with("directory")
        })
    }

    fn imagine(&mut self, c: &Converge) {
        self.states.insert(c.key.clone(), c.wanted.clone());
        if !c.path.is_empty() {
            self.contents.insert(c.path.clone(), c.content.clone());
        }
        if !c.scope.mount.is_empty() {
            self.open = Some(c.scope.clone());
        }
    }
}

impl Remote for DryRemote {
    fn query(&self, query: &Query) -> Result<Output> {
        self.real.query(query)
    }

    fn look(&self, c: &Converge) -> Result<Converged> {
        self.imagine(c)
    }

    fn converge(&self, c: &Converge) -> Result<Converged> {
        let seen = self.imagine(c)?;
        if seen.differs {
            let mut overlay = self.overlay();
            overlay.refuse(c, &seen)?;
            overlay.imagine(c);
        }
        Ok(seen)
    }

    fn run(&self, run: &Run) -> Result<Option<Output>> {
        if !run.scope.mount.is_empty() {
            self.overlay().open = Some(run.scope.clone());
        }
        Ok(None)
    }

    fn close_scope(&self) -> Result<Option<Output>> {
        self.overlay().open = None;
        Ok(None)
    }

    fn read(&self, path: &str) -> Result<Option<Vec<u8>>> {
        let imagined = self.overlay().contents.get(path).cloned();
        match imagined {
            Some(content) => Ok(content),
            None => self.real.read(path),
        }
    }

    fn stream_to(&self, _script: &str, _input: &mut (dyn Read + Send)) -> Result<Option<Output>> {
        Ok(None)
    }

    fn stream_from(&self, script: &str, output: &mut (dyn Write + Send)) -> Result<Output> {
        self.real.stream_from(script, output)
    }

    fn is_dry(&self) -> bool {
        true
    }
}
