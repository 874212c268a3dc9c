//! Files of any size, up and down, and reboots.

use std::sync::Arc;
use std::time::Duration;

use rhai::plugin::*;
use rhai::{Map, Module};

use super::Topic;
use crate::error::{Error, Result};
use crate::options;
use crate::script::ScriptResult;
use crate::script::host::HostHandle;
use crate::script::options::{Mode, Options};
use crate::state::{Action, Aspect, Attributes, Change, Upload, download as fetch};
use crate::ui::Event;

pub const TOPIC: Topic = Topic {
    name: "transfers",
    about: "Files of any size, up and down, and reboots.",
    module,
    options: &[UploadOptions::LIST, RebootOptions::LIST],
};

fn module() -> Module {
    exported_module!(api)
}

options! {
    /// Options of `host.upload`.
    pub struct UploadOptions for "upload" at 2 {
        /// Permission bits. Default: as they are; 0644 for a new file.
        mode: Option<Mode>,
        /// The owner's name or number. Default: as it is.
        owner: Option<String>,
        /// The group's name or number. Default: as it is.
        group: Option<String>,
    }
}

options! {
    /// Options of `host.reboot`.
    pub struct RebootOptions for "reboot" at 0 {
        /// How long the node may take until it answers again.
        timeout: Duration = Duration::from_secs(300),
        /// Reboots only if this is true. Default: always.
        when: bool = true,
    }
}

/// Tells how far a transfer is, but not more often than a person can read.
pub(super) fn progress(host: &HostHandle, label: &str) -> impl FnMut(u64, u64) + Send + use<> {
    let (run, host, label) = (Arc::clone(host.run()), host.label(), label.to_owned());
    let mut told = std::time::Instant::now();
    move |done, total| {
        if done == total || told.elapsed() > Duration::from_millis(100) {
            told = std::time::Instant::now();
            let (host, label) = (Some(host.clone()), label.clone());
            run.tell(Event::Progress { host, label, done, total: Some(total) });
        }
    }
}

fn upload(
    ctx: &NativeCallContext,
    host: &HostHandle,
    local: &str,
    remote: &str,
    options: UploadOptions,
) -> ScriptResult<Change> {
    let path = host.run().places().find(local);
    let UploadOptions { mode, owner, group } = options;
    host.change(ctx, &format!("upload {remote}"), |node| {
        let size = std::fs::metadata(&path).map_err(|error| Error::io(&path, &error))?.len();
        let attributes = Attributes { mode: mode.map(|mode| mode.0), owner, group };
        let sha256 = || host.run().hash_of(&path);
        let upload = Upload { local: &path, remote, sha256: &sha256, size, attributes };
        upload.bring(node, &mut progress(host, remote))
    })
}

fn reboot(
    ctx: &NativeCallContext,
    host: &HostHandle,
    options: &RebootOptions,
) -> ScriptResult<Change> {
    let change = Change::of("reboot", host.name());
    if !options.when {
        return host.change(ctx, "reboot", |_| Ok(change));
    }
    host.change(ctx, "reboot", |node| -> Result<Change> {
        let change = change.with(Aspect::Action { action: Action::Reboot });
        if !node.agrees(&change)? {
            return Ok(change.unless_changed());
        }
        if !node.is_dry() {
            host.run().reboot(host.state(), node, options.timeout)?;
        }
        Ok(change)
    })
}

#[export_module]
#[allow(clippy::needless_pass_by_value, reason = "Rhai's calling convention")]
pub mod api {
    use crate::script::options;

    /// Sees to it that the node has a copy of a local file. Streamed, checked, and resumed where a cut run stopped.
    #[rhai_fn(name = "upload", pure, return_raw)]
    pub fn upload(
        ctx: NativeCallContext,
        host: &mut HostHandle,
        local: &str,
        remote: &str,
    ) -> ScriptResult<Change> {
        super::upload(&ctx, host, local, remote, UploadOptions::default())
    }

    /// Sees to it that the node has a copy of a local file, with this mode and owner.
    #[rhai_fn(name = "upload", pure, return_raw)]
    pub fn upload_with(
        ctx: NativeCallContext,
        host: &mut HostHandle,
        local: &str,
        remote: &str,
        options: Map,
    ) -> ScriptResult<Change> {
        let options = options::read(options).map_err(|error| host.raise(&ctx, error))?;
        super::upload(&ctx, host, local, remote, options)
    }

    /// Sees to it that there is a local copy of a file of the node. A name that starts with `/` is taken as it is,
    /// others are in the project.
    #[rhai_fn(pure, return_raw)]
    pub fn download(
        ctx: NativeCallContext,
        host: &mut HostHandle,
        remote: &str,
        local: &str,
    ) -> ScriptResult<Change> {
        let path = host.run().places().project.join(local);
        host.change(&ctx, &format!("download {remote}"), |node| {
            fetch(node, remote, &path, &mut progress(host, remote))
        })
    }

    /// Reboots the node, and returns when a new boot of it answers.
    #[rhai_fn(name = "reboot", pure, return_raw)]
    pub fn reboot(ctx: NativeCallContext, host: &mut HostHandle) -> ScriptResult<Change> {
        super::reboot(&ctx, host, &RebootOptions::default())
    }

    /// Reboots the node as the options say, and returns when a new boot of it answers.
    ///
    /// ```rhai
    /// host.reboot(#{ when: false }).changed   //=> false
    /// ```
    #[rhai_fn(name = "reboot", pure, return_raw)]
    pub fn reboot_with(
        ctx: NativeCallContext,
        host: &mut HostHandle,
        options: Map,
    ) -> ScriptResult<Change> {
        let options = options::read(options).map_err(|error| host.raise(&ctx, error))?;
        super::reboot(&ctx, host, &options)
    }
}
