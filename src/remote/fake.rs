//! A node that is not there: it gives prepared answers. For tests of logic; what a shell does is tested
//! on real nodes.

use std::io::{Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Connect, Converge, Converged, Output, Query, Remote, Run};
use crate::error::{Error, Result};
use crate::inventory::Host;

/// Answers the first prepared pattern that a script contains.
#[derive(Default)]
pub struct FakeRemote {
    answers: Mutex<Vec<(String, Output)>>,
    /// Every script that was sent, in order.
    sent: Mutex<Vec<String>>,
}

impl FakeRemote {
    /// From now on, a script that contains `pattern` prints `stdout` and ends with `code`.
    #[must_use]
    pub fn answer(self, pattern: &str, stdout: &str, code: i32) -> Self {
        let output = Output { code, stdout: stdout.as_bytes().to_vec(), stderr: Vec::new() };
        lock(&self.answers).push((pattern.to_owned(), output));
        self
    }

    /// Every script that was sent so far.
    pub fn sent(&self) -> Vec<String> {
        lock(&self.sent).clone()
    }

    fn send(&self, script: &str) -> Output {
        lock(&self.sent).push(script.to_owned());
        let answers = lock(&self.answers);
        let answer = answers.iter().find(|(pattern, _)| script.contains(pattern));
        answer.map(|(_, output)| output.clone()).unwrap_or_default()
    }
}

impl Remote for FakeRemote {
    fn query(&self, query: &Query) -> Result<Output> {
        Ok(self.send(&query.script))
    }

    fn look(&self, converge: &Converge) -> Result<Converged> {
        let found = String::from_utf8_lossy(&self.send(&converge.probe).stdout).trim().to_owned();
        Ok(Converged { differs: found != converge.wanted, found, ..Converged::default() })
    }

    fn converge(&self, converge: &Converge) -> Result<Converged> {
        let looked = self.look(converge)?;
        if looked.differs {
            self.send(&converge.apply);
        }
        Ok(looked)
    }

    fn run(&self, run: &Run) -> Result<Option<Output>> {
        Ok(Some(self.send(&run.script)))
    }

    fn close_scope(&self) -> Result<Output> {
        Ok(Output::default())
    }

    fn read(&self, path: &str) -> Result<Option<Vec<u8>>> {
        let output = self.send(&format!("read {path}"));
        Ok((output.code == 0).then_some(output.stdout))
    }

    fn stream_to(&self, script: &str, input: &mut (dyn Read + Send)) -> Result<Option<Output>> {
        let mut sink = Vec::new();
        input.read_to_end(&mut sink).map_err(|error| Error::io("input", &error))?;
        Ok(Some(self.send(script)))
    }

    fn stream_from(&self, script: &str, output: &mut (dyn Write + Send)) -> Result<Output> {
        let answer = self.send(script);
        output.write_all(&answer.stdout).map_err(|error| Error::io("output", &error))?;
        Ok(answer)
    }

    fn is_dry(&self) -> bool {
        false
    }
}

/// Connects every host to the same fake node; hosts whose name contains `dead` cannot be reached.
impl Connect for Arc<FakeRemote> {
    fn connect(&self, host: &Host) -> Result<Arc<dyn Remote>> {
        if host.name.contains("dead") {
            return Err(Error::new(
                crate::error::ErrorKind::Connect,
                format!("connect to {} port 22: no route to host", host.address),
            )
            .on_host(&host.name));
        }
        Ok(self.clone())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
