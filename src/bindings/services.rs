//! Services, packages and mounts of a node.

use rhai::plugin::*;
use rhai::{Map, Module};

use super::Topic;
use crate::error::{Error, Result};
use crate::options;
use crate::script::ScriptResult;
use crate::script::host::HostHandle;
use crate::script::options::Options;
use crate::state::{Change, KeptPackages, Mount, MountState, Packages, Service, ServiceState};
use crate::suggest::did_you_mean;

pub const TOPIC: Topic = Topic {
    name: "services",
    about: "Services, packages and mounts of a node.",
    module,
    options: &[ServiceOptions::LIST, PackagesOptions::LIST, MountOptions::LIST],
};

fn module() -> Module {
    exported_module!(api)
}

options! {
    /// Options of `host.service`.
    pub struct ServiceOptions for "service" at 1 {
        /// `"started"`, `"stopped"`, `"restarted"` or `"reloaded"`. Default: as it is.
        state: Option<String>,
        /// Whether it starts at boot. Default: as it is.
        enabled: Option<bool>,
        /// The OpenRC runlevel that `enabled` is about.
        runlevel: String = "default".to_owned(),
    }
}

options! {
    /// Options of `host.packages`.
    pub struct PackagesOptions for "packages" at 1 {
        /// `"present"` (default) or `"absent"`.
        state: String = "present".to_owned(),
        /// One more repository to look in, besides those of the node.
        repository: Option<String>,
    }
}

options! {
    /// Options of `host.mount`.
    pub struct MountOptions for "mount" at 1 {
        /// What is mounted: a device, `nas:/export`, …
        source: String,
        /// The type of file system: `"nfs"`, `"ext4"`, …
        fstype: String,
        /// Mount options, comma-separated. Default: `"defaults"`.
        options: String,
        /// `"mounted"` (default), `"present"` (only in fstab), `"unmounted"` or `"absent"`.
        state: String = "mounted".to_owned(),
    }
}

/// The value for one of the fixed words of an option.
fn one_of<T>(verb: &str, word: &str, names: &[&'static str], value: Option<T>) -> Result<T> {
    value.ok_or_else(|| {
        let error = Error::playbook(format!("`state` of `{verb}` cannot be `{word}`"));
        let error = match did_you_mean(word, names.iter().copied()) {
            Some(hint) => error.hint(hint),
            None => error,
        };
        error.hint(format!("It is one of {}.", names.join(", ")))
    })
}

fn service(
    ctx: &NativeCallContext,
    host: &HostHandle,
    name: &str,
    options: ServiceOptions,
) -> ScriptResult<Change> {
    let wanted = || -> Result<Service> {
        let mut service = Service::new(name)?;
        service.state = match options.state.as_deref() {
            Some(word) => {
                Some(one_of("service", word, &ServiceState::NAMES, ServiceState::parse(word))?)
            }
            None => None,
        };
        service.enabled = options.enabled;
        service.runlevel = options.runlevel;
        Ok(service)
    };
    let wanted = wanted().map_err(|error| host.raise(ctx, error))?;
    host.change(ctx, &format!("service {name}"), |node| node.bring(&wanted))
}

/// A name or a list of names.
fn names(value: &Dynamic) -> Result<Vec<String>> {
    use crate::script::options::FromOption as _;
    Vec::<String>::from_option(value.clone())
        .map_err(|problem| Error::playbook(format!("the packages' names {problem}")))
}

fn packages(
    ctx: &NativeCallContext,
    host: &HostHandle,
    value: &Dynamic,
    options: PackagesOptions,
) -> ScriptResult<Change> {
    let wanted = || -> Result<Packages> {
        let states = ["present", "absent"];
        let known = states.contains(&&*options.state).then_some(());
        one_of("packages", &options.state, &states, known)?;
        let mut packages = Packages::new(names(value)?)?;
        packages.absent = options.state == "absent";
        packages.repository = options.repository;
        Ok(packages)
    };
    let wanted = wanted().map_err(|error| host.raise(ctx, error))?;
    host.change(ctx, &format!("packages {}", wanted.names().join(" ")), |node| node.bring(&wanted))
}

#[export_module]
#[allow(clippy::needless_pass_by_value, reason = "Rhai's calling convention")]
pub mod api {
    use crate::script::options;

    /// Sees to it that a service is "started" or "stopped", or does it once more: "restarted", "reloaded".
    ///
    /// ```rhai
    /// host.service("rpcbind", "started");
    /// ```
    #[rhai_fn(name = "service", pure, return_raw)]
    pub fn service(
        ctx: NativeCallContext,
        host: &mut HostHandle,
        name: &str,
        state: &str,
    ) -> ScriptResult<Change> {
        let options = ServiceOptions { state: Some(state.to_owned()), ..ServiceOptions::default() };
        super::service(&ctx, host, name, options)
    }

    /// Sees to it that a service runs, and starts at boot, as the options say.
    ///
    /// ```rhai
    /// host.service("rpcbind", #{ state: "started" });
    /// ```
    #[rhai_fn(name = "service", pure, return_raw)]
    pub fn service_with(
        ctx: NativeCallContext,
        host: &mut HostHandle,
        name: &str,
        options: Map,
    ) -> ScriptResult<Change> {
        let options = options::read(options).map_err(|error| host.raise(&ctx, error))?;
        super::service(&ctx, host, name, options)
    }

    /// Sees to it that packages are installed. On a read-only root only inside `host.writable`.
    ///
    /// ```rhai,node
    /// host.packages(["busybox", "openrc"]).changed    //=> false
    /// ```
    #[rhai_fn(name = "packages", pure, return_raw)]
    pub fn packages(
        ctx: NativeCallContext,
        host: &mut HostHandle,
        names: Dynamic,
    ) -> ScriptResult<Change> {
        super::packages(&ctx, host, &names, PackagesOptions::default())
    }

    /// Sees to it that packages are, or are not, installed.
    ///
    /// ```rhai
    /// host.packages("no-such-package", #{ state: "absent" }).changed    //=> false
    /// ```
    #[rhai_fn(name = "packages", pure, return_raw)]
    pub fn packages_with(
        ctx: NativeCallContext,
        host: &mut HostHandle,
        names: Dynamic,
        options: Map,
    ) -> ScriptResult<Change> {
        let options = options::read(options).map_err(|error| host.raise(&ctx, error))?;
        super::packages(&ctx, host, &names, options)
    }

    /// Notes on /data that these packages belong to the node, so that the next image upgrade installs them too.
    ///
    /// ```rhai
    /// host.keep_packages(["htop"]);
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn keep_packages(
        ctx: NativeCallContext,
        host: &mut HostHandle,
        names: Dynamic,
    ) -> ScriptResult<Change> {
        let wanted = super::names(&names)
            .and_then(Packages::new)
            .map_err(|error| host.raise(&ctx, error))?;
        host.change(&ctx, "keep_packages", |node| KeptPackages::of(&wanted).bring(node))
    }

    /// Sees to it that a file system is mounted at `path`, now and at boot (its line in /etc/fstab).
    ///
    /// ```rhai,node
    /// host.would_change(|host| {
    ///     host.writable("/", |host| host.mount("/data/nas", #{ source: "nas:/export", fstype: "nfs" }));
    /// })    //=> true
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn mount(
        ctx: NativeCallContext,
        host: &mut HostHandle,
        path: &str,
        options: Map,
    ) -> ScriptResult<Change> {
        let options: MountOptions =
            options::read(options).map_err(|error| host.raise(&ctx, error))?;
        let state =
            one_of("mount", &options.state, &MountState::NAMES, MountState::parse(&options.state))
                .map_err(|error| host.raise(&ctx, error))?;
        let mount = Mount {
            path: path.to_owned(),
            source: options.source,
            fstype: options.fstype,
            options: options.options,
            state,
        };
        host.change(&ctx, &format!("mount {path}"), |node| node.bring(&mount))
    }
}
