//! Writing an image to a card.

use std::path::Path;
use std::time::{Duration, Instant};

use rhai::plugin::*;
use rhai::{Map, Module};

use super::Topic;
use super::images::ImageHandle;
use crate::device::{Card, HostKey, Image, Personal, Phase, Plan, Reason, System};
use crate::error::{Error, ErrorKind, Result};
use crate::options;
use crate::remote::trust::HostKeys;
use crate::script::ScriptResult;
use crate::script::context::{RunContext, context};
use crate::script::convert::OrRaise;
use crate::script::options::{Content, FromOption, Options};
use crate::state::{Aspect, Change};
use crate::ui::Event;
use crate::vault::SecretValue;

pub const TOPIC: Topic = Topic {
    name: "cards",
    about: "Writing an image to a card.",
    module,
    options: &[WriteCardOptions::LIST],
};

fn module() -> Module {
    exported_module!(api)
}

/// How output names it where a host's name stands.
const LABEL: &str = "card";

options! {
    /// Options of `write_card`.
    pub struct WriteCardOptions for "write_card" at 2 {
        /// The host whose card it becomes. It gets an SSH host key of its own, kept in the vault as `hostkey/HOST`, whose
        /// public half goes into the project's `known_hosts`.
        personalize: Option<String>,
        /// Files of the data partition: paths below `/data`, and their content.
        files: Map,
        /// Public keys that may log in as root.
        authorized_keys: Vec<String>,
        /// Reasons against the device that do not count, as `pirun devices` names them.
        force: Vec<String>,
        /// The serial number that the device must have. With `--yes` it must be given.
        expect_serial: Option<String>,
        /// Reads back everything that was written.
        verify: bool = true,
        /// Makes the data partition as large as the card allows. A card that is personalized always is.
        grow: bool = true,
    }
}

impl WriteCardOptions {
    fn personal(&self, run: &RunContext) -> Result<Option<Personal>> {
        let mut files = Vec::new();
        for (path, content) in &self.files {
            let content = Content::from_option(content.clone()).map_err(|problem| {
                Error::playbook(format!("`{path}` in `files` of `write_card` {problem}"))
            })?;
            files.push((path.to_string(), content.bytes));
        }
        let host_key = match &self.personalize {
            Some(host) => known_key(run, host)?,
            None => None,
        };
        let personal = Personal { files, authorized_keys: self.authorized_keys.clone(), host_key };
        let is_plain = personal.files.is_empty() && personal.authorized_keys.is_empty();
        Ok((self.personalize.is_some() || !is_plain).then_some(personal))
    }
}

/// The vault's name of a host's key.
fn secret_name(host: &str) -> String {
    format!("hostkey/{host}")
}

/// The key that the vault has for a host of the inventory.
fn known_key(run: &RunContext, host: &str) -> Result<Option<HostKey>> {
    if !run.hosts().all().iter().any(|known| known.name == host) {
        return Err(Error::playbook(format!("there is no host `{host}` in the inventory"))
            .hint("`pirun inventory` lists the hosts. A card is personalized for exactly one."));
    }
    let name = secret_name(host);
    let Some(secret) = run.secrets().find(&name)? else { return Ok(None) };
    let key = HostKey::parse(secret.expose_text().unwrap_or_default()).map_err(|problem| {
        Error::new(ErrorKind::Vault, format!("the secret `{name}` is no host key: {problem}"))
            .hint(format!("`pirun vault rm {name}` lets the next card have a new one."))
    })?;
    Ok(Some(key))
}

/// Makes a key and keeps it, so that a card that is written again has the same one.
fn new_key(run: &RunContext, host: &str) -> Result<HostKey> {
    let key = HostKey::generate(host)?;
    run.secrets().set(&secret_name(host), SecretValue::text(&key.openssh()?))?;
    Ok(key)
}

fn write(
    run: &RunContext,
    image: &Image,
    device: &str,
    options: &WriteCardOptions,
) -> Result<Change> {
    run.check_cancelled()?;
    let forced = options.force.iter().map(|name| name.parse()).collect::<Result<Vec<Reason>>>()?;
    let system = System::default();
    let mut personal = options.personal(run)?;
    let card = Card {
        system: &system,
        image,
        device: Path::new(device),
        forced: &forced,
        expect_serial: options.expect_serial.as_deref(),
        verify: options.verify,
        grow: options.grow,
        personal: None,
    };
    let plan = Card { personal: personal.as_ref(), ..card }.plan()?;
    // A key that is not there yet can be on no card.
    let needs_key = options.personalize.is_some()
        && personal.as_ref().is_some_and(|personal| personal.host_key.is_none());
    let same = !needs_key
        && Card { personal: personal.as_ref(), ..card }.is_written(
            &plan,
            run.cancel(),
            &mut progress(run, device, "compare"),
        )?;
    let change = if same { plan.unchanged() } else { plan.change() };
    if run.options().dry_run {
        let known = personal.as_ref().and_then(|personal| personal.host_key.as_ref());
        return Ok(introduce(run, options, known, change)?.0);
    }
    if !same {
        confirm(run, &plan, options)?;
        if let (Some(host), Some(personal), true) = (&options.personalize, &mut personal, needs_key)
        {
            personal.host_key = Some(new_key(run, host)?);
        }
        let card = Card { personal: personal.as_ref(), ..card };
        card.write(&plan, run.cancel(), &mut progress(run, device, "write"))
            .inspect_err(|error| tell_of_the_rest(run, error, device))?;
    }
    let known = personal.as_ref().and_then(|personal| personal.host_key.as_ref());
    let (change, keys) = introduce(run, options, known, change)?;
    if let (Some(host), Some(keys)) = (&options.personalize, keys) {
        keys.remember(&run.places().project.join("known_hosts"), host)?;
    }
    Ok(change)
}

/// A cancelled run shows no error, but whoever stopped it must know what is left.
fn tell_of_the_rest(run: &RunContext, error: &Error, device: &str) {
    if error.kind() == ErrorKind::Cancelled {
        let text = format!("{device} has no partition table now: write it again");
        run.tell(Event::Warning { host: None, text });
    }
}

/// Adds to `change` what becomes of the project's `known_hosts`, and gives the keys that are to be remembered.
fn introduce(
    run: &RunContext,
    options: &WriteCardOptions,
    key: Option<&HostKey>,
    change: Change,
) -> Result<(Change, Option<HostKeys>)> {
    let Some(host) = &options.personalize else { return Ok((change, None)) };
    let before = HostKeys::read(&run.places().project.join("known_hosts"), host)?;
    let keys = key.map(|key| HostKeys::of(host, &key.public()));
    if keys.as_ref().is_some_and(|keys| keys.shares_a_key_with(&before)) {
        return Ok((change, None));
    }
    let before = (!before.is_empty()).then(|| before.fingerprints().join(", "));
    let after =
        key.map_or_else(|| "a new one".to_owned(), |key| format!("ED25519 {}", key.fingerprint()));
    Ok((change.with(Aspect::Attribute { name: "host key", before, after }), keys))
}

/// Lets the user type what the device is, or takes the serial number for it.
fn confirm(run: &RunContext, plan: &Plan, options: &WriteCardOptions) -> Result<()> {
    let (question, expected) = plan.question();
    if run.ui().settings().yes {
        return match options.expect_serial {
            Some(_) => Ok(()),
            None => Err(Error::usage("`--yes` alone does not say which card may be overwritten")
                .hint("Name it: `--yes --expect-serial S`. `pirun devices` shows serial numbers.")),
        };
    }
    let same = |text: &str| {
        text.to_lowercase().split_whitespace().eq(expected.to_lowercase().split_whitespace())
    };
    let typed = run.ui().typed(&question).map_err(|_| {
        Error::usage("nobody is there to say that the card may be overwritten")
            .hint("Start pirun at a terminal, or name the card: `--yes --expect-serial S`.")
    })?;
    if same(&typed) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Device, "not confirmed: nothing was written")
        .hint(format!("Type it as it stands there: {expected}.")))
}

/// Tells how far it is, but not more often than a person can read.
fn progress<'a>(
    run: &'a RunContext,
    device: &str,
    doing: &'static str,
) -> impl FnMut(Phase, u64, Option<u64>) + use<'a> {
    let (device, mut told) = (device.to_owned(), Instant::now());
    move |phase, done, total| {
        if Some(done) != total && told.elapsed() < Duration::from_millis(100) {
            return;
        }
        told = Instant::now();
        let doing = if phase == Phase::Verify { "verify" } else { doing };
        let label = format!("{doing} {device}");
        run.tell(Event::Progress { host: None, label, done, total });
    }
}

/// What a playbook gave as the image: one that it built, or a file's name.
fn image_of(run: &RunContext, value: &Dynamic) -> Result<Image> {
    if let Some(handle) = value.read_lock::<ImageHandle>() {
        return Ok(handle.card());
    }
    let name = value.read_lock::<ImmutableString>().ok_or_else(|| {
        Error::playbook("`write_card` takes an image or the name of its file")
            .hint("Write write_card(image(root, #{}), device) or write_card(\"output/sdcard.img.gz\", device).")
    })?;
    Image::open(&run.places().find(&name))
}

fn write_card(
    ctx: &NativeCallContext,
    image: &Dynamic,
    device: &str,
    options: &WriteCardOptions,
) -> ScriptResult<Change> {
    let run = context(ctx).or_raise(ctx)?;
    let image = image_of(&run, image).or_raise(ctx)?;
    let change = write(&run, &image, device, options).or_raise(ctx)?;
    run.tell(Event::Change { host: LABEL.to_owned(), change: change.clone() });
    Ok(change)
}

#[export_module]
#[allow(clippy::needless_pass_by_value, reason = "Rhai's calling convention")]
pub mod api {
    use crate::script::options;

    /// Writes an image to a card, and reads it back: a file, or what `image` made, saved or not. See `write_card` with
    /// options.
    ///
    /// ```rhai,parse
    /// write_card("output/sdcard.img.gz", "/dev/sdc");
    /// write_card(image(root, #{ boot: "100M" }), "/dev/sdc");
    /// ```
    #[rhai_fn(name = "write_card", return_raw)]
    pub fn write_card(
        ctx: NativeCallContext,
        image: Dynamic,
        device: &str,
    ) -> ScriptResult<Change> {
        super::write_card(&ctx, &image, device, &WriteCardOptions::default())
    }

    /// Writes an image to a card, reads it back, and makes it the card of one host.
    ///
    /// Devices that could be something else than a card are refused (`pirun devices` says why), and the user is asked to
    /// type what the device is. The partition table comes last, so that a card that was not finished does not boot. A
    /// card that holds all of it already is left alone. A dry run shows the partition table before and after.
    ///
    /// ```rhai,parse
    /// write_card("output/sdcard.img.gz", "/dev/sdc", #{ personalize: "rpi41" });
    /// ```
    #[rhai_fn(name = "write_card", return_raw)]
    pub fn write_card_with(
        ctx: NativeCallContext,
        image: Dynamic,
        device: &str,
        options: Map,
    ) -> ScriptResult<Change> {
        let options = options::read(options).or_raise(&ctx)?;
        super::write_card(&ctx, &image, device, &options)
    }
}
