//! The live lines at the bottom of a terminal: what each host is doing right now.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::paint::{cut, pad, time, width};
use super::settings::columns;
use crate::units::size;
use crate::visible::visible;

const TICK: Duration = Duration::from_millis(200);
const FRAMES: [&str; 8] = ["⣾", "⣽", "⣻", "⢿", "⡿", "⣟", "⣯", "⣷"];
const PLAIN_FRAMES: [&str; 4] = ["|", "/", "-", "\\"];

/// The live lines of all hosts.
#[derive(Debug)]
pub struct Live {
    lines: MultiProgress,
    bars: HashMap<String, (ProgressBar, Arc<Mutex<Doing>>)>,
    /// Columns of the longest host name so far.
    hosts: usize,
    ascii: bool,
}

/// What one host is doing.
#[derive(Debug, Clone)]
struct Doing {
    host: String,
    text: String,
    since: Instant,
    transfer: Option<Transfer>,
}

#[derive(Debug, Clone, Copy)]
struct Transfer {
    done: u64,
    total: Option<u64>,
}

impl Live {
    /// Draws to stderr, which must be a terminal.
    pub fn new(ascii: bool) -> Self {
        let lines = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        Self { lines, bars: HashMap::new(), hosts: 0, ascii }
    }

    /// Makes room for the names of these hosts.
    pub fn hosts(&mut self, hosts: &[String]) {
        self.hosts = hosts.iter().map(|host| width(host)).max().unwrap_or(0);
    }

    /// A host begins with something else.
    pub fn step(&mut self, host: &str, text: &str) {
        self.update(host, |doing| {
            doing.text = visible(text).replace(['\n', '\t'], " ");
            doing.since = Instant::now();
            doing.transfer = None;
        });
    }

    /// Bytes of a transfer. A new label starts its clock anew.
    pub fn progress(&mut self, host: Option<&str>, label: &str, done: u64, total: Option<u64>) {
        self.update(host.unwrap_or_default(), |doing| {
            if doing.transfer.is_none() || doing.text != label {
                doing.text = visible(label).replace(['\n', '\t'], " ");
                doing.since = Instant::now();
            }
            doing.transfer = Some(Transfer { done, total });
        });
        // What belongs to no host has no other end than this.
        if host.is_none() && total == Some(done) {
            self.finish("");
        }
    }

    /// A host has nothing more to do.
    pub fn finish(&mut self, host: &str) {
        if let Some((bar, _)) = self.bars.remove(host) {
            bar.finish_and_clear();
            self.lines.remove(&bar);
        }
    }

    /// Takes all lines away, so that the terminal is left as it was.
    pub fn clear(&mut self) {
        for (_, (bar, _)) in self.bars.drain() {
            bar.finish_and_clear();
            self.lines.remove(&bar);
        }
        let _ = self.lines.clear();
    }

    /// Runs `print` while the lines are out of the way.
    pub fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        self.lines.suspend(print)
    }

    fn update(&mut self, host: &str, change: impl FnOnce(&mut Doing)) {
        if !self.bars.contains_key(host) {
            let doing = Doing {
                host: pad(host, self.hosts),
                text: String::new(),
                since: Instant::now(),
                transfer: None,
            };
            let doing = Arc::new(Mutex::new(doing));
            let bar = self.lines.add(ProgressBar::new_spinner());
            bar.set_style(style(Arc::clone(&doing), self.ascii));
            bar.enable_steady_tick(TICK);
            self.bars.insert(host.to_owned(), (bar, doing));
        }
        if let Some((_, doing)) = self.bars.get(host) {
            change(&mut doing.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.clear();
    }
}

/// A style that draws the whole line itself: indicatif would wrap what is too wide.
fn style(doing: Arc<Mutex<Doing>>, ascii: bool) -> ProgressStyle {
    let frames = if ascii { &PLAIN_FRAMES[..] } else { &FRAMES[..] };
    let draw = move |state: &ProgressState, out: &mut dyn Write| {
        let doing = doing.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let tick = state.elapsed().as_millis() / TICK.as_millis();
        let frame = usize::try_from(tick).unwrap_or(0) % frames.len();
        // One column stays free: some terminals wrap when the last one is written.
        let columns = columns(std::io::stderr()).unwrap_or(80).saturating_sub(1);
        let _ = out.write_str(&line(&doing, frames[frame], doing.since.elapsed(), columns));
    };
    ProgressStyle::with_template("{line}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
        .with_key("line", draw)
}

/// `rpi41  ⣾ upload image.gz   120.0 MB of 900.0 MB   11.2 MB/s   1m 05s left`, in at most `columns`.
fn line(doing: &Doing, frame: &str, elapsed: Duration, columns: usize) -> String {
    let head = format!("{}  {frame} ", doing.host);
    let left = format!("{head}{}", doing.text);
    // The longest of these that leaves room for some of the text.
    let least = width(&head) + width(&doing.text).min(12);
    let right = notes(doing.transfer, elapsed)
        .into_iter()
        .find(|note| least + 3 + width(note) <= columns)
        .unwrap_or_default();
    if right.is_empty() {
        return cut(&left, columns);
    }
    let room = columns - width(&right) - 3;
    format!("{}   {right}", cut(&left, room))
}

/// What can stand at the end of a line, the most telling first.
fn notes(transfer: Option<Transfer>, elapsed: Duration) -> Vec<String> {
    let Some(Transfer { done, total }) = transfer else {
        // What is quick needs no clock.
        return if elapsed.as_secs() < 1 { Vec::new() } else { vec![time(elapsed)] };
    };
    let rate = done as f64 / elapsed.as_secs_f64().max(0.001);
    let speed = format!("{}/s", size(rate as u64));
    let Some(total) = total.filter(|total| *total > 0) else {
        return vec![format!("{}   {speed}", size(done)), size(done)];
    };
    let percent = format!("{} %", done.min(total) * 100 / total);
    let of = format!("{} of {}", size(done), size(total));
    let left = (total.saturating_sub(done)) as f64 / rate.max(1.0);
    let left = format!("{} left", time(Duration::from_secs_f64(left.min(1e6))));
    vec![format!("{of}   {speed}   {left}"), format!("{percent}   {left}"), percent]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doing(text: &str, transfer: Option<Transfer>) -> Doing {
        Doing { host: "rpi41".into(), text: text.into(), since: Instant::now(), transfer }
    }

    #[test]
    fn a_transfer_tells_less_where_there_is_less_room() {
        let transfer = Transfer { done: 120_000_000, total: Some(900_000_000) };
        let doing = doing("upload sdcard_update.img.gz", Some(transfer));
        let at = |columns| line(&doing, "⣾", Duration::from_secs(10), columns);
        assert_eq!(
            at(100),
            "rpi41  ⣾ upload sdcard_update.img.gz   120.0 MB of 900.0 MB   12.0 MB/s   1m 05s left"
        );
        assert_eq!(at(60), "rpi41  ⣾ upload sdcard_update.img.gz   13 %   1m 05s left");
        assert_eq!(at(44), "rpi41  ⣾ upload sdcard…   13 %   1m 05s left");
        assert_eq!(at(30), "rpi41  ⣾ upload sdcard…   13 %");
        assert_eq!(at(20), "rpi41  ⣾ upload sdc…");
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let transfer = Transfer { done: 5, total: None };
        for transfer in [None, Some(transfer)] {
            let doing = doing("日本語のファイル /etc/conf.d/k3s", transfer);
            for columns in 0..80 {
                let line = line(&doing, "⣾", Duration::from_secs(3), columns);
                assert!(width(&line) <= columns, "{columns}: {line}");
            }
        }
    }

    #[test]
    fn a_step_has_a_clock_once_it_takes_long() {
        let doing = doing("wait for Ready", None);
        let at = |seconds| line(&doing, "/", Duration::from_secs(seconds), 40);
        assert_eq!(at(0), "rpi41  / wait for Ready");
        assert_eq!(at(75), "rpi41  / wait for Ready   1m 15s");
    }
}
