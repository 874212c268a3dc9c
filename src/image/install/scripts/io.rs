//! Where a command's input comes from and its output goes to.

use std::cell::RefCell;
use std::rc::Rc;

/// Input and output of a command.
#[derive(Debug, Clone)]
pub struct Io {
    pub input: Rc<[u8]>,
    pub output: Sink,
    pub errors: Sink,
}

#[derive(Debug, Clone)]
pub enum Sink {
    /// What is read later: by a `$(…)`, by the next command of a pipe, or by whoever reports a failure.
    Buffer(Rc<RefCell<Vec<u8>>>),
    /// `/dev/null`.
    Nowhere,
    /// The end of the file at that path of the tree.
    File(String),
}

impl Sink {
    pub fn buffer() -> Self {
        Self::Buffer(Rc::default())
    }

    /// What has been written to a buffer.
    pub fn taken(&self) -> Vec<u8> {
        match self {
            Self::Buffer(buffer) => buffer.take(),
            Self::Nowhere | Self::File(_) => Vec::new(),
        }
    }
}
