//! Images: what is made of a root file system, and the files that it is saved to.

use std::path::Path;
use std::sync::Arc;

use rhai::plugin::*;
use rhai::{Map, Module};

use super::Topic;
use super::values::size_text;
use crate::device;
use crate::error::{Error, Result};
use crate::image::assemble::{self, Image};
use crate::image::layout::Sizes;
use crate::image::manifest::About;
use crate::image::pack::Saved;
use crate::image::sign::SigningKey;
use crate::image::{Rootfs, Seed, ext4};
use crate::options;
use crate::script::ScriptResult;
use crate::script::context::RunContext;
use crate::script::convert::OrRaise;
use crate::script::options::{Options, Size, parse_size};
use crate::script::root::RootHandle;
use crate::state::{Aspect, Change};
use crate::ui::Event;
use crate::vault::Secret;

pub const TOPIC: Topic = Topic {
    name: "images",
    about: "Images: what is made of a root file system, and the files that it is saved to.",
    module,
    options: &[ImageOptions::LIST],
};

fn module() -> Module {
    let mut module = exported_module!(api);
    module.set_custom_type::<ImageHandle>("Image");
    module
}

impl ImageHandle {
    /// What a card gets of it, saved or not.
    pub(super) fn card(&self) -> device::Image {
        device::Image::LaidOut(format!("the image {}", self.id), Arc::new(self.image.card()))
    }
}

/// How output names it where a host's name stands.
const LABEL: &str = "image";

/// An image that can be saved.
#[derive(Clone)]
pub struct ImageHandle {
    run: Arc<RunContext>,
    image: Arc<Image>,
    id: String,
}

options! {
    /// Options of `image`.
    pub struct ImageOptions for "image" at 1 {
        /// Size of the boot partition.
        boot: Size = Size(100 << 20),
        /// Size of each root partition, or `"shrink"`: as large as what is in it.
        root: String = "2200M".to_owned(),
        /// Size of the data partition in the image. On a card it is as large as the card allows.
        data: Size = Size(64 << 20),
        /// Free space in the root file system, which is no larger than it has to be.
        free: Size = Size(64 << 20),
        /// The number of the image: a node takes none below the `floor` of one that it ran. Default: its date.
        version: Option<i64>,
        /// Nodes that ran this image take none with a lower version any more. Default: 0, any.
        floor: i64,
        /// The boards that it boots on.
        boards: Vec<String> = ["3B", "3B+", "4B", "400", "CM4"].map(str::to_owned).to_vec(),
        /// The key that signs the manifests, as `new_signing_key` makes it. Nodes take no update image without.
        sign: Option<Secret>,
        /// The update image of an older build: files stay where it has them, as far as they can, so that an upgrade
        /// from it sends less.
        previous: Option<String>,
    }
}

/// Boards that U-Boot and the boot script start.
const BOARDS: [&str; 8] = ["2B", "3A+", "3B", "3B+", "4B", "400", "CM4", "Zero 2 W"];

impl ImageOptions {
    /// Refuses boards that the image would not boot on.
    fn check_boards(&self) -> Result<()> {
        let Some(board) = self.boards.iter().find(|board| !BOARDS.contains(&&***board)) else {
            return Ok(());
        };
        let error = Error::playbook(format!("the image does not boot on a board `{board}`"));
        if board.starts_with('5') || board.starts_with("CM5") {
            return Err(error.hint("A Raspberry Pi 5 starts kernels with `tryboot` instead of U-Boot, which is not built yet."));
        }
        Err(error.hint(format!("Boards are called {}.", BOARDS.join(", "))))
    }

    fn sizes(&self) -> Result<Sizes> {
        let root_partition = match &*self.root {
            "shrink" => 0,
            text => parse_size(text).ok_or_else(|| {
                Error::playbook(format!("`{text}` is not the size of a root partition"))
                    .hint("Write 2200M, or `shrink` for as large as what is in it.")
            })?,
        };
        Ok(Sizes {
            boot: self.boot.0,
            root: ext4::Size::Shrink { free: self.free.0 },
            root_partition,
            data: self.data.0,
        })
    }

    fn about(&self, root: &Rootfs, id: &str) -> About {
        let number = |number: i64| u64::try_from(number).unwrap_or_default();
        let alpine =
            ["alpine-release", "alpine-base"].iter().find_map(|name| root.version_of(name));
        About {
            id: id.to_owned(),
            version: number(self.version.unwrap_or(root.date)),
            floor: number(self.floor),
            arch: root.alpine.arch.clone(),
            boards: self.boards.clone(),
            created: root.date,
            alpine: alpine.unwrap_or_else(|| root.alpine.branch.clone()),
            k3s: root.version_of("k3s"),
        }
    }
}

fn image(root: &RootHandle, options: &ImageOptions) -> Result<ImageHandle> {
    options.check_boards()?;
    let run = root.run().clone();
    let mut root = root.finish()?;
    let id = root.identify(u64::try_from(options.floor).unwrap_or_default())?;
    let key = options.sign.as_ref().map(signing_key).transpose()?;
    let previous = options.previous.as_ref();
    let previous = previous.map(|path| assemble::previous(&run.places().project.join(path)));
    let settings = assemble::Options {
        about: options.about(&root, &id),
        sizes: options.sizes()?,
        // One for all images: a file system's checksums depend on its UUID, and an upgrade sends what differs.
        seed: Seed::new("pirun"),
        packages: root.packages.clone(),
        key,
        previous: previous.transpose()?,
        cancel: run.cancel().clone(),
    };
    let parts = root.split()?;
    let image = Image::new(&parts.root, &parts.boot, &parts.data, settings)?;
    Ok(ImageHandle { run, image: Arc::new(image), id })
}

fn signing_key(secret: &Secret) -> Result<SigningKey> {
    SigningKey::parse(secret.expose_text().unwrap_or_default())
}

/// One of the two forms of an image: how to see that it is there, and how to write it.
struct Form {
    is_saved: fn(&Image, &Path) -> Result<bool>,
    save: fn(&Image, &Path) -> Result<Saved>,
}

const CARD: Form = Form { is_saved: Image::is_saved, save: Image::save };
const UPDATE: Form = Form { is_saved: Image::is_update_saved, save: Image::save_update };

/// Saves one form of the image, and says so. A dry run says what it would write.
fn save(handle: &ImageHandle, path: &str, form: &Form) -> Result<()> {
    let run = &handle.run;
    run.check_cancelled()?;
    let place = run.places().project.join(path);
    if (form.is_saved)(&handle.image, &place)? {
        let text = format!("{path} is as it was: {}", handle.id);
        run.tell(Event::Print { host: None, text });
        return Ok(());
    }
    let change = Change::of("image", path);
    let change = if place.exists() { change } else { change.with(Aspect::Created) };
    let id = Aspect::Attribute { name: "id", before: None, after: handle.id.clone() };
    let mut change = change.with(id);
    if !run.options().dry_run {
        run.tell(Event::Step { host: LABEL.to_owned(), text: format!("save {path}") });
        let saved = (form.save)(&handle.image, &place)?;
        change = change.remark(size_text(i64::try_from(saved.bytes).unwrap_or(i64::MAX)));
    }
    run.tell(Event::Change { host: LABEL.to_owned(), change });
    Ok(())
}

#[export_module]
#[allow(clippy::needless_pass_by_value, reason = "Rhai's calling convention")]
pub mod api {
    use crate::script::options;

    /// Makes an image of a root file system, which cannot be changed any more: boot partition, two root partitions, data
    /// partition. Its id follows from what is in it.
    ///
    /// ```rhai,parse
    /// image(root, #{ boot: "100M", root: "2200M", data: "200M" }).save("output/sdcard.img.gz");
    /// ```
    #[rhai_fn(name = "image", return_raw)]
    pub fn image_of(
        ctx: NativeCallContext,
        root: RootHandle,
        options: Map,
    ) -> ScriptResult<ImageHandle> {
        let options = options::read(options).or_raise(&ctx)?;
        image(&root, &options).or_raise(&ctx)
    }

    /// Writes the image of a whole card (`.img.gz` or `.img.zst`), with its hash and its signed manifest beside it. Gives
    /// the image once more.
    #[rhai_fn(name = "save", pure, return_raw)]
    pub fn save(
        ctx: NativeCallContext,
        image: &mut ImageHandle,
        path: &str,
    ) -> ScriptResult<ImageHandle> {
        super::save(image, path, &CARD).or_raise(&ctx)?;
        Ok(image.clone())
    }

    /// Writes the image for upgrades: the root file system, and beside it the boot partition, the list of packages (SPDX),
    /// the hash and the signed manifest. Gives the image once more.
    #[rhai_fn(name = "save_update", pure, return_raw)]
    pub fn save_update(
        ctx: NativeCallContext,
        image: &mut ImageHandle,
        path: &str,
    ) -> ScriptResult<ImageHandle> {
        super::save(image, path, &UPDATE).or_raise(&ctx)?;
        Ok(image.clone())
    }

    /// What tells the image from others; nodes have it in `/etc/pirun/image`.
    #[rhai_fn(get = "id", pure)]
    pub fn id(image: &mut ImageHandle) -> String {
        image.id.clone()
    }

    /// A new key that signs images (minisign's format, without a password: it belongs into the vault).
    ///
    /// ```rhai
    /// vault_or("image_signing_key", || new_signing_key()).name    //=> "image_signing_key"
    /// ```
    #[rhai_fn(return_raw)]
    pub fn new_signing_key(ctx: NativeCallContext) -> ScriptResult<Secret> {
        let text = || SigningKey::generate()?.text();
        Ok(Secret::text("signing_key", &text().or_raise(&ctx)?))
    }

    /// The public half of a signing key: the line of minisign's `.pub` files.
    ///
    /// ```rhai
    /// signing_key_public(new_signing_key()).starts_with("RW")     //=> true
    /// ```
    #[rhai_fn(return_raw)]
    pub fn signing_key_public(ctx: NativeCallContext, key: Secret) -> ScriptResult<String> {
        let public = || Ok(signing_key(&key)?.verifying()?.line());
        public().or_raise(&ctx)
    }
}
