//! Kubernetes, through the kubectl of a server node.

use std::time::Duration;

use rhai::plugin::*;
use rhai::{Map, Module};

use super::Topic;
use crate::error::{Error, Result};
use crate::kube::{self, Delete, DrainOptions, Workload};
use crate::options;
use crate::script::ScriptResult;
use crate::script::host::HostHandle;
use crate::script::options::{Content, FromOption, Options};
use crate::state::Change;

pub const TOPIC: Topic = Topic {
    name: "kube",
    about: "Kubernetes, through the kubectl of a server node.",
    module,
    options: &[DrainVerbOptions::LIST, WaitOptions::LIST, RolloutOptions::LIST],
};

fn module() -> Module {
    let mut module = exported_module!(api);
    module.set_custom_type::<Kube>("Kube");
    module
}

/// A cluster, reached through one of its servers.
#[derive(Debug, Clone)]
pub struct Kube(HostHandle);

options! {
    /// Options of `kube.drain`.
    pub struct DrainVerbOptions for "drain" at 1 {
        /// How long the ends of pods may take.
        timeout: Duration = Duration::from_secs(300),
        /// Whether pods with local scratch space (emptyDir) may lose it.
        delete_emptydir: bool,
    }
}

options! {
    /// Options of `kube.wait`.
    pub struct WaitOptions for "wait" at 2 {
        /// The namespace of the thing.
        namespace: String = "default".to_owned(),
        /// How long it may take.
        timeout: Duration = Duration::from_secs(300),
    }
}

options! {
    /// Options of `kube.rollout`.
    pub struct RolloutOptions for "rollout" at 1 {
        /// The namespace of the workload.
        namespace: String = "default".to_owned(),
        /// How long it may take until the new pods run.
        timeout: Duration = Duration::from_secs(300),
    }
}

/// What is applied: a local file's name, or YAML itself.
struct Manifests {
    subject: String,
    content: Content,
}

impl Manifests {
    /// What a playbook gave; a mistake in it points at the call.
    fn given(ctx: &NativeCallContext, kube: &Kube, value: &Dynamic) -> ScriptResult<Self> {
        Self::read(kube, value).map_err(|error| kube.0.raise(ctx, error))
    }

    fn read(kube: &Kube, value: &Dynamic) -> Result<Self> {
        let content = Content::from_option(value.clone())
            .map_err(|problem| Error::playbook(format!("manifests {problem}")))?;
        let text = String::from_utf8_lossy(&content.bytes);
        let names_file = !text.contains('\n')
            && [".yaml", ".yml", ".json"].iter().any(|ending| text.ends_with(ending));
        if content.secret || !names_file {
            return Ok(Self { subject: "manifests".to_owned(), content });
        }
        let bytes = kube.0.run().places().read(&text)?;
        Ok(Self { subject: text.into_owned(), content: Content { bytes, secret: false } })
    }
}

fn node_name(host: &Dynamic) -> Result<String> {
    if let Some(host) = host.read_lock::<HostHandle>() {
        return Ok(host.name().to_owned());
    }
    match host.read_lock::<ImmutableString>() {
        Some(name) => Ok(name.to_string()),
        None => Err(Error::playbook("a node is a host or its name")),
    }
}

fn drain(
    ctx: &NativeCallContext,
    kube: &Kube,
    host: &Dynamic,
    options: &DrainVerbOptions,
) -> ScriptResult<Change> {
    let DrainVerbOptions { timeout, delete_emptydir } = *options;
    kube.0.change(ctx, "drain", |server| {
        kube::drain(server, &node_name(host)?, &DrainOptions { timeout, delete_emptydir })
    })
}

fn wait(
    ctx: &NativeCallContext,
    kube: &Kube,
    what: &str,
    condition: &str,
    options: &WaitOptions,
) -> ScriptResult<()> {
    kube.0.look(ctx, &format!("wait for {what}"), |server| {
        let thing = Workload { what, namespace: &options.namespace };
        kube::wait(server, &thing, condition, options.timeout)
    })
}

fn rollout(
    ctx: &NativeCallContext,
    kube: &Kube,
    what: &str,
    options: &RolloutOptions,
) -> ScriptResult<Change> {
    kube.0.change(ctx, &format!("rollout {what}"), |server| {
        kube::restart(server, &Workload { what, namespace: &options.namespace }, options.timeout)
    })
}

#[export_module]
#[allow(clippy::needless_pass_by_value, reason = "Rhai's calling convention")]
pub mod api {
    use crate::script::options;

    /// The cluster that `server` is a server node of. Everything goes through `k3s kubectl` there.
    ///
    /// ```rhai
    /// let kube = kube(host("server"));
    /// ```
    #[rhai_fn(name = "kube")]
    pub fn kube_of(server: HostHandle) -> Kube {
        Kube(server)
    }

    /// Applies manifests: YAML text, or the name of a local `.yaml` or `.json` file. A dry run shows Kubernetes' own
    /// diff.
    ///
    /// ```rhai,parse
    /// kube(host("server")).apply("k8s/metallb-pool.yaml");
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn apply(
        ctx: NativeCallContext,
        kube: &mut Kube,
        manifests: Dynamic,
    ) -> ScriptResult<Change> {
        let manifests = Manifests::given(&ctx, kube, &manifests)?;
        kube.0.change(&ctx, &format!("apply {}", manifests.subject), |server| {
            let Content { bytes, secret } = &manifests.content;
            kube::apply(server, &manifests.subject, bytes, *secret)
        })
    }

    /// What applying manifests would change, as a unified diff; "" when nothing.
    #[rhai_fn(pure, return_raw)]
    pub fn diff(
        ctx: NativeCallContext,
        kube: &mut Kube,
        manifests: Dynamic,
    ) -> ScriptResult<String> {
        let manifests = Manifests::given(&ctx, kube, &manifests)?;
        kube.0.look(&ctx, "diff", |server| kube::differences(server, &manifests.content.bytes))
    }

    /// Deletes what manifests name: YAML text, or the name of a local file.
    #[rhai_fn(name = "delete", pure, return_raw)]
    pub fn delete(
        ctx: NativeCallContext,
        kube: &mut Kube,
        manifests: Dynamic,
    ) -> ScriptResult<Change> {
        let manifests = Manifests::given(&ctx, kube, &manifests)?;
        let Manifests { subject, content } = &manifests;
        kube.0.change(&ctx, &format!("delete {subject}"), |server| {
            Delete::Manifests { subject, manifests: &content.bytes }.run(server)
        })
    }

    /// Deletes one thing, named as kubectl names it.
    ///
    /// ```rhai,parse
    /// kube(host("server")).delete("deploy/web", "default");
    /// ```
    #[rhai_fn(name = "delete", pure, return_raw)]
    pub fn delete_named(
        ctx: NativeCallContext,
        kube: &mut Kube,
        what: &str,
        namespace: &str,
    ) -> ScriptResult<Change> {
        kube.0.change(&ctx, &format!("delete {what}"), |server| {
            Delete::Named { what, namespace }.run(server)
        })
    }

    /// Whether Kubernetes knows a node: not before its k3s has run once.
    ///
    /// ```rhai,parse
    /// if !kube(host("server")).knows(host) { warn(host, "has not joined the cluster yet"); }
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn knows(ctx: NativeCallContext, kube: &mut Kube, host: Dynamic) -> ScriptResult<bool> {
        kube.0.look(&ctx, "is it known", |server| kube::is_known(server, &node_name(&host)?))
    }

    /// Whether a node is Ready.
    ///
    /// ```rhai,parse
    /// host.wait_for("Ready", "10m", |host| kube(host("server")).ready(host));
    /// ```
    #[rhai_fn(name = "ready", pure, return_raw)]
    pub fn ready(ctx: NativeCallContext, kube: &mut Kube, host: Dynamic) -> ScriptResult<bool> {
        kube.0.look(&ctx, "is it Ready", |server| kube::is_ready(server, &node_name(&host)?))
    }

    /// Whether all of a workload is updated and runs.
    ///
    /// ```rhai,parse
    /// kube(host("server")).ready("deploy/metallb-controller", "kube-system")
    /// ```
    #[rhai_fn(name = "ready", pure, return_raw)]
    pub fn workload_ready(
        ctx: NativeCallContext,
        kube: &mut Kube,
        what: &str,
        namespace: &str,
    ) -> ScriptResult<bool> {
        kube.0.look(&ctx, &format!("is {what} ready"), |server| {
            Workload { what, namespace }.is_ready(server)
        })
    }

    /// Waits up to five minutes until a thing has a condition, such as `"condition=Available"` or `"delete"`.
    #[rhai_fn(name = "wait", pure, return_raw)]
    pub fn wait(
        ctx: NativeCallContext,
        kube: &mut Kube,
        what: &str,
        condition: &str,
    ) -> ScriptResult<()> {
        super::wait(&ctx, kube, what, condition, &WaitOptions::default())
    }

    /// Waits until a thing has a condition, as the options say.
    ///
    /// ```rhai,parse
    /// kube(host("server")).wait("deploy/web", "condition=Available", #{ namespace: "web", timeout: "2m" });
    /// ```
    #[rhai_fn(name = "wait", pure, return_raw)]
    pub fn wait_with(
        ctx: NativeCallContext,
        kube: &mut Kube,
        what: &str,
        condition: &str,
        options: Map,
    ) -> ScriptResult<()> {
        let options = options::read(options).map_err(|error| kube.0.raise(&ctx, error))?;
        super::wait(&ctx, kube, what, condition, &options)
    }

    /// Moves all pods away from a node and keeps new ones away, until `uncordon`. A node that is not in Kubernetes is no
    /// error.
    #[rhai_fn(name = "drain", pure, return_raw)]
    pub fn drain(ctx: NativeCallContext, kube: &mut Kube, host: Dynamic) -> ScriptResult<Change> {
        super::drain(&ctx, kube, &host, &DrainVerbOptions::default())
    }

    /// Moves all pods away from a node and keeps new ones away, as the options say.
    ///
    /// ```rhai,parse
    /// kube(host("server")).drain(host, #{ timeout: "5m", delete_emptydir: true });
    /// ```
    #[rhai_fn(name = "drain", pure, return_raw)]
    pub fn drain_with(
        ctx: NativeCallContext,
        kube: &mut Kube,
        host: Dynamic,
        options: Map,
    ) -> ScriptResult<Change> {
        let options = options::read(options).map_err(|error| kube.0.raise(&ctx, error))?;
        super::drain(&ctx, kube, &host, &options)
    }

    /// Lets pods come to a node again, if it was pirun that kept them away.
    #[rhai_fn(pure, return_raw)]
    pub fn uncordon(
        ctx: NativeCallContext,
        kube: &mut Kube,
        host: Dynamic,
    ) -> ScriptResult<Change> {
        kube.0.change(&ctx, "uncordon", |server| kube::uncordon(server, &node_name(&host)?))
    }

    /// Restarts the pods of a workload one after the other, and waits until they run.
    #[rhai_fn(name = "rollout", pure, return_raw)]
    pub fn rollout(ctx: NativeCallContext, kube: &mut Kube, what: &str) -> ScriptResult<Change> {
        super::rollout(&ctx, kube, what, &RolloutOptions::default())
    }

    /// Restarts the pods of a workload one after the other, and waits until they run, as the options say.
    ///
    /// ```rhai,parse
    /// kube(host("server")).rollout("deploy/web", #{ namespace: "web" });
    /// ```
    #[rhai_fn(name = "rollout", pure, return_raw)]
    pub fn rollout_with(
        ctx: NativeCallContext,
        kube: &mut Kube,
        what: &str,
        options: Map,
    ) -> ScriptResult<Change> {
        let options = options::read(options).map_err(|error| kube.0.raise(&ctx, error))?;
        super::rollout(&ctx, kube, what, &options)
    }
}
