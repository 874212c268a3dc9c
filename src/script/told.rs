//! What a command prints on a node, told line by line while it runs, without secrets.

use std::sync::{Arc, Mutex, PoisonError};

use crate::remote::{Listener, Stream};
use crate::ui::{OutputLines, Ui};

/// Both outputs of one command.
pub struct Told(Arc<Inner>);

struct Inner {
    stdout: Mutex<OutputLines>,
    stderr: Mutex<OutputLines>,
    tell: Box<dyn Fn(Stream, String) + Send + Sync>,
}

impl Told {
    /// `tell` gets every line.
    pub fn new(ui: &Ui, tell: impl Fn(Stream, String) + Send + Sync + 'static) -> Self {
        let (stdout, stderr) = (ui.output_lines().into(), ui.output_lines().into());
        Self(Arc::new(Inner { stdout, stderr, tell: Box::new(tell) }))
    }

    /// For the command.
    pub fn listener(&self) -> Listener {
        let inner = self.0.clone();
        Listener::new(move |stream, piece| inner.tell(stream, |lines| lines.push(piece)))
    }

    /// The command has ended: tells what was held back.
    pub fn finish(&self) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            self.0.tell(stream, OutputLines::finish);
        }
    }
}

impl Inner {
    fn tell(&self, stream: Stream, lines: impl FnOnce(&mut OutputLines) -> Vec<String>) {
        let output = match stream {
            Stream::Stdout => &self.stdout,
            Stream::Stderr => &self.stderr,
        };
        let decided = lines(&mut output.lock().unwrap_or_else(PoisonError::into_inner));
        decided.into_iter().for_each(|line| (self.tell)(stream, line));
    }
}
