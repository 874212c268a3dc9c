//! The only place that prints. Everybody else holds a [`Ui`] and tells it what happened.
//!
//! An event is filtered (no secret goes further), then told to each of its listeners: the text of
//! [`terminal`], the live lines of [`live`], the objects of [`json`], and the [`log`] file.

mod block;
mod change;
mod event;
mod filter;
mod group;
mod json;
mod live;
mod log;
mod output;
mod pace;
mod paint;
mod prompt;
mod recap;
mod screen;
mod settings;
mod stamp;
mod terminal;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

pub use event::{Event, Recap, RecapRow};
pub use output::OutputLines;
pub use screen::Captured;
pub use settings::{Color, Settings};

use crate::error::{Error, Result};
use crate::report::{self, Sources};
use crate::state::Change;
use crate::vault::Redactor;
use block::Layout;
use log::Log;
use pace::Pace;
use paint::Paint;
use screen::{Screen, Stream};
use settings::Look;
use terminal::Terminal;

/// Tells the time; tests bring one that stands still.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// Finds the text of a file that is not on the disk, such as `<stdlib>/k3s.rhai`.
pub type Lookup = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// The handle that the rest of the program talks to. Clones share one output; any thread may use it.
#[derive(Clone)]
pub struct Ui(Arc<Mutex<State>>);

struct State {
    settings: Settings,
    screen: Screen,
    terminal: Terminal,
    /// Progress in the JSON stream.
    pace: Pace,
    log: Option<Log>,
    redactor: Redactor,
    lookup: Lookup,
    clock: Clock,
    /// Colours on stderr.
    paint: Paint,
    /// With `--step`: the user wants all changes from now on.
    all_steps: bool,
}

impl Default for Ui {
    fn default() -> Self {
        Self::new(Settings::default())
    }
}

impl fmt::Debug for Ui {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ui")
    }
}

impl Ui {
    /// The output of this process.
    pub fn new(settings: Settings) -> Self {
        let env = |name: &str| std::env::var(name).ok();
        let out = Look::of(&std::io::stdout(), &settings, env);
        let err = Look::of(&std::io::stderr(), &settings, env);
        let live = std::io::stderr().is_terminal() && !settings.quiet;
        let screen = Screen::process(live, settings::ascii_only(env));
        let human = if settings.json { err } else { out };
        Self::assemble(settings, screen, human, Paint(err.color), Arc::new(SystemTime::now))
    }

    /// An output that only remembers, for tests: no terminal, and a clock that stands still.
    pub fn capture(settings: Settings) -> (Self, Captured) {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
        Self::capture_at(settings, Arc::new(move || start))
    }

    /// Like [`Ui::capture`], with a clock.
    pub fn capture_at(settings: Settings, clock: Clock) -> (Self, Captured) {
        let (screen, captured) = Screen::captured();
        let look = Look { color: settings.color == Color::Always, width: settings.width };
        (Self::assemble(settings, screen, look, Paint(look.color), clock), captured)
    }

    fn assemble(
        settings: Settings,
        screen: Screen,
        human: Look,
        paint: Paint,
        clock: Clock,
    ) -> Self {
        let layout = Layout { paint: Paint(human.color), hosts: 0, width: human.width };
        Self(Arc::new(Mutex::new(State {
            terminal: Terminal::new(settings.clone(), layout, screen.live.is_some()),
            settings,
            screen,
            pace: Pace::new(Duration::from_secs(1)),
            log: None,
            redactor: Redactor::new(),
            lookup: Arc::new(|_| None),
            clock,
            paint,
            all_steps: false,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Output after a panic elsewhere is better than none.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on nothing leaves that `redactor` hides: terminal, log and JSON.
    pub fn hide(&self, redactor: Redactor) {
        self.state().redactor = redactor;
    }

    /// Takes what a command prints, piece by piece, and gives lines that can be shown.
    pub fn output_lines(&self) -> OutputLines {
        OutputLines::new(&self.state().redactor)
    }

    /// Where excerpts of files that are not on the disk come from.
    pub fn set_lookup(&self, lookup: Lookup) {
        self.state().lookup = lookup;
    }

    /// What the user wants to see.
    pub fn settings(&self) -> Settings {
        self.state().settings.clone()
    }

    /// Starts a log file in `dir` for a run of `playbook`, and names it.
    pub fn open_log(&self, dir: impl AsRef<Path>, playbook: &str) -> Result<PathBuf> {
        let mut state = self.state();
        let (log, path) = Log::create(dir.as_ref(), playbook, (state.clock)())?;
        state.log = Some(log);
        Ok(path)
    }

    /// Tells what happened.
    pub fn event(&self, event: Event) {
        self.state().event(event);
    }

    /// Prints a command's result to stdout, as it is, with a line end.
    pub fn out(&self, text: &str) {
        self.state().print(Stream::Out, text);
    }

    /// Prints a remark for the person at the terminal to stderr.
    pub fn note(&self, text: &str) {
        self.state().print(Stream::Err, text);
    }

    /// Shows an error with its place, its call stack and its hints.
    pub fn error(&self, error: &Error) {
        self.state().error(error);
    }

    /// Asks a question that is answered with yes or no.
    ///
    /// Fails where nobody can answer: without a terminal and without `--yes`.
    pub fn confirm(&self, question: &str) -> Result<bool> {
        self.state().confirm(question)
    }

    /// Shows a change with its differences, and asks whether to make it (`--step`).
    ///
    /// Fails where nobody can answer, as [`Ui::confirm`].
    pub fn step(&self, host: &str, change: &Change) -> Result<bool> {
        self.state().step(host, change)
    }

    /// Takes the live lines away. Also done when the last handle goes.
    pub fn close(&self) {
        if let Some(live) = &mut self.state().screen.live {
            live.clear();
        }
    }
}

impl State {
    fn event(&mut self, event: Event) {
        let event = filter::event(event, &self.redactor);
        let now = (self.clock)();
        let redactor = self.redactor.clone();
        let lookup = Arc::clone(&self.lookup);
        let hide = move |text: &str| redactor.redact(text).into_owned();
        let sources = Sources { lookup: &*lookup, filter: &hide };

        if let Some(log) = &mut self.log {
            log.event(&event, now, &sources);
        }
        self.show_live(&event);
        if self.settings.json && self.wanted_as_json(&event, now) {
            self.screen.print(Stream::Out, &format!("{}\n", json::line(&event, now)));
        }
        let text = self.terminal.event(&event, now, &sources);
        let stream = self.stream_of(&event);
        self.screen.print(stream, &self.redactor.redact(&text));
    }

    /// Remarks of no host may come while a command's result is on its way to stdout.
    fn stream_of(&self, event: &Event) -> Stream {
        match event {
            _ if self.settings.json => Stream::Err,
            Event::Warning { host: None, .. } | Event::Log { host: None, .. } => Stream::Err,
            _ => Stream::Out,
        }
    }

    fn wanted_as_json(&mut self, event: &Event, now: SystemTime) -> bool {
        match event {
            Event::Progress { done, total, .. } if Some(*done) == *total => true,
            Event::Progress { host, label, .. } => self.pace.due(&format!("{host:?} {label}"), now),
            _ => true,
        }
    }

    fn show_live(&mut self, event: &Event) {
        let Some(live) = &mut self.screen.live else { return };
        match event {
            Event::FanOutStarted { hosts, .. } => live.hosts(hosts),
            Event::Step { host, text } => live.step(host, text),
            Event::Progress { host, label, done, total } => {
                live.progress(host.as_deref(), label, *done, *total);
            }
            Event::HostFinished { host } | Event::HostFailed { host, .. } => live.finish(host),
            Event::FanOutFinished | Event::Recap(_) => live.clear(),
            _ => {}
        }
    }

    fn print(&mut self, stream: Stream, text: &str) {
        let text = self.redactor.redact(text).into_owned();
        self.screen.print(stream, &format!("{text}\n"));
        if stream == Stream::Err {
            let now = (self.clock)();
            self.log.iter_mut().for_each(|log| log.write(&format!("- {text}"), now));
        }
    }

    fn error(&mut self, error: &Error) {
        let error = filter::error(error, &self.redactor);
        let now = (self.clock)();
        let redactor = self.redactor.clone();
        let hide = move |text: &str| redactor.redact(text).into_owned();
        let sources = Sources { lookup: &*self.lookup, filter: &hide };
        let lines = report::render(&error, &sources);

        let plain: String = lines.iter().map(|line| format!("{}\n", line.text)).collect();
        self.log.iter_mut().for_each(|log| log.write(&plain, now));
        if let Some(live) = &mut self.screen.live {
            live.clear();
        }
        if self.settings.json {
            self.screen.print(Stream::Out, &format!("{}\n", json::failure(&error, now)));
        }
        let painted: String =
            lines.iter().map(|line| format!("{}\n", self.paint.line(line))).collect();
        let painted = self.terminal.spaced(painted);
        self.screen.print(Stream::Err, &painted);
    }

    fn step(&mut self, host: &str, change: &Change) -> Result<bool> {
        if self.settings.yes || self.all_steps {
            return Ok(true);
        }
        let proposal = self.terminal.proposal(host, change);
        self.show(&proposal);
        let answer = self.ask(&format!("{host}: make this change?"), "y/N/all")?;
        self.all_steps = matches!(&*answer, "a" | "all");
        Ok(self.all_steps || is_yes(&answer))
    }

    /// Text for a person, which leaves by stderr where stdout belongs to JSON.
    fn show(&mut self, text: &str) {
        let stream = if self.settings.json { Stream::Err } else { Stream::Out };
        let text = self.redactor.redact(text).into_owned();
        self.screen.print(stream, &text);
    }

    fn confirm(&mut self, question: &str) -> Result<bool> {
        if self.settings.yes {
            return Ok(true);
        }
        Ok(is_yes(&self.ask(question, "y/N")?))
    }

    fn ask(&mut self, question: &str, choices: &str) -> Result<String> {
        let question = self.redactor.redact(question).into_owned();
        if !self.screen.attended {
            return Err(Error::usage(format!("nobody is there to answer: {question}"))
                .hint("Start pirun at a terminal, or answer every question with `--yes`."));
        }
        self.screen.ask(&format!("{question} [{choices}] "))
    }
}

fn is_yes(answer: &str) -> bool {
    matches!(answer, "y" | "yes")
}
