//! The board's serial line, as text that can be waited for.

use std::io::Read;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Everything that has come in, and how far it has been waited for.
#[derive(Default)]
pub struct Serial {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    text: Vec<u8>,
    seen: usize,
    /// How many lines of this kind are still being read.
    readers: usize,
}

impl Serial {
    /// Says that a power-on will [`read`](Self::read).
    pub fn expect(&self) {
        self.state().readers += 1;
    }

    /// Takes in everything from `line` until its end.
    pub fn read(&self, mut line: impl Read) {
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = line.read(&mut bytes) {
            self.state().text.extend(bytes[..count].iter().filter(|&&byte| byte != b'\r'));
            self.changed.notify_all();
        }
        self.state().readers -= 1;
        self.changed.notify_all();
    }

    /// The next whole line with `marker` in it that has not been waited for yet; what is before it counts as seen.
    pub fn next_line(&self, marker: &str) -> Option<String> {
        let mut state = self.state();
        let mut start = state.seen;
        while let Some(length) = state.text[start..].iter().position(|&byte| byte == b'\n') {
            let end = start + length;
            let line = String::from_utf8_lossy(&state.text[start..end]).into_owned();
            start = end + 1;
            if line.contains(marker) {
                state.seen = start;
                return Some(line);
            }
        }
        None
    }

    /// Waits until something comes in, or the line ends, or some time has passed. Whether it is still open.
    pub fn wait(&self) -> bool {
        let state = self.state();
        let waited = self.changed.wait_timeout(state, Duration::from_millis(200));
        waited.unwrap_or_else(PoisonError::into_inner).0.readers > 0
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.state().text).into_owned()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_is_found_in_whole_lines_and_once() {
        let serial = Serial::default();
        serial.expect();
        serial.read(&b"U-Boot 1\r\n> boot counter: 1\r\nStarting"[..]);
        assert_eq!(serial.next_line("Starting"), None);
        assert_eq!(serial.next_line("counter").as_deref(), Some("> boot counter: 1"));
        assert_eq!(serial.next_line("U-Boot"), None);
        assert!(!serial.wait());
        assert_eq!(serial.text(), "U-Boot 1\n> boot counter: 1\nStarting");
    }
}
