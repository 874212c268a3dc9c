//! What one run knows. Every native reaches it through its call context, every host thread through its
//! handle; nothing of it is global but the name of the host that the current thread works for.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rhai::{Engine, NativeCallContext};

use super::built_in;
use super::call::Callback;
use super::template_vars::SharedVars;
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::inventory::{Host, Inventory};
use crate::remote::{Connect, Remote};
use crate::state::{self, Ask, Change, Facts, Node};
use crate::template::Templates;
use crate::ui::{Event, RecapRow, Ui};
use crate::vault::{ProjectVault, Secret, SecretValue};

/// Where hosts come from. The inventory is one; tests have small ones.
pub trait Hosts: Send + Sync {
    /// All hosts, in file order.
    fn all(&self) -> Vec<Arc<Host>>;

    /// The hosts that `pattern` names, in file order. No match is an error that names close ones.
    fn select(&self, pattern: &str) -> Result<Vec<Arc<Host>>>;
}

impl Hosts for Inventory {
    fn all(&self) -> Vec<Arc<Host>> {
        self.hosts().to_vec()
    }

    fn select(&self, pattern: &str) -> Result<Vec<Arc<Host>>> {
        Self::select(self, pattern)
    }
}

/// Where secrets come from. The vault is opened when the first one is asked for.
pub trait Secrets: Send + Sync {
    /// The secret called `name`; an error that names close ones if there is none.
    fn get(&self, name: &str) -> Result<Secret>;

    /// The secret called `name`; `None` if there is none.
    fn find(&self, name: &str) -> Result<Option<Secret>>;

    /// Keeps `value` under `name`; it is on disk when this returns. False: it was there already.
    fn set(&self, name: &str, value: SecretValue) -> Result<bool>;

    /// Forgets `name`.
    fn remove(&self, name: &str) -> Result<()>;

    /// All names. Readable without the password.
    fn names(&self) -> Result<Vec<String>>;

    /// The vault itself, whose keys seal backups; `None` where secrets come from elsewhere.
    fn project_vault(&self) -> Option<&ProjectVault> {
        None
    }
}

impl Secrets for ProjectVault {
    fn get(&self, name: &str) -> Result<Secret> {
        Self::get(self, name)
    }

    fn find(&self, name: &str) -> Result<Option<Secret>> {
        Self::find(self, name)
    }

    fn set(&self, name: &str, value: SecretValue) -> Result<bool> {
        Self::set(self, name, value)
    }

    fn remove(&self, name: &str) -> Result<()> {
        Self::remove(self, name)
    }

    fn names(&self) -> Result<Vec<String>> {
        Self::names(self)
    }

    fn project_vault(&self) -> Option<&ProjectVault> {
        Some(self)
    }
}

/// What the command line asked for.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// Read, compare and show, but change nothing.
    pub dry_run: bool,
    /// Ask before each change.
    pub step: bool,
    /// The playbook has handlers (`at_end`), so changes leave marks for a run that is cut.
    pub handlers: bool,
    /// Show the diffs of a real run too.
    pub diff: bool,
    /// How many hosts work at the same time.
    pub forks: usize,
    /// The pattern of `--limit`.
    pub limit: Option<String>,
    /// Only `on` calls that have one of these tags. Empty: all.
    pub tags: Vec<String>,
    /// The playbook's own parameters that were given, as text.
    pub params: BTreeMap<String, String>,
    /// The playbook's positional arguments.
    pub args: Vec<String>,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            dry_run: false,
            step: false,
            handlers: false,
            diff: false,
            forks: 20,
            limit: None,
            tags: Vec::new(),
            params: BTreeMap::new(),
            args: Vec::new(),
        }
    }
}

/// Where the playbook and its project are.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// The playbook as it is shown to the user.
    pub playbook: PathBuf,
    /// The directory that has `inventory.yaml`.
    pub project: PathBuf,
}

impl Places {
    /// The directory that the playbook lies in.
    pub fn playbook_dir(&self) -> PathBuf {
        match self.playbook.parent() {
            Some(dir) if !dir.as_os_str().is_empty() => dir.to_owned(),
            _ => PathBuf::from("."),
        }
    }

    /// The file that a playbook means by `path`: absolute, in the home directory (`~/…`), beside the
    /// playbook, or in the project. The last one when none exists, for the error message.
    pub fn find(&self, path: &str) -> PathBuf {
        if let (Some(rest), Some(home)) = (path.strip_prefix("~/"), std::env::home_dir()) {
            return home.join(rest);
        }
        let beside = self.playbook_dir().join(path);
        if beside.exists() { beside } else { self.project.join(path) }
    }

    /// The bytes of the file that a playbook means by `path`: as [`Places::find`], else the project's `stdlib/` and
    /// what is built into pirun, where the files are that libraries lay out.
    pub fn read(&self, path: &str) -> Result<Vec<u8>> {
        let place = self.find(path);
        let fallback = self.project.join("stdlib").join(path);
        match (place.exists(), fallback.exists(), built_in::file(path)) {
            (false, true, _) => {
                std::fs::read(&fallback).map_err(|error| Error::io(&fallback, &error))
            }
            (false, false, Some(bytes)) => Ok(bytes.into_owned()),
            _ => std::fs::read(&place).map_err(|error| Error::io(&place, &error)),
        }
    }

    /// Whether [`Places::read`] would find something.
    pub fn has(&self, path: &str) -> bool {
        self.find(path).exists()
            || self.project.join("stdlib").join(path).exists()
            || built_in::file(path).is_some()
    }
}

/// The parts that a run is made of.
pub struct RunParts {
    pub hosts: Arc<dyn Hosts>,
    pub secrets: Arc<dyn Secrets>,
    pub connect: Box<dyn Connect>,
    pub ui: Ui,
    /// Where events go: the terminal, the log file, `--json`; a list in tests.
    pub tell: Box<dyn Fn(Event) + Send + Sync>,
    pub cancel: Cancel,
    pub options: RunOptions,
    pub places: Places,
}

/// One run of one playbook.
pub struct RunContext {
    /// One a host of the inventory, in file order; made when the host is first named.
    states: Mutex<Vec<Arc<HostState>>>,
    parts: RunParts,
    /// Hosts that failed in this run, for `max_fail`.
    failures: AtomicUsize,
    hashes: Mutex<BTreeMap<PathBuf, String>>,
    templates: Templates,
    shared_vars: SharedVars,
}

impl RunContext {
    pub fn new(parts: RunParts) -> Arc<Self> {
        let dir = parts.places.playbook_dir();
        let project = &parts.places.project;
        let templates = [dir.clone(), dir.join("templates"), project.join("templates")];
        Arc::new(Self {
            templates: Templates::new(templates),
            shared_vars: SharedVars::default(),
            parts,
            states: Mutex::default(),
            failures: AtomicUsize::new(0),
            hashes: Mutex::default(),
        })
    }

    pub fn options(&self) -> &RunOptions {
        &self.parts.options
    }

    pub fn places(&self) -> &Places {
        &self.parts.places
    }

    pub fn ui(&self) -> &Ui {
        &self.parts.ui
    }

    pub fn cancel(&self) -> &Cancel {
        &self.parts.cancel
    }

    pub fn hosts(&self) -> &dyn Hosts {
        &*self.parts.hosts
    }

    pub fn secrets(&self) -> &dyn Secrets {
        &*self.parts.secrets
    }

    /// Renders the templates beside the playbook, in its `templates/` and in the project's.
    pub fn templates(&self) -> &Templates {
        &self.templates
    }

    /// What all templates of the run share.
    pub fn shared_vars(&self) -> &SharedVars {
        &self.shared_vars
    }

    /// Tells the user, the log file and `--json` what happened.
    pub fn tell(&self, event: Event) {
        (self.parts.tell)(event);
    }

    /// A remark of pirun's own: shown with `-v`, always in the log file.
    pub fn remark(&self, text: impl Into<String>) {
        self.tell(Event::Log { host: current_host(), text: text.into() });
    }

    /// An error once the user has pressed Ctrl-C.
    pub fn check_cancelled(&self) -> Result<()> {
        if self.parts.cancel.is_cancelled() { Err(Error::cancelled()) } else { Ok(()) }
    }

    /// Sleeps, but not through a Ctrl-C.
    pub fn sleep(&self, time: Duration) -> Result<()> {
        const NAP: Duration = Duration::from_millis(50);
        let end = Instant::now() + time;
        loop {
            self.check_cancelled()?;
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(NAP));
        }
    }

    /// What this run knows about `host`.
    pub fn state(&self, host: &Arc<Host>) -> Arc<HostState> {
        let mut states = lock(&self.states);
        if let Some(state) = states.iter().find(|state| state.host.name == host.name) {
            return state.clone();
        }
        let state = Arc::new(HostState::new(host.clone()));
        states.push(state.clone());
        state
    }

    /// The states of all hosts that were named so far, in inventory order.
    pub fn states(&self) -> Vec<Arc<HostState>> {
        let order = self.hosts().all();
        let place = |state: &Arc<HostState>| {
            order.iter().position(|host| host.name == state.host.name).unwrap_or(usize::MAX)
        };
        let mut states = lock(&self.states).clone();
        states.sort_by_key(place);
        states
    }

    /// Hosts that failed so far in the whole run.
    pub fn failures(&self) -> usize {
        self.failures.load(Ordering::SeqCst)
    }

    /// Notes that `state`'s host failed and sits out the rest of the run.
    pub fn host_failed(&self, state: &HostState, error: Error) {
        self.failures.fetch_add(1, Ordering::SeqCst);
        state.failed.fetch_add(1, Ordering::SeqCst);
        *lock(&state.failure) = Some(error);
    }

    /// The connection to a host, made when it is first needed.
    pub fn node(&self, state: &HostState) -> Result<Arc<Node>> {
        // Held while connecting: a second thread waits rather than logging in twice.
        let mut slot = lock(&state.node);
        if let Some(node) = &*slot {
            return Ok(node.clone());
        }
        self.check_cancelled()?;
        let node = self.parts.connect.connect(&state.host)?;
        Ok(slot.insert(self.new_node(&state.host, node)).clone())
    }

    fn new_node(&self, host: &Host, remote: Arc<dyn Remote>) -> Arc<Node> {
        // A dry run has nothing to ask about.
        let ask = (self.options().step && !self.options().dry_run).then(|| {
            let (ui, host) = (self.parts.ui.clone(), host.name.clone());
            let ask = move |change: &Change| ui.step(&host, change);
            Arc::new(ask) as Ask
        });
        let node = Node::new(remote, ask);
        if self.options().handlers {
            node.leave_marks();
        }
        Arc::new(node)
    }

    /// Drops a connection that is of no use any more; the next verb logs in anew.
    pub fn forget_node(&self, state: &HostState) {
        lock(&state.node).take();
    }

    /// Reboots the host behind `node`; later verbs use the connection to the new boot.
    pub fn reboot(&self, state: &HostState, node: &Node, limit: Duration) -> Result<()> {
        let remote =
            state::reboot(node, &state.host, &*self.parts.connect, limit, &self.parts.cancel)?;
        *lock(&state.node) = Some(self.new_node(&state.host, remote));
        lock(&state.facts).take();
        Ok(())
    }

    /// Stops the timer of `undo` over a new connection, which later verbs use.
    pub fn confirm(&self, state: &HostState, undo: &state::Undo) -> Result<()> {
        let remote = undo.confirm(&state.host, &*self.parts.connect, &self.parts.cancel)?;
        *lock(&state.node) = Some(self.new_node(&state.host, remote));
        Ok(())
    }

    /// The hash of a local file that goes to many hosts: computed once in a run.
    pub fn hash_of(&self, path: &std::path::Path) -> Result<String> {
        // Held while hashing: the other hosts wait for the one result.
        let mut hashes = lock(&self.hashes);
        if let Some(known) = hashes.get(path) {
            return Ok(known.clone());
        }
        let (hash, _) = state::hash_file(path)?;
        hashes.insert(path.to_owned(), hash.clone());
        Ok(hash)
    }
}

impl Drop for RunContext {
    /// Hanging up takes a moment of waiting each: all connections do it at once.
    fn drop(&mut self) {
        let states = std::mem::take(&mut *lock(&self.states));
        let nodes: Vec<_> = states.iter().filter_map(|state| lock(&state.node).take()).collect();
        std::thread::scope(|scope| {
            for node in nodes {
                scope.spawn(move || drop(node));
            }
        });
    }
}

/// What a run knows about one host.
pub struct HostState {
    pub host: Arc<Host>,
    ok: AtomicUsize,
    changed: AtomicUsize,
    skipped: AtomicUsize,
    failed: AtomicUsize,
    failure: Mutex<Option<Error>>,
    /// Closures that an `on` has for this host, that were begun, and that ended well.
    expected: AtomicUsize,
    started: AtomicUsize,
    finished: AtomicUsize,
    busy: Mutex<Duration>,
    node: Mutex<Option<Arc<Node>>>,
    facts: Mutex<Option<Arc<Facts>>>,
    at_end: Mutex<Vec<AtEnd>>,
    /// Changes, made or not, that name the handler they are for.
    notifying: Mutex<Vec<(String, Change)>>,
}

/// A handler that waits for the end of its host's closure.
pub struct AtEnd {
    pub name: String,
    pub callback: Callback,
    /// What is done after the handler succeeded, such as removing its mark from the node.
    pub done: Option<Box<dyn FnOnce() -> Result<()> + Send>>,
}

impl HostState {
    fn new(host: Arc<Host>) -> Self {
        Self {
            host,
            ok: AtomicUsize::new(0),
            changed: AtomicUsize::new(0),
            skipped: AtomicUsize::new(0),
            failed: AtomicUsize::new(0),
            failure: Mutex::default(),
            expected: AtomicUsize::new(0),
            started: AtomicUsize::new(0),
            finished: AtomicUsize::new(0),
            busy: Mutex::default(),
            node: Mutex::default(),
            facts: Mutex::default(),
            at_end: Mutex::default(),
            notifying: Mutex::default(),
        }
    }

    /// Counts a verb that compared, and what came of it.
    pub fn count(&self, change: &Change) {
        let counter = match change {
            Change { declined: true, .. } => &self.skipped,
            change if change.changed() => &self.changed,
            _ => &self.ok,
        };
        counter.fetch_add(1, Ordering::SeqCst);
    }

    /// Verbs that changed something, or would.
    pub fn changed(&self) -> usize {
        self.changed.load(Ordering::SeqCst)
    }

    /// Why the host sits out, if it does.
    pub fn failure(&self) -> Option<Error> {
        lock(&self.failure).clone()
    }

    pub(super) fn expects(&self) {
        self.expected.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn starts(&self) {
        self.started.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn finishes(&self) {
        self.finished.fetch_add(1, Ordering::SeqCst);
    }

    /// Whether an `on` had something to do for this host that was not brought to its end.
    pub fn unfinished(&self) -> bool {
        self.expected.load(Ordering::SeqCst) != self.finished.load(Ordering::SeqCst)
    }

    /// Whether the run had anything to do with this host.
    pub fn took_part(&self) -> bool {
        let counts = [&self.started, &self.ok, &self.changed, &self.skipped, &self.failed];
        counts.iter().any(|count| count.load(Ordering::SeqCst) > 0)
    }

    pub(super) fn add_time(&self, time: Duration) {
        *lock(&self.busy) += time;
    }

    /// The host's facts: gathered through `node` when they are first asked for.
    pub fn facts(&self, node: &Node) -> Result<Arc<Facts>> {
        let mut facts = lock(&self.facts);
        if let Some(known) = &*facts {
            return Ok(known.clone());
        }
        Ok(facts.insert(Arc::new(Facts::gather(node)?)).clone())
    }

    /// Notes that `change` is for the handler called `name`.
    pub fn notify(&self, name: String, change: Change) {
        lock(&self.notifying).push((name, change));
    }

    /// The changes so far that are for the handler called `name`.
    pub fn notifying(&self, name: &str) -> Vec<Change> {
        let all = lock(&self.notifying);
        all.iter()
            .filter(|(handler, _)| handler == name)
            .map(|(_, change)| change.clone())
            .collect()
    }

    /// Adds a handler. One that waits already under the same name is kept instead.
    pub fn push_at_end(&self, handler: AtEnd) {
        let mut waiting = lock(&self.at_end);
        if !waiting.iter().any(|other| other.name == handler.name) {
            waiting.push(handler);
        }
    }

    pub(super) fn take_at_end(&self) -> Vec<AtEnd> {
        std::mem::take(&mut lock(&self.at_end))
    }

    /// The host's line in the recap.
    pub fn recap(&self) -> RecapRow {
        let unreachable =
            self.failure().is_some_and(|error| error.kind() == crate::error::ErrorKind::Connect);
        RecapRow {
            host: self.host.name.clone(),
            ok: self.ok.load(Ordering::SeqCst),
            changed: self.changed(),
            skipped: self.skipped.load(Ordering::SeqCst),
            failed: self.failed.load(Ordering::SeqCst),
            unreachable,
            time: *lock(&self.busy),
        }
    }
}

/// How the run hangs on the engine: every call context carries it as its tag.
#[derive(Clone)]
pub(super) struct RunTag(pub Arc<RunContext>);

/// The run that `engine` works for, if it does.
pub(super) fn run_of(engine: &Engine) -> Option<Arc<RunContext>> {
    engine.default_tag().read_lock::<RunTag>().map(|tag| tag.0.clone())
}

/// The run that a native was called in.
pub fn context(ctx: &NativeCallContext) -> Result<Arc<RunContext>> {
    ctx.tag()
        .and_then(|tag| tag.read_lock::<RunTag>().map(|tag| tag.0.clone()))
        .ok_or_else(|| Error::bug("a function was called outside of a run"))
}

/// The value behind a lock. A panic elsewhere cannot leave one of these values half-changed.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

thread_local! {
    static CURRENT_HOST: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// The host that this thread works for; `None` outside of `on`.
pub fn current_host() -> Option<String> {
    CURRENT_HOST.with_borrow(Clone::clone)
}

/// Makes `host` the current one while `work` runs.
pub(super) fn as_host<T>(host: &str, work: impl FnOnce() -> T) -> T {
    struct Restore(Option<String>);
    impl Drop for Restore {
        fn drop(&mut self) {
            CURRENT_HOST.set(self.0.take());
        }
    }
    let _restore = Restore(CURRENT_HOST.replace(Some(host.to_owned())));
    work()
}
