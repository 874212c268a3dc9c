//! The dry run: reads go to the node, writes go to an overlay that later reads see. There is no way to
//! write: the wrapped remote was never sent a function that does, and nothing here calls one.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::quote::sh_quote;
use super::refusal::{foreign_link, no_directory, read_only};
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
    /// What each thing would be, by key and facet; the facet "" is a whole state line.
    states: HashMap<String, HashMap<&'static str, String>>,
    /// The content of each path that would have been written; `None`: it would be gone.
    contents: HashMap<String, Option<Vec<u8>>>,
    /// What opening the present scope would do, as [`Remote::close_scope`] tells it.
    open: Option<String>,
}

impl DryRemote {
    pub fn new(real: Arc<dyn Remote>) -> Self {
        Self { real, overlay: Mutex::default() }
    }

    fn overlay(&self) -> MutexGuard<'_, Overlay> {
        // A panic elsewhere cannot leave an imagined change half-made in a way that matters.
        self.overlay.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers what the first change in a scope would do to its mount and services.
    fn open(&self, scope: &Scope) -> Result<()> {
        if scope.mount.is_empty() || self.overlay().open.is_some() {
            return Ok(());
        }
        let script = format!("p_mount {}; printf '%s' \"$MO\"", sh_quote(&scope.mount));
        let output = self.real.query(&Query { script, ..Query::default() })?;
        let mut told = String::from_utf8_lossy(&output.stdout).into_owned();
        for service in &scope.services {
            let seen = self.look(&Converge {
                key: format!("service {service}"),
                probe: format!("s_state {service} '' 1"),
                facets: vec!["state"],
                ..Converge::default()
            })?;
            if seen.found == "started" || seen.found == "crashed" {
                told += &format!(" {service}");
            }
        }
        self.overlay().open = Some(told);
        Ok(())
    }
}

impl Overlay {
    /// What the node, as changed so far, would have answered instead of `seen`.
    fn correct(&self, c: &Converge, mut seen: Converged) -> Converged {
        if let Some(content) = self.contents.get(&c.path) {
            seen.shown = content.clone().unwrap_or_default();
        }
        let Some(known) = self.states.get(&c.key) else { return seen };
        seen.found = match known.get("") {
            Some(whole) => whole.clone(),
            None => self.correct_facets(c, known, &seen.found),
        };
        seen.differs = !same_words(&seen.found, &c.wanted);
        seen
    }

    fn correct_facets(
        &self,
        c: &Converge,
        known: &HashMap<&'static str, String>,
        found: &str,
    ) -> String {
        let found: Vec<&str> = found.split_whitespace().collect();
        let wanted: Vec<&str> = c.wanted.split_whitespace().collect();
        let word = |(index, facet): (usize, &&'static str)| {
            // What nobody said is taken to be as wanted: the thing would only just have been made.
            known
                .get(facet)
                .map(String::as_str)
                .or(found.get(index).copied())
                .or(wanted.get(index).copied())
                .unwrap_or("")
                .to_owned()
        };
        c.facets.iter().enumerate().map(word).collect::<Vec<_>>().join(" ")
    }

    fn refuse(&self, c: &Converge, seen: &Converged) -> Result<()> {
        if !seen.foreign_link.is_empty() {
            return Err(foreign_link(&seen.foreign_link));
        }
        if seen.read_only && c.scope.mount != seen.mount {
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
        self.states.keys().any(|key| key == &format!("dir {path}") || key.starts_with(&below))
    }

    fn imagine(&mut self, c: &Converge) {
        let state = self.states.entry(c.key.clone()).or_default();
        state.remove("");
        if c.facets.is_empty() {
            *state = HashMap::from([("", c.wanted.clone())]);
        } else {
            let words = c.wanted.split_whitespace().map(str::to_owned);
            state.extend(c.facets.iter().copied().zip(words));
        }
        if !c.path.is_empty() {
            self.contents.insert(c.path.clone(), c.content.clone());
        }
    }
}

/// State lines are compared word by word: the overlay does not keep the line breaks.
fn same_words(one: &str, other: &str) -> bool {
    one == other || one.split_whitespace().eq(other.split_whitespace())
}

impl Remote for DryRemote {
    fn query(&self, query: &Query) -> Result<Output> {
        self.real.query(query)
    }

    fn look(&self, c: &Converge) -> Result<Converged> {
        let seen = self.real.look(c)?;
        Ok(self.overlay().correct(c, seen))
    }

    fn converge(&self, c: &Converge) -> Result<Converged> {
        let seen = self.look(c)?;
        if seen.differs {
            self.overlay().refuse(c, &seen)?;
            self.open(&c.scope)?;
            self.overlay().imagine(c);
        }
        Ok(seen)
    }

    fn run(&self, run: &Run) -> Result<Option<Output>> {
        self.open(&run.scope)?;
        Ok(None)
    }

    fn close_scope(&self) -> Result<Output> {
        let told = self.overlay().open.take().unwrap_or_default();
        Ok(Output { stdout: told.into_bytes(), ..Output::default() })
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
