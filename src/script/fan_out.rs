//! `on(hosts, |host| …)`: the closure runs for each host, many at a time, each on a thread of its own.
//!
//! A host that fails or cannot be reached does not stop the others; it sits out the rest of the run.

mod batch;
mod select;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use rhai::{Dynamic, Engine, EvalAltResult, FnPtr, NativeCallContext};

pub use batch::{Order, Serial};

use super::call::Callback;
use super::context::{RunContext, as_host, context, current_host, lock};
use super::convert::from_script;
use super::engine::STACK_SIZE;
use super::host::HostHandle;
use super::resolver::importing;
use super::results::{Results, Row};
use crate::error::{Error, ErrorKind, Result};
use crate::options;
use crate::ui::Event;

options! {
    /// Options of `on`.
    pub struct OnOptions for "on" at 1 {
        /// How many hosts at a time: `1`, `"25%"`, or a growing list `[1, 5, "100%"]`. Default: all, but never
        /// more than `--forks` at once.
        serial: Option<Serial>,
        /// How many hosts may fail in the whole run. Default: 0 with `serial`, else any number.
        max_fail: Option<usize>,
        /// `pirun … --tags a,b` runs only the `on` calls that have one of these tags.
        tags: Vec<String>,
        /// `"listed"` (default), `"sorted"`, `"reversed"` or `"shuffled"`.
        order: Order,
    }
}

/// Runs `closure` for each of `hosts`.
pub fn on(
    ctx: &NativeCallContext,
    hosts: &Dynamic,
    options: &OnOptions,
    closure: &FnPtr,
) -> Result<Results> {
    refuse_wrong_place()?;
    let run = context(ctx)?;
    let chosen = select::choose(&run, hosts, options)?;
    if !chosen.wanted {
        return Ok(Results::default());
    }
    run.tell(Event::FanOutStarted {
        hosts: chosen.ready.iter().map(|host| host.name().to_owned()).collect(),
        total: chosen.total,
        limit: run.options().limit.clone(),
    });
    for host in &chosen.ready {
        host.state().expects();
    }
    let work = Work {
        run: &run,
        engine: ctx.engine(),
        source: ctx.call_source(),
        callback: Callback::new(ctx, closure, 1),
        max_fail: options.max_fail.or(options.serial.is_some().then_some(0)),
        rows: Mutex::default(),
        stopped: AtomicBool::new(false),
    };
    for batch in batch::split(&chosen.ready, options.serial.as_ref()) {
        work.run_batch(batch)?;
    }
    run.tell(Event::FanOutFinished);
    work.finish(&chosen)
}

fn refuse_wrong_place() -> Result<()> {
    if let Some(host) = current_host() {
        return Err(Error::playbook("`on` inside `on`")
            .hint(format!("This code runs for {host} already. Use another host's handle directly: `host(\"name\").query(…)`.")));
    }
    if let Some(module) = importing() {
        return Err(Error::playbook(format!("`on` at the top level of `{module}`, which is being imported"))
            .hint("A file that is imported holds functions and constants; only the playbook itself does things."));
    }
    Ok(())
}

/// One `on` at work.
struct Work<'a> {
    run: &'a Arc<RunContext>,
    engine: &'a Engine,
    source: Option<&'a str>,
    callback: Callback,
    max_fail: Option<usize>,
    rows: Mutex<Vec<Row>>,
    /// No further host starts.
    stopped: AtomicBool,
}

impl Work<'_> {
    /// Runs the hosts of one batch, at most `--forks` at once, and waits for them.
    fn run_batch(&self, hosts: &[HostHandle]) -> Result<()> {
        let waiting = Mutex::new(hosts.iter().collect::<VecDeque<_>>());
        let threads = self.run.options().forks.clamp(1, hosts.len().max(1));
        std::thread::scope(|scope| {
            for _ in 0..threads {
                std::thread::Builder::new()
                    .name("host".to_owned())
                    .stack_size(STACK_SIZE)
                    .spawn_scoped(scope, || self.take_hosts(&waiting))
                    .map_err(|error| {
                        Error::bug(format!("a thread could not be started: {error}"))
                    })?;
            }
            Ok(())
        })
    }

    fn take_hosts(&self, waiting: &Mutex<VecDeque<&HostHandle>>) {
        while self.may_start() {
            let Some(host) = lock(waiting).pop_front() else { return };
            let row = as_host(host.name(), || self.run_host(host));
            lock(&self.rows).push(row);
        }
    }

    fn may_start(&self) -> bool {
        let too_many = self.max_fail.is_some_and(|most| self.run.failures() > most);
        if too_many || self.run.cancel().is_cancelled() {
            self.stopped.store(true, Ordering::SeqCst);
        }
        !self.stopped.load(Ordering::SeqCst)
    }

    fn run_host(&self, host: &HostHandle) -> Row {
        let (started, state) = (Instant::now(), host.state());
        let changed_before = state.changed();
        state.starts();
        // A panic in a binding is a bug of one host, not the end of the run of the others.
        let outcome = catch_unwind(AssertUnwindSafe(|| self.call(host))).unwrap_or_else(|panic| {
            Err(Error::bug(format!("a verb panicked: {}", panic_text(&*panic)))
                .on_host(host.name()))
        });
        state.take_at_end();
        state.add_time(started.elapsed());
        match &outcome {
            Ok(_) => state.finishes(),
            Err(error) if error.kind() == ErrorKind::Cancelled => {}
            Err(error) => {
                let unreachable = error.kind() == ErrorKind::Connect;
                self.run.host_failed(state, error.clone());
                let (host, error) = (host.name().to_owned(), error.clone());
                self.run.tell(Event::HostFailed { host, error, unreachable });
            }
        }
        self.run.tell(Event::HostFinished { host: host.name().to_owned() });
        Row { host: host.clone(), changed: state.changed() > changed_before, outcome }
    }

    /// The closure, then the handlers that it left for the end.
    fn call(&self, host: &HostHandle) -> Result<Dynamic> {
        let value = self.finish_call(host, self.callback.call(self.engine, (host.clone(),)))?;
        // A handler may add further handlers.
        loop {
            let handlers = host.state().take_at_end();
            if handlers.is_empty() {
                return Ok(value);
            }
            for handler in handlers {
                self.run.remark(format!("at the end: {}", handler.name));
                let result = handler.callback.call(self.engine, (host.clone(),));
                self.finish_call(host, result).map(drop)?;
                if let Some(done) = handler.done {
                    done().map_err(|error| error.on_host(host.name()))?;
                }
            }
        }
    }

    fn finish_call(
        &self,
        host: &HostHandle,
        result: std::result::Result<Dynamic, Box<EvalAltResult>>,
    ) -> Result<Dynamic> {
        if let Some(leak) = super::secret::take_leak() {
            return Err(leak);
        }
        match result.map_err(|error| *error) {
            Ok(value) | Err(EvalAltResult::Exit(value, _)) => Ok(value.flatten()),
            Err(error) => Err(from_script(self.engine, self.source, &error).on_host(host.name())),
        }
    }

    fn finish(self, chosen: &select::Chosen) -> Result<Results> {
        self.run.check_cancelled()?;
        let mut rows = self.rows.into_inner().unwrap_or_default();
        rows.extend(chosen.sitting_out.iter().map(|(host, error)| Row {
            host: host.clone(),
            changed: false,
            outcome: Err(error.clone()),
        }));
        rows.sort_by_key(|row| chosen.place(row.host.name()));
        match self.max_fail {
            Some(most) if self.run.failures() > most => Err(too_many_failed(
                &rows,
                most,
                rows.len() < chosen.ready.len() + chosen.sitting_out.len(),
            )),
            _ => Ok(Results(Arc::new(rows))),
        }
    }
}

fn too_many_failed(rows: &[Row], most: usize, some_wait: bool) -> Error {
    let failed: Vec<_> =
        rows.iter().filter(|row| row.outcome.is_err()).map(|row| row.host.name()).collect();
    let names = if failed.is_empty() { "a host".to_owned() } else { failed.join(", ") };
    let tolerated = match most {
        0 => "none may (`max_fail: 0`)".to_owned(),
        n => format!("only {n} may (`max_fail: {n}`)"),
    };
    let error = Error::new(ErrorKind::HostsFailed, format!("{names} failed, and {tolerated}"));
    if !some_wait {
        return error;
    }
    error.hint("The other hosts were not started. `--resume` goes on with those that are not done.")
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}
