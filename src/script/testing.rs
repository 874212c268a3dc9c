//! A small stage for tests: three hosts, a fake node, and everything that a user would be told.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::context::{Hosts, Places, RunContext, RunOptions, RunParts, Secrets, lock};
use super::engine;
use crate::cancel::Cancel;
use crate::error::{Error, ErrorKind, Result};
use crate::inventory::Host;
use crate::remote::fake::FakeRemote;
use crate::ui::{Event, Ui};
use crate::vault::{Secret, SecretValue};

/// Collects what a run needs; [`Stage::play`] runs a playbook on it.
pub struct Stage {
    pub hosts: Vec<Arc<Host>>,
    pub remote: Arc<FakeRemote>,
    pub options: RunOptions,
    pub cancel: Cancel,
    pub secrets: Arc<Vault>,
    pub dir: tempfile::TempDir,
    told: Arc<Mutex<Vec<Event>>>,
}

/// What came of a playbook.
pub struct Played {
    pub result: Result<()>,
    pub events: Vec<Event>,
    pub run: Arc<RunContext>,
}

impl Default for Stage {
    fn default() -> Self {
        Self {
            hosts: vec![node("rpi40", "server"), node("rpi41", "agent"), node("rpi42", "agent")],
            remote: Arc::new(
                FakeRemote::default().answer("uname -m", "aarch64\n", 0).answer("missing", "", 1),
            ),
            options: RunOptions::default(),
            cancel: Cancel::default(),
            secrets: Arc::default(),
            dir: tempfile::tempdir().unwrap(),
            told: Arc::default(),
        }
    }
}

/// A host in one group.
pub fn node(name: &str, group: &str) -> Arc<Host> {
    Arc::new(Host {
        name: name.into(),
        address: name.into(),
        user: "root".into(),
        groups: vec![group.into()],
        ..Host::default()
    })
}

impl Stage {
    /// A stage whose hosts are these.
    pub fn with_hosts(names: &[&str]) -> Self {
        Self { hosts: names.iter().map(|name| node(name, "agent")).collect(), ..Self::default() }
    }

    /// Puts a file beside the playbook.
    pub fn file(self, name: &str, text: &str) -> Self {
        let path = self.dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    pub fn run_context(&self) -> Arc<RunContext> {
        let told = self.told.clone();
        RunContext::new(RunParts {
            hosts: Arc::new(Nodes(self.hosts.clone())),
            secrets: self.secrets.clone(),
            connect: Box::new(self.remote.clone()),
            ui: Ui::default(),
            tell: Box::new(move |event| lock(&told).push(event)),
            cancel: self.cancel.clone(),
            options: self.options.clone(),
            places: Places {
                playbook: self.dir.path().join("play.rhai"),
                project: self.dir.path().to_owned(),
            },
        })
    }

    /// Runs `script` as `play.rhai`.
    pub fn play(&self, script: &str) -> Played {
        let run = self.run_context();
        let engine = engine::for_run(&run);
        let result = engine::parse(&engine, script.to_owned(), "play.rhai")
            .and_then(|playbook| engine::run(&engine, &playbook));
        let events = std::mem::take(&mut *lock(&self.told));
        Played { result, events, run }
    }

    /// The error that `script` ends with, as plain text.
    pub fn error(&self, script: &str) -> String {
        let error = self.play(script).result.expect_err("the playbook fails");
        self.plain(&render(&error))
    }

    /// What `script` prints, sorted by host, and its error if it fails.
    pub fn prints(&self, script: &str) -> String {
        let played = self.play(script);
        let mut lines = played.prints();
        if let Err(error) = &played.result {
            lines.push(render(error));
        }
        self.plain(&lines.join("\n"))
    }

    /// `text` without the path of the temporary directory.
    pub fn plain(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.dir.path().display()), "")
    }
}

impl Played {
    /// What was printed, sorted by host.
    pub fn prints(&self) -> Vec<String> {
        let prints = self.events.iter().filter_map(|event| match event {
            Event::Print { host, text } => Some((host.clone(), text.clone())),
            _ => None,
        });
        let mut prints: Vec<_> = prints.collect();
        prints.sort_by(|a, b| a.0.cmp(&b.0));
        let line = |(host, text): (Option<String>, String)| match host {
            Some(host) => format!("{host}: {text}"),
            None => text,
        };
        prints.into_iter().map(line).collect()
    }

    /// The errors of hosts that failed, sorted by host.
    pub fn failures(&self) -> String {
        let failures = self.events.iter().filter_map(|event| match event {
            Event::HostFailed { error, .. } => Some(render(error)),
            _ => None,
        });
        let mut failures: Vec<_> = failures.collect();
        failures.sort();
        failures.join("\n")
    }
}

/// An error as plain text: place, message, detail, stack, hints.
pub fn render(error: &Error) -> String {
    let mut lines = Vec::new();
    let host = error.host().map(|host| format!("{host}: ")).unwrap_or_default();
    let site = error.site().map(|site| format!("{site}: ")).unwrap_or_default();
    lines.push(format!("{host}{site}{} ({})", error.message(), error.kind().name()));
    lines.extend(error.explanation().map(|text| format!("  | {text}")));
    lines.extend(
        error.stack().iter().map(|frame| format!("  in {}, called at {}", frame.call, frame.site)),
    );
    lines.extend(error.hints().iter().map(|hint| format!("  hint: {hint}")));
    lines.join("\n")
}

struct Nodes(Vec<Arc<Host>>);

impl Hosts for Nodes {
    fn all(&self) -> Vec<Arc<Host>> {
        self.0.clone()
    }

    fn select(&self, pattern: &str) -> Result<Vec<Arc<Host>>> {
        let named = |host: &&Arc<Host>| {
            pattern == "all" || host.name == pattern || host.groups.iter().any(|g| g == pattern)
        };
        let hosts: Vec<_> = self.0.iter().filter(named).cloned().collect();
        if hosts.is_empty() {
            let message = format!("no host matches `{pattern}`");
            return Err(Error::new(ErrorKind::Inventory, message));
        }
        Ok(hosts)
    }
}

/// Secrets in memory.
#[derive(Default)]
pub struct Vault(Mutex<BTreeMap<String, Secret>>);

impl Secrets for Vault {
    fn get(&self, name: &str) -> Result<Secret> {
        let missing = || Error::new(ErrorKind::Vault, format!("there is no secret `{name}`"));
        self.find(name)?.ok_or_else(missing)
    }

    fn find(&self, name: &str) -> Result<Option<Secret>> {
        Ok(lock(&self.0).get(name).cloned())
    }

    fn set(&self, name: &str, value: SecretValue) -> Result<bool> {
        lock(&self.0).insert(name.into(), Secret::new(name, value));
        Ok(true)
    }

    fn remove(&self, name: &str) -> Result<()> {
        lock(&self.0).remove(name);
        Ok(())
    }

    fn names(&self) -> Result<Vec<String>> {
        Ok(lock(&self.0).keys().cloned().collect())
    }
}

/// The golden files' directory and the like.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}
