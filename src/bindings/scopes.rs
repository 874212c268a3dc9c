//! Verbs that take a closure: something holds while it runs, or it runs until something holds.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rhai::plugin::*;
use rhai::{Array, FnPtr, Map, Module};

use super::Topic;
use crate::error::{Error, ErrorKind, Result};
use crate::options;
use crate::remote::{DryRemote, RecordRemote};
use crate::script::call::{Callback, call};
use crate::script::context::AtEnd;
use crate::script::convert::from_script;
use crate::script::host::HostHandle;
use crate::script::options::{Options, parse_duration};
use crate::script::{ScriptResult, convert};
use crate::state::{
    Change, Node, Undo, finish_stopped, finish_writable, start_stopped, start_writable,
};

pub const TOPIC: Topic = Topic {
    name: "scopes",
    about: "Verbs that take a closure: scopes, handlers and waiting.",
    module,
    options: &[WritableOptions::LIST],
};

fn module() -> Module {
    exported_module!(api)
}

options! {
    /// Options of `host.writable`.
    pub struct WritableOptions for "writable" at 1 {
        /// Services that are stopped while the file system is writable, and started again if they ran.
        stop: Vec<String>,
    }
}

/// Runs `closure` between `start` and `finish`; `finish` runs whatever happened in between.
fn scope(
    ctx: &NativeCallContext,
    host: &HostHandle,
    closure: &FnPtr,
    start: impl FnOnce(&Node) -> Result<()>,
    finish: impl FnOnce(&Node) -> Result<Change>,
) -> ScriptResult<Change> {
    let node = host.node().map_err(|error| host.raise(ctx, error))?;
    start(&node).map_err(|error| host.raise(ctx, error))?;
    let result = call(ctx, closure, (host.clone(),));
    let finished = finish(&node);
    // What went wrong inside is the cause; that the end failed as well is only its echo.
    match (result, finished) {
        (Ok(_), Ok(change)) => {
            host.report(change.clone());
            Ok(change)
        }
        (Err(error), Ok(change)) => {
            host.report(change);
            Err(error)
        }
        (Err(error), Err(also)) => {
            host.run().remark(format!("and then: {also}"));
            Err(error)
        }
        (Ok(_), Err(error)) => Err(host.raise(ctx, error)),
    }
}

fn writable(
    ctx: &NativeCallContext,
    host: &HostHandle,
    path: &str,
    options: &WritableOptions,
    closure: &FnPtr,
) -> ScriptResult<Change> {
    scope(ctx, host, closure, |node| start_writable(node, path, &options.stop), finish_writable)
}

fn duration(text: &str) -> Result<Duration> {
    parse_duration(text).ok_or_else(|| {
        Error::playbook(format!("`{text}` is not a duration"))
            .hint("Write \"90s\", \"5m\" or \"1h30m\".")
    })
}

/// One change or a list of them.
fn changes(value: &Dynamic) -> Result<Vec<Change>> {
    let one = |value: &Dynamic| value.read_lock::<Change>().map(|change| change.clone());
    let list = match value.read_lock::<Array>() {
        Some(list) => list.iter().map(one).collect::<Option<Vec<_>>>(),
        None => one(value).map(|change| vec![change]),
    };
    list.ok_or_else(|| {
        Error::playbook("`at_end` needs the changes that call it")
            .hint("Give it what a verb returned: let conf = host.file(…); host.at_end(\"restart k3s\", conf, |host| …);")
    })
}

fn at_end(
    ctx: &NativeCallContext,
    host: &HostHandle,
    name: &str,
    mut changes: Vec<Change>,
    closure: &FnPtr,
) -> Result<bool> {
    changes.extend(host.state().notifying(name));
    let node = host.node()?;
    let due = changes.iter().any(Change::changed) || node.has_marks(&changes)?;
    if due {
        let done = Box::new(move || node.clear_marks(&changes));
        let callback = Callback::new(ctx, closure, 1);
        host.state().push_at_end(AtEnd { name: name.to_owned(), callback, done: Some(done) });
    }
    Ok(due)
}

/// Calls `closure` until it gives `true`.
fn wait_for(
    ctx: &NativeCallContext,
    host: &HostHandle,
    label: &str,
    limit: Duration,
    closure: &FnPtr,
) -> ScriptResult<()> {
    let dry = host.run().options().dry_run;
    let deadline = Instant::now() + limit;
    host.doing(&format!("waiting: {label}"));
    loop {
        host.run().check_cancelled().map_err(|error| host.raise(ctx, error))?;
        let last = match call(ctx, closure, (host.silent(),)) {
            Ok(value) if value.as_bool() == Ok(true) => return Ok(()),
            Ok(value) if value.is_bool() => None,
            Ok(value) => {
                let error = Error::playbook(format!(
                    "the closure of `wait_for` gives true or false, not {}",
                    value.type_name()
                ));
                return Err(host.raise(ctx, error));
            }
            Err(error) => {
                let error = from_script(ctx.engine(), ctx.call_source(), &error);
                if error.kind() == ErrorKind::Cancelled {
                    return Err(convert::into_script(error));
                }
                if error.kind() == ErrorKind::Connect {
                    host.run().forget_node(host.state());
                }
                Some(error)
            }
        };
        if dry {
            host.run().remark(format!("would wait: {label}"));
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(host.raise(ctx, too_late(label, limit, last)));
        }
        host.run().sleep(Duration::from_secs(1)).map_err(|error| host.raise(ctx, error))?;
    }
}

fn too_late(label: &str, limit: Duration, last: Option<Error>) -> Error {
    let error =
        Error::new(ErrorKind::Timeout, format!("not within {} s: {label}", limit.as_secs()));
    match last {
        Some(last) => error.detail(format!("the last try ended with: {last}")),
        None => error,
    }
}

/// Runs `change`; unless pirun can log in anew afterwards, the node runs `undo` by itself.
fn confirm_or_undo(
    ctx: &NativeCallContext,
    host: &HostHandle,
    limit: Duration,
    change: &FnPtr,
    undo: &FnPtr,
) -> ScriptResult<()> {
    let raise = |error| host.raise(ctx, error);
    let node = host.node().map_err(raise)?;
    if node.is_dry() {
        return call(ctx, change, (host.clone(),)).map(drop);
    }
    let recorder = Arc::new(RecordRemote::new(Arc::clone(node.remote())));
    let recorded = host.probing(Arc::new(Node::new(recorder.clone(), None)));
    let _ = call(ctx, undo, (recorded,))?;
    let timer = Undo::arm(&node, &recorder.script(), limit).map_err(raise)?;
    if let Err(error) = call(ctx, change, (host.clone(),)) {
        if let Err(also) = timer.now(&node) {
            host.run().remark(format!("the node undoes the change when its timer ends: {also}"));
        }
        return Err(error);
    }
    host.doing("confirming over a new connection");
    host.run().confirm(host.state(), &timer).map_err(raise)
}

#[export_module]
#[allow(clippy::needless_pass_by_value, reason = "Rhai's calling convention")]
pub mod api {
    use crate::script::options;

    /// Lets the closure change a file system that is mounted read-only.
    ///
    /// It is lazy: nothing is remounted unless something inside differs. At the end it is read-only again, even
    /// after an error, Ctrl-C or a lost connection.
    ///
    /// ```rhai
    /// host.writable("/", |host| host.file("/etc/motd", #{ content: "hello\n" }));
    /// ```
    #[rhai_fn(name = "writable", pure, return_raw)]
    pub fn writable(
        ctx: NativeCallContext,
        host: &mut HostHandle,
        path: &str,
        closure: FnPtr,
    ) -> ScriptResult<Change> {
        super::writable(&ctx, host, path, &WritableOptions::default(), &closure)
    }

    /// Lets the closure change a file system that is mounted read-only, with services stopped meanwhile.
    ///
    /// ```rhai
    /// host.writable("/", #{ stop: ["k3s"] }, |host| host.file("/etc/motd", #{ content: "hello\n" }));
    /// ```
    #[rhai_fn(name = "writable", pure, return_raw)]
    pub fn writable_with(
        ctx: NativeCallContext,
        host: &mut HostHandle,
        path: &str,
        options: Map,
        closure: FnPtr,
    ) -> ScriptResult<Change> {
        let options = options::read(options).map_err(|error| host.raise(&ctx, error))?;
        super::writable(&ctx, host, path, &options, &closure)
    }

    /// Stops services while the closure runs, and starts again those that ran, whatever happens.
    ///
    /// ```rhai
    /// host.stopped(["k3s"], |host| host.query("ls /var/lib"));
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn stopped(
        ctx: NativeCallContext,
        host: &mut HostHandle,
        services: Dynamic,
        closure: FnPtr,
    ) -> ScriptResult<Change> {
        use crate::script::options::FromOption as _;
        let services = Vec::<String>::from_option(services).map_err(|problem| {
            host.raise(&ctx, Error::playbook(format!("the services of `stopped` {problem}")))
        })?;
        scope(&ctx, host, &closure, |node| start_stopped(node, &services), finish_stopped)
    }

    /// A handler: the closure runs at the end of this host's part if one of the changes happened, or if it is still
    /// due from a run that was cut. Call it always, not inside an `if`.
    ///
    /// ```rhai
    /// let conf = host.file("/data/etc/motd", #{ content: "hello\n" });
    /// host.at_end("restart rpcbind", conf, |host| host.service("rpcbind", "restarted"));
    /// ```
    #[rhai_fn(name = "at_end", pure, return_raw)]
    pub fn at_end(
        ctx: NativeCallContext,
        host: &mut HostHandle,
        name: &str,
        changes: Dynamic,
        closure: FnPtr,
    ) -> ScriptResult<bool> {
        super::changes(&changes)
            .and_then(|changes| super::at_end(&ctx, host, name, changes, &closure))
            .map_err(|error| host.raise(&ctx, error))
    }

    /// A handler for the files that name it with `notify`.
    ///
    /// ```rhai,node
    /// host.file("/data/etc/motd", #{ content: "hello\n", notify: "restart rpcbind" });
    /// host.at_end("restart rpcbind", |host| host.service("rpcbind", "restarted"));
    /// ```
    #[rhai_fn(name = "at_end", pure, return_raw)]
    pub fn at_end_notified(
        ctx: NativeCallContext,
        host: &mut HostHandle,
        name: &str,
        closure: FnPtr,
    ) -> ScriptResult<bool> {
        super::at_end(&ctx, host, name, Vec::new(), &closure)
            .map_err(|error| host.raise(&ctx, error))
    }

    /// Runs the closure as in a dry run, quietly, and says whether it would change anything.
    ///
    /// ```rhai,node
    /// host.would_change(|host| host.dir("/data"))     //=> false
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn would_change(
        ctx: NativeCallContext,
        host: &mut HostHandle,
        closure: FnPtr,
    ) -> ScriptResult<bool> {
        let node = host.node().map_err(|error| host.raise(&ctx, error))?;
        let dry = DryRemote::new(Arc::clone(node.remote()));
        let probe = host.probing(Arc::new(Node::new(Arc::new(dry), None)));
        let _ = call(&ctx, &closure, (probe.clone(),))?;
        Ok(probe.probed_changes() > 0)
    }

    /// Waits until the closure gives `true`, at most so long. An error inside means "not yet". In a dry run it asks
    /// once and goes on.
    ///
    /// ```rhai
    /// host.wait_for("the name is set", "10s", |host| host.exists("/etc/hostname"));
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn wait_for(
        ctx: NativeCallContext,
        host: &mut HostHandle,
        label: &str,
        timeout: &str,
        closure: FnPtr,
    ) -> ScriptResult<()> {
        let limit = duration(timeout).map_err(|error| host.raise(&ctx, error))?;
        super::wait_for(&ctx, host, label, limit, &closure)
    }

    /// A change that may cut the connection (network, SSH): the first closure makes it, then pirun logs in anew. If
    /// that fails until the time is up, the node runs the second closure by itself.
    ///
    /// The second closure is turned into a shell script before; it cannot ask the node for anything later.
    ///
    /// ```rhai,node
    /// host.confirm_or_undo("30s",
    ///     |host| host.file("/data/etc/network/extra", #{ content: "new\n" }),
    ///     |host| host.absent("/data/etc/network/extra"));
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn confirm_or_undo(
        ctx: NativeCallContext,
        host: &mut HostHandle,
        timeout: &str,
        change: FnPtr,
        undo: FnPtr,
    ) -> ScriptResult<()> {
        let limit = duration(timeout).map_err(|error| host.raise(&ctx, error))?;
        super::confirm_or_undo(&ctx, host, limit, &change, &undo)
    }
}
