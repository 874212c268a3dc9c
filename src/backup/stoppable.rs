//! A source that ends where the user pressed Ctrl-C.

use std::io::{self, Read};

use crate::cancel::Cancel;

/// Gives what `source` gives, and an error once the run is cancelled.
pub(super) struct Stoppable<'a, R> {
    pub source: R,
    pub cancel: &'a Cancel,
}

impl<R: Read> Read for Stoppable<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.cancel.is_cancelled() {
            true => Err(io::Error::other("cancelled")),
            false => self.source.read(buffer),
        }
    }
}
