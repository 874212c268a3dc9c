//! Progress comes many times a second; a text or a JSON stream wants it now and then.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

/// Lets something of one name pass once an interval.
#[derive(Debug)]
pub struct Pace {
    interval: Duration,
    last: HashMap<String, SystemTime>,
}

impl Pace {
    pub fn new(interval: Duration) -> Self {
        Self { interval, last: HashMap::new() }
    }

    /// Whether it is time again. The first call only starts the clock: what is quick is not told.
    pub fn due(&mut self, name: &str, now: SystemTime) -> bool {
        let Some(last) = self.last.get_mut(name) else {
            self.last.insert(name.to_owned(), now);
            return false;
        };
        let due = now.duration_since(*last).is_ok_and(|passed| passed >= self.interval);
        if due {
            *last = now;
        }
        due
    }
}
