//! The two streams that text leaves by.

use std::borrow::Cow;
use std::io::{BufRead, IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};

use super::live::Live;
use crate::error::{Error, Result};

/// Standard output, standard error, and the live lines that must step aside for both.
pub struct Screen {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    pub live: Option<Live>,
    /// Somebody can answer a question.
    pub attended: bool,
    /// The terminal shows ASCII only.
    ascii: bool,
}

/// Where text goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    Out,
    Err,
}

impl Screen {
    /// The streams of the process.
    pub fn process(live: bool, ascii: bool) -> Self {
        Self {
            out: Box::new(std::io::stdout()),
            err: Box::new(std::io::stderr()),
            live: live.then(|| Live::new(ascii)),
            attended: std::io::stdin().is_terminal(),
            ascii,
        }
    }

    /// Streams that only remember.
    pub fn captured() -> (Self, Captured) {
        let captured = Captured::default();
        let screen = Self {
            out: Box::new(captured.out.clone()),
            err: Box::new(captured.err.clone()),
            live: None,
            attended: false,
            ascii: false,
        };
        (screen, captured)
    }

    /// Prints `text` as it is. A reader that went away (`| head`) is no failure of ours.
    pub fn print(&mut self, stream: Stream, text: &str) {
        if text.is_empty() {
            return;
        }
        let text = if self.ascii { to_ascii(text) } else { Cow::Borrowed(text) };
        let to = match stream {
            Stream::Out => &mut self.out,
            Stream::Err => &mut self.err,
        };
        let mut write = || {
            let _ = to.write_all(text.as_bytes());
            let _ = to.flush();
        };
        match &self.live {
            Some(live) => live.suspend(write),
            None => write(),
        }
    }

    /// Shows `prompt` and waits for an answer, given in lower case.
    pub fn ask(&mut self, prompt: &str) -> Result<String> {
        let err = &mut self.err;
        let mut ask = || {
            let _ = err.write_all(prompt.as_bytes());
            let _ = err.flush();
            let mut answer = String::new();
            let read = std::io::stdin().lock().read_line(&mut answer);
            read.map_err(|source| Error::io("stdin", &source))?;
            Ok(answer.trim().to_lowercase())
        };
        match &self.live {
            Some(live) => live.suspend(ask),
            None => ask(),
        }
    }
}

/// The few characters of ours that are not ASCII; the content of files is the user's own business.
fn to_ascii(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let text = text.replace('…', "...").replace('→', "->").replace(['·', '–'], "-");
    Cow::Owned(text)
}

/// What was printed, for tests.
#[derive(Debug, Clone, Default)]
pub struct Captured {
    out: Memory,
    err: Memory,
}

impl Captured {
    /// Everything on stdout so far.
    pub fn stdout(&self) -> String {
        self.out.text()
    }

    /// Everything on stderr so far.
    pub fn stderr(&self) -> String {
        self.err.text()
    }
}

#[derive(Debug, Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Memory {
    fn text(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_went_away_is_no_failure() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(std::io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Err(std::io::ErrorKind::BrokenPipe.into())
            }
        }
        let (mut screen, captured) = Screen::captured();
        screen.out = Box::new(Gone);
        screen.print(Stream::Out, "lost\n");
        screen.print(Stream::Err, "kept\n");
        assert_eq!(captured.stderr(), "kept\n");
    }

    #[test]
    fn an_old_terminal_gets_ascii() {
        assert_eq!(to_ascii("a · b → c…"), "a - b -> c...");
    }
}
