//! Events as text for a person: what is shown, when, and in which order.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, SystemTime};

use super::block::{Block, Layout, Mark};
use super::event::{Event, Recap};
use super::group::{Held, Shared, listed, same_on};
use super::paint::{count, width};
use super::settings::Settings;
use super::{change, recap};
use crate::report::{Line, Sources, Tone};
use crate::state::Change;
use crate::units::size;
use crate::visible::visible;

/// How often a transfer is mentioned where there is no live line.
const PROGRESS_EVERY: Duration = Duration::from_secs(10);

/// The text renderer. It answers each event with the text to print, which may be none.
pub struct Terminal {
    settings: Settings,
    layout: Layout,
    dry_run: bool,
    /// A live line shows steps and transfers, so that text need not.
    live: bool,
    /// Hosts of the running fan-out.
    hosts: usize,
    held: Held,
    /// Diffs and errors that were shown, and for which host.
    shown: HashMap<u64, String>,
    /// Hosts of which something was said, and that so are not merely unchanged.
    told: HashSet<String>,
    /// Hosts that brought an `on` to its end.
    finished: HashSet<String>,
    /// An empty line is due before the next text.
    gap: bool,
    pace: super::pace::Pace,
}

impl Terminal {
    pub fn new(settings: Settings, layout: Layout, live: bool) -> Self {
        Self {
            settings,
            layout,
            dry_run: false,
            live,
            hosts: 0,
            held: Held::default(),
            shown: HashMap::new(),
            told: HashSet::new(),
            finished: HashSet::new(),
            gap: false,
            pace: super::pace::Pace::new(PROGRESS_EVERY),
        }
    }

    /// The text that `event` makes.
    pub fn event(&mut self, event: &Event, now: SystemTime, sources: &Sources<'_>) -> String {
        match event {
            Event::RunStarted { playbook, dry_run, hosts } => {
                self.start(playbook, *dry_run, *hosts)
            }
            Event::FanOutStarted { hosts, total, limit } => {
                self.fan_out(hosts, *total, limit.as_deref())
            }
            Event::FanOutFinished => self.flush(),
            Event::Recap(recap) => self.recap(recap),
            Event::Change { host, change } => self.change(host, change),
            Event::HostFinished { host } => {
                self.finished.insert(host.clone());
                String::new()
            }
            Event::HostFailed { host, error, unreachable } => {
                self.told.insert(host.clone());
                let mut block = Block::failure(error, *unreachable, sources);
                self.refer(host, &mut block, "error");
                self.say(host, block)
            }
            Event::Progress { host, label, done, total } => {
                self.progress(host.as_deref(), label, *done, *total, now)
            }
            other => self.words(other),
        }
    }

    fn start(&mut self, playbook: &str, dry_run: bool, hosts: usize) -> String {
        self.dry_run = dry_run;
        if self.settings.quiet {
            return String::new();
        }
        let mode = if dry_run { " · dry run" } else { "" };
        let header = format!("{playbook}{mode} · {}", count(hosts, "host"));
        let text = self.text(&self.layout.paint.bold(&header));
        self.gap = true;
        text
    }

    fn fan_out(&mut self, hosts: &[String], total: usize, limit: Option<&str>) -> String {
        let before = self.flush();
        self.hosts = hosts.len();
        self.held = Held::new(hosts);
        self.layout.hosts = hosts.iter().map(|host| width(host)).max().unwrap_or(0);
        if hosts.len() >= total || self.settings.quiet {
            return before;
        }
        let by = limit.map(|limit| format!(" (--limit {limit})")).unwrap_or_default();
        let line = match hosts.len() {
            0 => format!("no host is left for this `on`{by}"),
            n => format!("{n} of {}{by}", count(total, "host")),
        };
        before + self.text(&self.layout.paint.dim(&line)).as_str()
    }

    fn change(&mut self, host: &str, change: &Change) -> String {
        let matters = change.changed() || change.declined;
        if !matters && self.settings.verbose < 2 {
            return String::new();
        }
        if matters {
            self.told.insert(host.to_owned());
        }
        let mut block = change::block(change, self.dry_run, self.dry_run || self.settings.diff);
        self.refer(host, &mut block, "diff");
        self.say_unless_quiet(host, block)
    }

    /// Puts a reference in the place of what another host had already: a diff, an error. A dry run that holds
    /// everything back to its end has a better way.
    fn refer(&mut self, host: &str, block: &mut Block, what: &str) {
        if self.holds() || block.body.len() < 2 {
            return;
        }
        let mut hasher = DefaultHasher::new();
        block.hash(&mut hasher);
        let first = self.shown.entry(hasher.finish()).or_insert_with(|| host.to_owned());
        if first != host {
            block.body = vec![Line::new(Tone::Dim, &format!("(the same {what} as {first})"))];
        }
    }

    /// One line for all hosts on which nothing differed. Only the end of the run knows them.
    fn unchanged(&mut self, recap: &Recap) -> String {
        let same = |host: &&str| self.finished.contains(*host) && !self.told.contains(*host);
        let hosts: Vec<&str> =
            recap.rows.iter().map(|row| row.host.as_str()).filter(same).collect();
        // What a cancelled run did not get to, it cannot know.
        if hosts.is_empty() || recap.cancelled || self.settings.quiet {
            return String::new();
        }
        let names = listed(&hosts, self.settings.verbose > 0);
        self.print(&names, &Block::new(Mark::Same, "nothing to change"), &[])
    }

    /// What `--step` asks about: the change with its differences.
    pub fn proposal(&mut self, host: &str, change: &Change) -> String {
        self.told.insert(host.to_owned());
        self.print(host, &change::block(change, true, true), &[])
    }

    fn progress(
        &mut self,
        host: Option<&str>,
        label: &str,
        done: u64,
        total: Option<u64>,
        now: SystemTime,
    ) -> String {
        let name = format!("{} {label}", host.unwrap_or_default());
        if self.live || self.settings.quiet || !self.pace.due(&name, now) {
            return String::new();
        }
        let of = total.map(|total| format!(" of {}", size(total))).unwrap_or_default();
        let block = Block::new(Mark::Step, &format!("{label}: {}{of}", size(done)));
        self.print(host.unwrap_or_default(), &block, &[])
    }

    /// Events that are a text and perhaps a host.
    fn words(&mut self, event: &Event) -> String {
        let verbose = self.settings.verbose;
        let (mark, host, text, wanted) = match event {
            Event::Step { host, text } => (Mark::Step, Some(host), text, verbose >= 2),
            Event::Output { host, line } => (Mark::Output, Some(host), line, verbose >= 1),
            Event::Log { host, text } => (Mark::Step, host.as_ref(), text, verbose >= 1),
            Event::Print { host, text } => (Mark::Said, host.as_ref(), text, true),
            Event::Warning { host, text } => (Mark::Warning, host.as_ref(), text, true),
            _ => return String::new(),
        };
        if !wanted || self.settings.quiet {
            return String::new();
        }
        let text = if mark == Mark::Warning { format!("warning: {text}") } else { text.clone() };
        match host {
            Some(host) => self.say(host, Block::new(mark, &text)),
            None => self.text(&self.layout.paint.mark(mark, &visible(&text))),
        }
    }

    fn recap(&mut self, recap: &Recap) -> String {
        let mut text = self.flush();
        text.push_str(&self.unchanged(recap));
        let paint = self.layout.paint;
        self.gap = true;
        let table = recap::table(recap, self.settings.verbose > 0, paint);
        if !table.is_empty() {
            text.push_str(&self.text(table.trim_end()));
        }
        if recap.cancelled {
            text.push_str(&self.text(&paint.red("cancelled: what is missing above was not done")));
        }
        if let Some(log) = &recap.log {
            text.push_str(&self.text(&paint.dim(&format!("log: {log}"))));
        }
        text
    }

    /// The lines that were held back, equal ones once.
    fn flush(&mut self) -> String {
        let shared = std::mem::take(&mut self.held).grouped();
        let mut text = String::new();
        for Shared { host, block, others } in shared {
            text.push_str(&self.print(&host, &block, &others));
        }
        text
    }

    /// A dry run on several hosts tells it all at its end.
    fn holds(&self) -> bool {
        self.dry_run && self.hosts > 1
    }

    fn say_unless_quiet(&mut self, host: &str, block: Block) -> String {
        if self.settings.quiet { String::new() } else { self.say(host, block) }
    }

    fn say(&mut self, host: &str, block: Block) -> String {
        if self.holds() {
            self.held.add(host, block);
            return String::new();
        }
        self.print(host, &block, &[])
    }

    fn print(&mut self, host: &str, block: &Block, others: &[String]) -> String {
        let mut text = block.print(host, self.layout);
        if !others.is_empty() {
            let same = same_on(others, self.hosts, self.settings.verbose > 0);
            text.push_str(&self.layout.below(&Line::new(Tone::Dim, &same)));
        }
        self.spaced(text)
    }

    fn text(&mut self, line: &str) -> String {
        self.spaced(format!("{line}\n"))
    }

    /// `text`, below the empty line that may be due.
    pub fn spaced(&mut self, text: String) -> String {
        if std::mem::take(&mut self.gap) { format!("\n{text}") } else { text }
    }
}
