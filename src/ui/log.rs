//! The log file of a run: everything, timestamped, without colours. The newest twenty are kept.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::block::{Block, Layout, Mark};
use super::change;
use super::event::Event;
use super::paint::Paint;
use super::recap;
use super::stamp::stamp;
use crate::error::{Error, Result};
use crate::report::Sources;
use crate::units::size;

/// Logs that are kept, the new one included.
const KEPT: usize = 20;

/// An open log.
#[derive(Debug)]
pub struct Log {
    file: File,
    dry_run: bool,
}

impl Log {
    /// Makes `<dir>/<time>-<name>.log`, readable for its owner only, and removes the oldest ones.
    pub fn create(dir: &Path, name: &str, now: SystemTime) -> Result<(Self, PathBuf)> {
        fs::create_dir_all(dir).map_err(|source| Error::io(dir, &source))?;
        prune(dir, KEPT - 1);
        let stem = format!("{}-{}", file_stamp(now), plain(name));
        // Two runs may start in the same second.
        for attempt in 1..100 {
            let nth = if attempt > 1 { format!("-{attempt}") } else { String::new() };
            let path = dir.join(format!("{stem}{nth}.log"));
            match File::options().append(true).create_new(true).mode(0o600).open(&path) {
                Ok(file) => return Ok((Self { file, dry_run: false }, path)),
                Err(taken) if taken.kind() == io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(Error::io(&path, &source)),
            }
        }
        Err(Error::file(format!("{}: no free name for a log", dir.display())))
    }

    /// Writes down an event. A log that cannot be written does not stop a run.
    pub fn event(&mut self, event: &Event, now: SystemTime, sources: &Sources<'_>) {
        if let Event::RunStarted { dry_run, .. } = event {
            self.dry_run = *dry_run;
        }
        self.write(&text(event, self.dry_run, sources), now);
    }

    /// Writes text down as it is, its first line with the time.
    pub fn write(&mut self, text: &str, now: SystemTime) {
        let mut prefix = stamp(now);
        let indent = " ".repeat(prefix.len());
        let mut entry = String::new();
        for line in text.lines() {
            entry.push_str(format!("{prefix} {line}").trim_end());
            entry.push('\n');
            prefix.clone_from(&indent);
        }
        let _ = self.file.write_all(entry.as_bytes());
    }
}

fn text(event: &Event, dry_run: bool, sources: &Sources<'_>) -> String {
    let said = |host: &Option<String>, mark, text: &str| {
        let host = host.as_deref().unwrap_or("-");
        Block::new(mark, text).print(host, layout())
    };
    let on = |host: &str, mark, text: &str| Block::new(mark, text).print(host, layout());
    match event {
        Event::RunStarted { playbook, dry_run, hosts } => {
            let mode = if *dry_run { ", dry run" } else { "" };
            format!("- run {playbook}{mode}, {hosts} hosts, pirun {}", env!("CARGO_PKG_VERSION"))
        }
        Event::FanOutStarted { hosts, total, limit } => {
            let by = limit.as_deref().map(|by| format!(", --limit {by}")).unwrap_or_default();
            format!("- on {} of {total} hosts{by}: {}", hosts.len(), hosts.join(" "))
        }
        Event::FanOutFinished => "- on finished".into(),
        Event::Step { host, text } => on(host, Mark::Step, text),
        Event::Change { host, change: found } => {
            change::block(found, dry_run, true).print(host, layout())
        }
        // A transfer is told by its steps and its end.
        Event::Progress { done, total, .. } if Some(done) != total.as_ref() => String::new(),
        Event::Progress { host, label, done, .. } => {
            said(host, Mark::Step, &format!("{label}: {}", size(*done)))
        }
        Event::Output { host, line } => on(host, Mark::Output, line),
        Event::Print { host, text } => said(host, Mark::Said, text),
        Event::Log { host, text } => said(host, Mark::Step, text),
        Event::Warning { host, text } => said(host, Mark::Warning, &format!("warning: {text}")),
        Event::HostFailed { host, error, unreachable } => {
            Block::failure(error, *unreachable, sources).print(host, layout())
        }
        Event::HostFinished { host } => on(host, Mark::Step, "finished"),
        Event::Recap(recap) => {
            let cancelled = if recap.cancelled { "cancelled\n" } else { "" };
            format!("- end\n{cancelled}{}", recap::table(recap, true, Paint(false)))
        }
    }
}

fn layout() -> Layout {
    Layout { paint: Paint(false), hosts: 0, width: None }
}

/// Removes all but the newest `keep` logs. Their names begin with the time, so names order them.
fn prune(dir: &Path, keep: usize) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    let mut logs: Vec<PathBuf> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| is_log(path)).collect();
    logs.sort();
    let old = logs.len().saturating_sub(keep);
    for path in &logs[..old] {
        let _ = fs::remove_file(path);
    }
}

/// Whether this is a file that [`Log::create`] made: nothing else is removed.
fn is_log(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    name.ends_with(b".log") && name.get(4) == Some(&b'-') && name.get(10) == Some(&b'T')
}

/// `2026-11-22T17-22-18`: no colons, which some file systems and `scp` dislike.
fn file_stamp(now: SystemTime) -> String {
    let mut stamp = stamp(now).replace(':', "-");
    stamp.truncate("2026-11-22T17-22-18".len());
    stamp
}

/// A playbook's name as part of a file name.
fn plain(name: &str) -> String {
    let name = Path::new(name).file_stem().unwrap_or_default().to_string_lossy().into_owned();
    name.chars().map(|c| if c.is_alphanumeric() || "-_".contains(c) { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn the_newest_twenty_logs_are_kept() {
        let dir = tempfile::tempdir().expect("a directory");
        for second in 0..25 {
            let now = UNIX_EPOCH + Duration::from_secs(second);
            Log::create(dir.path(), "playbooks/provision.rhai", now).expect("a log");
        }
        let mut names: Vec<_> = fs::read_dir(dir.path())
            .expect("a directory")
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
            .collect();
        names.sort();
        assert_eq!(names.len(), 20);
        assert_eq!(names[0], "1970-01-01T00-00-05-provision.log");
    }

    #[test]
    fn runs_of_the_same_second_have_logs_of_their_own() {
        let dir = tempfile::tempdir().expect("a directory");
        let one = Log::create(dir.path(), "a.rhai", UNIX_EPOCH).expect("a log").1;
        let two = Log::create(dir.path(), "a.rhai", UNIX_EPOCH).expect("a log").1;
        assert_ne!(one, two);
    }
}
