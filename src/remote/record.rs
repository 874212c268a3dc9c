//! Writes a shell script of what a closure would do, for a node that must do it alone.

use std::io::{Read, Write};
use std::sync::{Arc, Mutex, PoisonError};

use super::{Converge, Converged, Output, Query, Remote, Run, library, requests};
use crate::error::{Error, Result};

/// Reads go to the node; changes become lines of a script.
pub struct RecordRemote {
    real: Arc<dyn Remote>,
    lines: Mutex<String>,
}

impl RecordRemote {
    pub fn new(real: Arc<dyn Remote>) -> Self {
        Self { real, lines: Mutex::default() }
    }

    /// The whole script: the function library, then each change, whether or not the others succeed.
    pub fn script(&self) -> String {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        format!("{}{lines}", library::writing())
    }

    fn record(&self, request: &str) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push_str(request);
        lines.push('\n');
    }
}

impl Remote for RecordRemote {
    fn query(&self, query: &Query) -> Result<Output> {
        self.real.query(query)
    }

    fn look(&self, c: &Converge) -> Result<Converged> {
        self.real.look(c)
    }

    fn converge(&self, c: &Converge) -> Result<Converged> {
        self.record(&requests::converge(&Converge { mark: None, ..c.clone() }));
        self.real.look(c)
    }

    fn run(&self, run: &Run) -> Result<Option<Output>> {
        self.record(&requests::run(run));
        Ok(None)
    }

    fn close_scope(&self) -> Result<Output> {
        self.record("w_close");
        Ok(Output::default())
    }

    fn read(&self, path: &str) -> Result<Option<Vec<u8>>> {
        self.real.read(path)
    }

    fn stream_to(&self, _script: &str, _input: &mut (dyn Read + Send)) -> Result<Option<Output>> {
        Err(Error::playbook("a file this large cannot be part of what the node does alone")
            .hint("Copy it to the node before, and let the closure move it to its place."))
    }

    fn stream_from(&self, script: &str, output: &mut (dyn Write + Send)) -> Result<Output> {
        self.real.stream_from(script, output)
    }

    fn is_dry(&self) -> bool {
        true
    }
}
