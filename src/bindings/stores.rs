//! Backups and where they are kept. The library `backups` and its playbook put it together.

use std::sync::Arc;

use rhai::plugin::*;
use rhai::{Array, Map, Module};

use super::Topic;
use crate::backup::foresee::foresee;
use crate::backup::make::{self, Made, Making, Watch};
use crate::backup::prune;
use crate::backup::retention::{Policy, Verdict, paths_of};
use crate::backup::store::{Address, Record, S3Options, Store, Stored};
use crate::error::{Error, ErrorKind, Result};
use crate::options;
use crate::script::ScriptResult;
use crate::script::context::{RunContext, context};
use crate::script::convert::OrRaise;
use crate::script::host::HostHandle;
use crate::script::options::{FromOption as _, Options};
use crate::state::{Aspect, Change};
use crate::ui::Event;
use crate::units::size;
use crate::vault::{ProjectVault, Secret};

pub const TOPIC: Topic = Topic {
    name: "stores",
    about: "Backups and where they are kept. The library `backups` and its playbook put it together.",
    module,
    options: &[StoreOptions::LIST, BackupOptions::LIST, PruneOptions::LIST],
};

fn module() -> Module {
    let mut module = exported_module!(api);
    module.set_custom_type::<StoreHandle>("Store");
    module
}

/// A place for backups. Clones are the same one.
#[derive(Clone)]
pub struct StoreHandle(Arc<Store>);

impl StoreHandle {
    pub(super) fn store(&self) -> &Store {
        &self.0
    }
}

options! {
    /// Options of `store`.
    pub struct StoreOptions for "store" at 1 {
        /// The access key of a bucket: its id and its secret, `[vault("s3_access_key"), vault("s3_secret_key")]`.
        credentials: Array,
        /// The S3 server, such as "https://s3.example.org". Default: Amazon's.
        endpoint: String,
        /// The bucket's region.
        region: String = "us-east-1".to_owned(),
    }
}

options! {
    /// Options of `store.backup`.
    pub struct BackupOptions for "backup" at 1 {
        /// Patterns of names below /data that are backed up instead of the control plane.
        paths: Vec<String>,
        /// Stops k3s while its datastore is copied: the way that needs neither sqlite3 nor, if need be, room on the node.
        stop: bool,
        /// Reads back what was sent to a bucket, and compares it.
        read_back: bool,
    }
}

options! {
    /// Options of `store.prune`: how many backups stay.
    pub struct PruneOptions for "prune" at 1 {
        /// The newest ones.
        last: usize,
        /// The newest of each of so many days.
        daily: usize,
        /// The newest of each of so many weeks.
        weekly: usize,
        /// The newest of each of so many months.
        monthly: usize,
        /// Of the backups of paths instead of those of the control plane.
        paths: bool,
    }
}

impl StoreOptions {
    fn s3(self) -> Result<S3Options> {
        let keys = match <[Dynamic; 2]>::try_from(self.credentials) {
            Ok([id, secret]) => {
                let secret_of = |value: Dynamic| {
                    Secret::from_option(value).map_err(|problem| {
                        Error::playbook(format!("each of `credentials` of `store` {problem}"))
                    })
                };
                Some((secret_of(id)?, secret_of(secret)?))
            }
            Err(none) if none.is_empty() => None,
            Err(_) => {
                return Err(Error::playbook("`credentials` of `store` must be two secrets")
                    .hint("The access key's id and its secret."));
            }
        };
        let endpoint = Some(self.endpoint).filter(|endpoint| !endpoint.is_empty());
        Ok(S3Options { keys, endpoint, region: Some(self.region) })
    }
}

fn open(run: &RunContext, url: &str, options: StoreOptions) -> Result<StoreHandle> {
    let project = &run.places().project;
    let address = Address { url: url.to_owned(), s3: options.s3()? };
    let store = Store::open(&address, project, &project.join(".pirun/backup"), run.cancel())?;
    Ok(StoreHandle(Arc::new(store)))
}

pub(super) fn vault(run: &RunContext) -> Result<&ProjectVault> {
    run.secrets()
        .project_vault()
        .ok_or_else(|| Error::bug("backups are sealed with the vault's key"))
}

fn backup(
    ctx: &NativeCallContext,
    store: &StoreHandle,
    host: &HostHandle,
    options: &BackupOptions,
) -> ScriptResult<Change> {
    let run = host.run();
    host.change(ctx, "backup", |node| {
        let (what, change) = foresee(node, &options.paths, options.stop)?;
        if node.is_dry() || !node.agrees(&change)? {
            return Ok(if node.is_dry() { change } else { change.unless_changed() });
        }
        let making = Making {
            node: host.name(),
            what: &what,
            taken: jiff::Timestamp::now().as_second(),
            store: &store.0,
            vault: vault(run)?,
            cancel: run.cancel(),
            reads_back: options.read_back,
        };
        let mut watch =
            Shown { host, progress: Box::new(super::transfers::progress(host, "backup")) };
        let Made { record, remarks } = making.run(&**node.remote(), &mut watch)?;
        for text in remarks {
            run.tell(Event::Warning { host: Some(host.name().to_owned()), text });
        }
        Ok(Change::of("backup", &record.name).with(Aspect::Created).remark(about(&record)))
    })
}

/// `12.3 kB, revision 4711, verified`
fn about(record: &Record) -> String {
    let revision = match record.max_id {
        0 => format!("{} files", record.files),
        id => format!("revision {id}"),
    };
    format!("{}, {revision}, verified", size(record.size))
}

/// Shows how far a backup is.
struct Shown<'a> {
    host: &'a HostHandle,
    progress: Box<dyn FnMut(u64, u64) + Send>,
}

impl Watch for Shown<'_> {
    fn step(&mut self, text: &str) {
        self.host.doing(text);
    }

    fn received(&mut self, bytes: u64) {
        // How much will come is not known: the bar shows that it goes on.
        (self.progress)(bytes, bytes.saturating_mul(2));
    }

    fn sent(&mut self, done: u64, total: u64) {
        (self.progress)(done, total);
    }
}

fn row(stored: Stored) -> Map {
    let age = jiff::Timestamp::now().as_second()
        - jiff::tz::TimeZone::UTC.to_timestamp(stored.taken).map_or(0, jiff::Timestamp::as_second);
    let (k3s, max_id) =
        stored.record.map_or_else(Default::default, |record| (record.k3s, record.max_id));
    let pairs: [(&str, Dynamic); 9] = [
        ("name", stored.name.into()),
        ("node", stored.node.into()),
        ("taken", stored.taken.strftime("%Y-%m-%d %H:%M:%S").to_string().into()),
        ("age", age.into()),
        ("size", i64::try_from(stored.size).unwrap_or(i64::MAX).into()),
        ("verified", stored.is_verified.into()),
        ("pinned", stored.is_pinned.into()),
        ("k3s", k3s.into()),
        ("max_id", max_id.into()),
    ];
    pairs.into_iter().map(|(name, value)| (name.into(), value)).collect()
}

/// The names that `which` means, of those that are there, newest first.
pub(super) fn chosen(store: &Store, node: Option<&str>, which: &str) -> Result<Vec<String>> {
    let mut names: Vec<_> = store.list(node)?.into_iter().map(|stored| stored.name).collect();
    let whose = node.map(|node| format!(" of {node}")).unwrap_or_default();
    if names.is_empty() {
        return Err(Error::new(ErrorKind::Backup, format!("there is no backup{whose}")));
    }
    match which {
        "all" => {}
        "newest" => names.truncate(1),
        "oldest" => drop(names.drain(..names.len() - 1)),
        name => {
            if !names.iter().any(|known| known == name) {
                let error =
                    Error::new(ErrorKind::Backup, format!("there is no backup {name}{whose}"));
                let hint = crate::suggest::did_you_mean(name, names.iter().map(String::as_str));
                return Err(match hint {
                    Some(hint) => error.hint(hint),
                    None => error.hint("`newest`, `oldest`, `all`, or a name that `--list` shows."),
                });
            }
            names = vec![name.to_owned()];
        }
    }
    Ok(names)
}

fn verify(run: &RunContext, store: &Store, node: Option<&str>, which: &str) -> Result<Array> {
    let mut rows = Array::new();
    for name in chosen(store, node, which)? {
        run.check_cancelled()?;
        let record = make::verify_again(store, &name, vault(run)?, run.cancel())?.record;
        if !run.options().dry_run {
            store.note(&record)?;
        }
        let pairs: [(&str, Dynamic); 4] = [
            ("name", record.name.clone().into()),
            ("k3s", record.k3s.clone().into()),
            ("max_id", record.max_id.into()),
            ("files", i64::try_from(record.files).unwrap_or(i64::MAX).into()),
        ];
        rows.push(Dynamic::from_map(
            pairs.into_iter().map(|(name, value)| (name.into(), value)).collect(),
        ));
    }
    Ok(rows)
}

fn apply_policy(
    ctx: &NativeCallContext,
    store: &StoreHandle,
    host: &HostHandle,
    options: &PruneOptions,
) -> ScriptResult<Array> {
    let run = host.run();
    let node = if options.paths { paths_of(host.name()) } else { host.name().to_owned() };
    let policy = Policy {
        last: options.last,
        daily: options.daily,
        weekly: options.weekly,
        monthly: options.monthly,
    };
    let planned = || {
        let id = vault(run)?.with(|vault| Ok(vault.id()))?;
        let plan = prune::plan(&store.0, &node, &id, &policy)?;
        if !run.options().dry_run {
            prune::apply(&store.0, &plan)?;
        }
        Ok(plan)
    };
    let plan = planned().map_err(|error| host.raise(ctx, error))?;
    let mut rows = Array::new();
    for (backup, verdict) in plan {
        let (keep, reason) = match &verdict {
            Verdict::Keep(reason) => (true, reason.to_string()),
            Verdict::Remove => (false, "not needed any more".to_owned()),
        };
        if !keep {
            host.report(Change::of("prune", &backup.name).with(Aspect::Removed));
        }
        let pairs: [(&str, Dynamic); 3] =
            [("name", backup.name.into()), ("keep", keep.into()), ("reason", reason.into())];
        rows.push(Dynamic::from_map(
            pairs.into_iter().map(|(name, value)| (name.into(), value)).collect(),
        ));
    }
    Ok(rows)
}

#[export_module]
#[allow(clippy::needless_pass_by_value, reason = "Rhai's calling convention")]
pub mod api {
    use crate::script::options;

    /// A directory of backups, in the project unless it is absolute. It is made when the first backup is.
    ///
    /// ```rhai
    /// store("backups").list()     //=> []
    /// ```
    #[rhai_fn(name = "store", return_raw)]
    pub fn store_at(ctx: NativeCallContext, url: &str) -> ScriptResult<StoreHandle> {
        context(&ctx).and_then(|run| open(&run, url, StoreOptions::default())).or_raise(&ctx)
    }

    /// A place for backups: a directory, or `s3://bucket/prefix` at any server that speaks S3. Nothing is contacted yet.
    ///
    /// ```rhai,parse
    /// let store = store("s3://pi-backups/cluster", #{
    ///     credentials: [vault("s3_access_key"), vault("s3_secret_key")],
    ///     endpoint: "https://s3.example.org",
    /// });
    /// ```
    #[rhai_fn(name = "store", return_raw)]
    pub fn store_with(
        ctx: NativeCallContext,
        url: &str,
        options: Map,
    ) -> ScriptResult<StoreHandle> {
        let options = options::read(options).or_raise(&ctx)?;
        context(&ctx).and_then(|run| open(&run, url, options)).or_raise(&ctx)
    }

    /// Backs up the control plane that runs on `host`: datastore, token, keys, certificates, manifests and configuration,
    /// as of one moment, sealed with the vault's key and looked into before it counts. k3s goes on if the node has sqlite3,
    /// and stands still for a moment otherwise. A dry run says which.
    ///
    /// ```rhai,parse
    /// on(hosts("server"), |host| { store("backups").backup(host); });
    /// ```
    #[rhai_fn(name = "backup", pure, return_raw)]
    pub fn backup(
        ctx: NativeCallContext,
        store: &mut StoreHandle,
        host: HostHandle,
    ) -> ScriptResult<Change> {
        super::backup(&ctx, store, &host, &BackupOptions::default())
    }

    /// Backs up the control plane that runs on `host`, or files below its `/data`.
    ///
    /// ```rhai,parse
    /// on(hosts("all"), |host| { store("backups").backup(host, #{ paths: ["app/*"] }); });
    /// ```
    #[rhai_fn(name = "backup", pure, return_raw)]
    pub fn backup_with(
        ctx: NativeCallContext,
        store: &mut StoreHandle,
        host: HostHandle,
        options: Map,
    ) -> ScriptResult<Change> {
        let options = options::read(options).map_err(|error| host.raise(&ctx, error))?;
        super::backup(&ctx, store, &host, &options)
    }

    /// All backups in the store, newest first: maps of `name`, `node`, `taken` (UTC), `age` (seconds), `size` (bytes),
    /// `verified`, `pinned`, `k3s` and `max_id`. Backups of paths have `node` like `rpi41~data`.
    ///
    /// ```rhai
    /// store("backups").list().len()     //=> 0
    /// ```
    #[rhai_fn(name = "list", pure, return_raw)]
    pub fn list(ctx: NativeCallContext, store: &mut StoreHandle) -> ScriptResult<Array> {
        let all = store.0.list(None).or_raise(&ctx)?;
        Ok(all.into_iter().map(|stored| Dynamic::from_map(row(stored))).collect())
    }

    /// The backups of a host's control plane, newest first.
    ///
    /// ```rhai
    /// store("backups").list(host("rpi40"))      //=> []
    /// ```
    #[rhai_fn(name = "list", pure, return_raw)]
    pub fn list_of(
        ctx: NativeCallContext,
        store: &mut StoreHandle,
        host: HostHandle,
    ) -> ScriptResult<Array> {
        let all = store.0.list(Some(host.name())).or_raise(&ctx)?;
        Ok(all.into_iter().map(|stored| Dynamic::from_map(row(stored))).collect())
    }

    /// What does not count as a backup: files that runs which were cut have left, and what could not be restored.
    ///
    /// ```rhai
    /// store("backups").leftovers()      //=> []
    /// ```
    #[rhai_fn(name = "leftovers", pure, return_raw)]
    pub fn leftovers(ctx: NativeCallContext, store: &mut StoreHandle) -> ScriptResult<Array> {
        let names = store.0.leftovers().or_raise(&ctx)?;
        Ok(names.into_iter().map(Into::into).collect())
    }

    /// Opens backups in the store and looks into them, as it is done with a new one: `which` is "newest", "oldest", "all" or
    /// a name. Gives maps of `name`, `k3s`, `max_id` and `files`. The first that could not be restored is an error.
    ///
    /// ```rhai,parse
    /// store("backups").verify("all");
    /// ```
    #[rhai_fn(name = "verify", pure, return_raw)]
    pub fn verify(
        ctx: NativeCallContext,
        store: &mut StoreHandle,
        which: &str,
    ) -> ScriptResult<Array> {
        context(&ctx).and_then(|run| super::verify(&run, &store.0, None, which)).or_raise(&ctx)
    }

    /// Opens backups of a host's control plane and looks into them. The host itself is not asked.
    ///
    /// ```rhai,parse
    /// store("backups").verify(host("server"), "newest");
    /// ```
    #[rhai_fn(name = "verify", pure, return_raw)]
    pub fn verify_of(
        ctx: NativeCallContext,
        store: &mut StoreHandle,
        host: HostHandle,
        which: &str,
    ) -> ScriptResult<Array> {
        super::verify(host.run(), &store.0, Some(host.name()), which)
            .map_err(|error| host.raise(&ctx, error))
    }

    /// Removes a host's backups that the policy does not keep. Gives all of them, newest first, as maps of `name`, `keep` and
    /// `reason`. The newest verified one always stays, and so do those with a file `NAME.pin` beside them and those of
    /// other vaults. A dry run removes nothing.
    ///
    /// ```rhai,parse
    /// store("backups").prune(host("server"), #{ last: 3, daily: 7, weekly: 4, monthly: 6 });
    /// ```
    #[rhai_fn(name = "prune", pure, return_raw)]
    pub fn prune(
        ctx: NativeCallContext,
        store: &mut StoreHandle,
        host: HostHandle,
        options: Map,
    ) -> ScriptResult<Array> {
        let options = options::read(options).map_err(|error| host.raise(&ctx, error))?;
        apply_policy(&ctx, store, &host, &options)
    }
}
