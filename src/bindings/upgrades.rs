//! A/B upgrades: what a node's slots hold, and an image's way into one. The library `ab` puts them together.

use std::fmt;
use std::sync::Arc;

use rhai::plugin::*;
use rhai::{Map, Module};

use super::Topic;
use super::transfers::progress;
use crate::error::Result;
use crate::image::sign::VerifyingKey;
use crate::options;
use crate::script::ScriptResult;
use crate::script::context::context;
use crate::script::convert::OrRaise;
use crate::script::host::HostHandle;
use crate::script::options::Options;
use crate::state::Change;
use crate::upgrade::{self, BootFiles, SlotWrite, Slots, UpdateImage, datastore};

pub const TOPIC: Topic = Topic {
    name: "upgrades",
    about: "A/B upgrades: what a node's slots hold, and an image's way into one. The library `ab` puts them together.",
    module,
    options: &[UpdateImageOptions::LIST],
};

fn module() -> Module {
    let mut module = exported_module!(api);
    module.set_custom_type::<UpdateImageHandle>("UpdateImage");
    module
}

/// An update image that was opened and checked. Clones are the same one.
#[derive(Clone)]
pub struct UpdateImageHandle(Arc<UpdateImage>);

impl fmt::Display for UpdateImageHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.about.id)
    }
}

options! {
    /// Options of `update_image`.
    pub struct UpdateImageOptions for "update_image" at 1 {
        /// The public keys, in minisign's form, of which one must have signed the image.
        trust: Vec<String>,
    }
}

/// What a look at the slots has found, for playbooks.
fn map_of(slots: Slots) -> Map {
    let text = |value: Option<String>| Dynamic::from(value.unwrap_or_default());
    let (other, running, next) = (slots.other(), slots.running, slots.next);
    let pairs = [
        ("running", running.to_string().into()),
        ("other", other.to_string().into()),
        ("next", next.to_string().into()),
        ("counter", i64::from(slots.counter).into()),
        ("record", slots.record.into()),
        ("state", slots.state.name().into()),
        ("image", text(slots.image)),
        ("other_image", text(slots.other_image)),
        ("failed", text(slots.failed)),
        ("k3s", text(slots.k3s)),
        ("other_k3s", text(slots.other_k3s)),
        ("arch", slots.arch.into()),
        ("model", slots.model.into()),
        ("floor", i64::try_from(slots.floor).unwrap_or(i64::MAX).into()),
    ];
    pairs.into_iter().map(|(name, value)| (name.into(), value)).collect()
}

fn write_slot(
    host: &HostHandle,
    image: &UpdateImage,
) -> impl FnOnce(&crate::state::Node) -> Result<Change> {
    move |node| {
        let doing = |text: &str| host.doing(text);
        SlotWrite { image, doing: &doing }.bring(node, &mut progress(host, &image.about.id))
    }
}

#[export_module]
#[allow(clippy::needless_pass_by_value, reason = "Rhai's calling convention")]
pub mod api {
    use crate::script::options;

    /// Opens an update image for all nodes: its manifest must be signed by one of the keys `trust`, and the image be what the
    /// manifest says. Nothing is contacted before that is certain.
    ///
    /// ```rhai,parse
    /// let image = update_image("output/sdcard_update.img.gz", #{
    ///     trust: [signing_key_public(vault("image_signing_key"))],
    /// });
    /// ```
    #[rhai_fn(return_raw)]
    pub fn update_image(
        ctx: NativeCallContext,
        path: &str,
        options: Map,
    ) -> ScriptResult<UpdateImageHandle> {
        let options: UpdateImageOptions = options::read(options).or_raise(&ctx)?;
        let open = || {
            let keys = options.trust.iter().map(|key| VerifyingKey::parse(key));
            let place = context(&ctx)?.places().project.join(path);
            UpdateImage::open(&place, &keys.collect::<Result<Vec<_>>>()?)
        };
        Ok(UpdateImageHandle(Arc::new(open().or_raise(&ctx)?)))
    }

    /// What tells the image from others; nodes that run it have it in `/etc/pirun/image`.
    #[rhai_fn(get = "id", pure)]
    pub fn id(image: &mut UpdateImageHandle) -> String {
        image.0.about.id.clone()
    }

    /// The image's number, which grows from image to image.
    #[rhai_fn(get = "version", pure)]
    pub fn version(image: &mut UpdateImageHandle) -> i64 {
        i64::try_from(image.0.about.version).unwrap_or(i64::MAX)
    }

    /// The architecture, as Alpine names it.
    #[rhai_fn(get = "arch", pure)]
    pub fn arch(image: &mut UpdateImageHandle) -> String {
        image.0.about.arch.clone()
    }

    /// The version of Alpine in the image.
    #[rhai_fn(get = "alpine", pure)]
    pub fn alpine(image: &mut UpdateImageHandle) -> String {
        image.0.about.alpine.clone()
    }

    /// The version of k3s in the image; "" if it has none.
    #[rhai_fn(get = "k3s", pure)]
    pub fn k3s(image: &mut UpdateImageHandle) -> String {
        image.0.about.k3s.clone().unwrap_or_default()
    }

    /// A look at the node's two slots, as a map: `running`, `other` and `next` ("A" or "B"); `image`, `other_image` and `failed`
    /// (ids, or ""); `state` of the running image ("confirmed", "on trial", "unconfirmed"); `k3s`, `other_k3s`; `counter` and
    /// `record` of the boot loader; `arch`, `model`, `floor`.
    ///
    /// ```rhai,parse
    /// if host.slots().state == "on trial" { warn(host, "its image is not confirmed yet"); }
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn slots(ctx: NativeCallContext, host: &mut HostHandle) -> ScriptResult<Map> {
        host.look(&ctx, "slots", Slots::look).map(map_of)
    }

    /// Refuses an image that is not for this node: architecture, board, size of the slot, version floor, or a slot that must not be
    /// written now.
    #[rhai_fn(pure, return_raw)]
    pub fn check_image(
        ctx: NativeCallContext,
        host: &mut HostHandle,
        image: UpdateImageHandle,
    ) -> ScriptResult<()> {
        host.look(&ctx, "check the image", |node| {
            let slots = Slots::look(node)?;
            if slots.runs(&image.0.about.id) { Ok(()) } else { upgrade::check(&image.0, &slots) }
        })
    }

    /// Sees to it that the slot that does not run holds the image. Only blocks that neither slot has are sent; all of it is
    /// read back and compared. Nothing to do on a node that runs the image.
    #[rhai_fn(pure, return_raw)]
    pub fn write_slot(
        ctx: NativeCallContext,
        host: &mut HostHandle,
        image: UpdateImageHandle,
    ) -> ScriptResult<Change> {
        host.change(&ctx, "write_slot", super::write_slot(host, &image.0))
    }

    /// Sees to it that the boot partition, which both slots share, has the image's firmware, boot loader and configuration.
    #[rhai_fn(pure, return_raw)]
    pub fn boot_files(
        ctx: NativeCallContext,
        host: &mut HostHandle,
        image: UpdateImageHandle,
    ) -> ScriptResult<Change> {
        host.change(&ctx, "boot_files", |node| BootFiles { image: &image.0 }.bring(node))
    }

    /// Has the next boot try the slot that holds the image, once: it stays only when it is confirmed.
    #[rhai_fn(name = "arm_slot", pure, return_raw)]
    pub fn arm_slot(
        ctx: NativeCallContext,
        host: &mut HostHandle,
        image: UpdateImageHandle,
    ) -> ScriptResult<Change> {
        host.change(&ctx, "arm_slot", |node| upgrade::arm(node, &image.0))
    }

    /// Has the next boot go to the slot that does not run, whatever is in it. It stays if it was confirmed once.
    #[rhai_fn(name = "arm_slot", pure, return_raw)]
    pub fn arm_other_slot(ctx: NativeCallContext, host: &mut HostHandle) -> ScriptResult<Change> {
        host.change(&ctx, "arm_slot", upgrade::arm_other)
    }

    /// Refuses to go on unless the node runs the image, and says what runs instead. To be called after a reboot into a slot; in
    /// a dry run nothing has rebooted, and it is no error.
    #[rhai_fn(pure, return_raw)]
    pub fn must_run(
        ctx: NativeCallContext,
        host: &mut HostHandle,
        image: UpdateImageHandle,
    ) -> ScriptResult<()> {
        host.look(&ctx, "which image runs", |node| upgrade::must_run(node, &image.0))
    }

    /// Says that the running image is good: it stays. An error if it is another one than `image`.
    #[rhai_fn(pure, return_raw)]
    pub fn confirm_slot(
        ctx: NativeCallContext,
        host: &mut HostHandle,
        image: UpdateImageHandle,
    ) -> ScriptResult<Change> {
        host.change(&ctx, "confirm_slot", |node| upgrade::confirm(node, &image.0))
    }

    /// Stops k3s and copies a server's datastore to /data, so that an older k3s can go back to it. To be called right before
    /// a reboot into another k3s; nothing to do on agents.
    #[rhai_fn(pure, return_raw)]
    pub fn keep_datastore(ctx: NativeCallContext, host: &mut HostHandle) -> ScriptResult<Change> {
        host.change(&ctx, "keep_datastore", datastore::keep)
    }

    /// Has the copy of `keep_datastore` put back when the older image boots. All that was written since is lost; it is kept
    /// in /data/pirun/datastore.newer.
    #[rhai_fn(pure, return_raw)]
    pub fn return_datastore(ctx: NativeCallContext, host: &mut HostHandle) -> ScriptResult<Change> {
        host.change(&ctx, "return_datastore", datastore::put_back)
    }

    /// After a trial that ended by going back: puts the older datastore back on nodes whose image does not do so at boot.
    #[rhai_fn(pure, return_raw)]
    pub fn settle_datastore(ctx: NativeCallContext, host: &mut HostHandle) -> ScriptResult<Change> {
        host.change(&ctx, "settle_datastore", datastore::settle)
    }
}
