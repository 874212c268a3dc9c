//! Putting a backup of the control plane onto a node, and taking it out again. The library `control_plane` says what is refused.

use std::time::Duration;

use rhai::plugin::*;
use rhai::{Map, Module};

use super::Topic;
use super::stores::{StoreHandle, chosen, vault};
use crate::backup::make::{self, Checked};
use crate::backup::restore::{self, ControlPlane, Restore};
use crate::backup::token::Token;
use crate::error::{Error, Result};
use crate::options;
use crate::script::ScriptResult;
use crate::script::context::{RunContext, context};
use crate::script::convert::OrRaise;
use crate::script::host::HostHandle;
use crate::script::options::{Content, FromOption as _, Options};
use crate::state::Change;

pub const TOPIC: Topic = Topic {
    name: "restores",
    about: "Putting a backup of the control plane onto a node, and taking it out again. The library `control_plane` says what is refused.",
    module,
    options: &[AcceptOptions::LIST],
};

fn module() -> Module {
    let mut module = exported_module!(api);
    module.set_custom_type::<Opened>("Backup");
    module
}

options! {
    /// Options of `host.accept_restore`.
    pub struct AcceptOptions for "accept_restore" at 0 {
        /// Only what was moved aside so long ago. Default: all, and what k3s did not come up with.
        older_than: Option<Duration>,
    }
}

/// A backup that was opened and looked into.
#[derive(Clone)]
pub struct Opened {
    store: StoreHandle,
    checked: Checked,
}

fn open(run: &RunContext, store: &StoreHandle, which: &str) -> Result<Opened> {
    let mut names = chosen(store.store(), None, which)?;
    let name = names.remove(0);
    let checked = make::verify_again(store.store(), &name, vault(run)?, run.cancel())?;
    Ok(Opened { store: store.clone(), checked })
}

fn bring(host: &HostHandle, opened: &Opened) -> impl FnOnce(&crate::state::Node) -> Result<Change> {
    move |node| {
        let run = host.run();
        let restore = Restore {
            store: opened.store.store(),
            vault: vault(run)?,
            cancel: run.cancel(),
            record: &opened.checked.record,
            now: jiff::Timestamp::now().as_second(),
        };
        restore.bring(node, host.name())
    }
}

fn map_of(found: ControlPlane) -> Map {
    let (unfinished, step) = match &found.unfinished {
        Some(unfinished) => (unfinished.backup().to_owned(), unfinished.step.clone()),
        None => Default::default(),
    };
    let pairs: [(&str, Dynamic); 11] = [
        ("there", found.is_there.into()),
        ("cluster", found.cluster.into()),
        ("revision", found.revision.unwrap_or(-1).into()),
        ("running", found.is_running.into()),
        ("answers", found.answers.into()),
        ("k3s", found.k3s.into()),
        ("restored", found.restored.into()),
        ("unfinished", unfinished.into()),
        ("step", step.into()),
        ("token", found.token.into()),
        ("old", found.old.into_iter().map(Dynamic::from).collect::<rhai::Array>().into()),
    ];
    pairs.into_iter().map(|(name, value)| (name.into(), value)).collect()
}

fn is_of_token(secret: Dynamic, hash: &str) -> Result<bool> {
    let content = Content::from_option(secret)
        .map_err(|problem| Error::playbook(format!("a token {problem}")))?;
    Ok(Token::parse(&content.bytes)?.fingerprint() == hash)
}

fn accept(
    ctx: &NativeCallContext,
    host: &HostHandle,
    options: &AcceptOptions,
) -> ScriptResult<Change> {
    let now = jiff::Timestamp::now().as_second();
    let before = options.older_than.map(|age| now.saturating_sub_unsigned(age.as_secs()));
    host.change(ctx, "accept_restore", |node| restore::accept(node, before))
}

#[export_module]
#[allow(clippy::needless_pass_by_value, reason = "Rhai's calling convention")]
pub mod api {
    use crate::script::options;

    /// Opens a backup of the store and looks into it, as `verify` does: `which` is "newest", "oldest" or a name.
    ///
    /// ```rhai,parse
    /// let backup = store("backups").open("newest");
    /// ```
    #[rhai_fn(name = "open", pure, return_raw)]
    pub fn open_backup(
        ctx: NativeCallContext,
        store: &mut StoreHandle,
        which: &str,
    ) -> ScriptResult<Opened> {
        context(&ctx).and_then(|run| open(&run, store, which)).or_raise(&ctx)
    }

    /// The name in the store.
    #[rhai_fn(get = "name", pure)]
    pub fn name(backup: &mut Opened) -> String {
        backup.checked.record.name.clone()
    }

    /// The host that it was taken of.
    #[rhai_fn(get = "node", pure)]
    pub fn node(backup: &mut Opened) -> String {
        backup.checked.record.node.clone()
    }

    /// What it is of: "server" for a control plane, "paths" for files below /data.
    #[rhai_fn(get = "kind", pure)]
    pub fn kind(backup: &mut Opened) -> String {
        backup.checked.record.kind.clone()
    }

    /// The version of k3s that wrote it.
    #[rhai_fn(get = "k3s", pure)]
    pub fn k3s(backup: &mut Opened) -> String {
        backup.checked.record.k3s.clone()
    }

    /// SHA-256 of the cluster's certificate authority: tells one cluster from another.
    #[rhai_fn(get = "cluster", pure)]
    pub fn cluster(backup: &mut Opened) -> String {
        backup.checked.record.cluster.clone()
    }

    /// The last revision of its datastore.
    #[rhai_fn(get = "revision", pure)]
    pub fn revision(backup: &mut Opened) -> i64 {
        backup.checked.record.max_id
    }

    /// A hash of the password in its token, as `control_plane` has one: k3s opens the datastore with no other.
    #[rhai_fn(get = "token", pure)]
    pub fn token(backup: &mut Opened) -> String {
        backup.checked.token.clone()
    }

    /// Whether `hash`, which is of `control_plane` or a backup, is that of the password in a k3s token.
    ///
    /// ```rhai,parse
    /// let newest = store("backups").open("newest");
    /// if !is_of_token(vault("k3s_token"), newest.token) { warn("the vault has another token"); }
    /// ```
    #[rhai_fn(name = "is_of_token", return_raw)]
    pub fn token_is(ctx: NativeCallContext, token: Dynamic, hash: &str) -> ScriptResult<bool> {
        is_of_token(token, hash).or_raise(&ctx)
    }

    /// A look at the control plane on a node, as a map: `there`, `cluster`, `revision` (-1 without sqlite3 on the node),
    /// `running`, `answers` (on port 6443), `k3s`, `restored` (the backup that it came from, or ""), `unfinished` and `step` of
    /// a restore that was cut, `token` (a hash of the password that it starts with), `old` (states that were moved aside).
    ///
    /// ```rhai,parse
    /// if host.control_plane().unfinished != "" { warn(host, "a restore was cut"); }
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn control_plane(ctx: NativeCallContext, host: &mut HostHandle) -> ScriptResult<Map> {
        host.look(&ctx, "control plane", ControlPlane::look).map(map_of)
    }

    /// Puts a backup in the place of the control plane's state on this node and starts k3s with it. What was there is moved
    /// aside. Goes on with a restore of the same backup that was cut; nothing to do where it was restored before.
    ///
    /// ```rhai,parse
    /// host.restore(store("backups").open("newest"));
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn restore(
        ctx: NativeCallContext,
        host: &mut HostHandle,
        backup: Opened,
    ) -> ScriptResult<Change> {
        host.change(&ctx, "restore", bring(host, &backup))
    }

    /// Takes a restored state out again, and what was there before back in. Nothing to do once the restore is finished.
    #[rhai_fn(pure, return_raw)]
    pub fn undo_restore(ctx: NativeCallContext, host: &mut HostHandle) -> ScriptResult<Change> {
        host.change(&ctx, "undo_restore", restore::undo)
    }

    /// Says that the restored state is good. What was there before stays aside, until `accept_restore`.
    #[rhai_fn(pure, return_raw)]
    pub fn finish_restore(ctx: NativeCallContext, host: &mut HostHandle) -> ScriptResult<Change> {
        host.change(&ctx, "finish_restore", restore::finish)
    }

    /// Removes what earlier restores have moved aside.
    #[rhai_fn(name = "accept_restore", pure, return_raw)]
    pub fn accept_restore(ctx: NativeCallContext, host: &mut HostHandle) -> ScriptResult<Change> {
        accept(&ctx, host, &AcceptOptions::default())
    }

    /// Removes what earlier restores have moved aside, as the options say.
    ///
    /// ```rhai,parse
    /// host.accept_restore(#{ older_than: "7d" });
    /// ```
    #[rhai_fn(name = "accept_restore", pure, return_raw)]
    pub fn accept_restore_with(
        ctx: NativeCallContext,
        host: &mut HostHandle,
        options: Map,
    ) -> ScriptResult<Change> {
        let options = options::read(options).map_err(|error| host.raise(&ctx, error))?;
        accept(&ctx, host, &options)
    }
}
