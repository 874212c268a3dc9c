//! The boot partition of a node: the firmware's `config.txt` and the kernel's `cmdline.txt`.

use rhai::plugin::*;
use rhai::{Array, Map, Module};

use super::Topic;
use crate::error::{Error, Result};
use crate::options;
use crate::script::ScriptResult;
use crate::script::host::HostHandle;
use crate::script::options::{Options, describe};
use crate::state::{Attributes, Change, ConfigTxt, File, KernelArgs, Node, Setting};

pub const TOPIC: Topic = Topic {
    name: "boot",
    about: "The boot partition of a node: config.txt and cmdline.txt.",
    module,
    options: &[ConfigTxtOptions::LIST],
};

fn module() -> Module {
    exported_module!(api)
}

options! {
    /// Options of `host.config_txt`.
    pub struct ConfigTxtOptions for "config_txt" at 1 {
        /// The section that the lines belong to, such as `"pi4"`. Default: `"all"`, which holds for every board.
        section: Option<String>,
    }
}

/// The names and values of a playbook's map.
pub(super) fn settings(map: &Map) -> Result<Vec<(String, Setting)>> {
    map.iter().map(|(name, value)| Ok((name.to_string(), setting(name, value)?))).collect()
}

fn setting(name: &str, value: &Dynamic) -> Result<Setting> {
    if value.is_unit() {
        return Ok(Setting::Absent);
    }
    if let Ok(flag) = value.as_bool() {
        return Ok(if flag { Setting::Flag } else { Setting::Absent });
    }
    let values = match value.read_lock::<Array>() {
        Some(list) => list.iter().map(|value| text(name, value)).collect::<Result<_>>()?,
        None => vec![text(name, value)?],
    };
    Ok(Setting::Values(values))
}

fn text(name: &str, value: &Dynamic) -> Result<String> {
    if value.is_string() || value.is_int() || value.is_float() || value.is_char() {
        return Ok(value.to_string());
    }
    Err(Error::playbook(format!("`{name}` cannot be {}", describe(value)))
        .hint("A text or a number sets it, a list repeats it, `true` is a name without a value, `()` removes it."))
}

/// Edits a file of the boot partition.
fn edit(
    node: &Node,
    path: &str,
    verb: &'static str,
    edit: impl Fn(&str) -> String,
) -> Result<Change> {
    let before = node.remote().read(path)?.unwrap_or_default();
    let before =
        String::from_utf8(before).map_err(|_| Error::file(format!("{path} is not a text file")))?;
    let after = edit(&before);
    let attributes = Attributes::default();
    let file = File {
        verb,
        path: path.to_owned(),
        content: after.into_bytes(),
        attributes,
        ..File::default()
    };
    if file.content == before.as_bytes() { Ok(Change::of(verb, path)) } else { file.bring(node) }
}

/// Where the boot partition is mounted.
fn boot_dir(host: &HostHandle, node: &Node) -> Result<String> {
    let facts = host.state().facts(node)?;
    match facts.text("boot_dir") {
        "" => Err(Error::file("no boot partition is mounted, neither at /uboot nor at /boot")),
        dir => Ok(dir.to_owned()),
    }
}

fn config_txt(
    ctx: &NativeCallContext,
    host: &HostHandle,
    map: &Map,
    options: &ConfigTxtOptions,
) -> ScriptResult<Change> {
    host.change(ctx, "config_txt", |node| {
        let config = ConfigTxt::new(settings(map)?, options.section.as_deref())?;
        let path = format!("{}/config.txt", boot_dir(host, node)?);
        edit(node, &path, "config_txt", |text| config.edit(text))
    })
}

#[export_module]
#[allow(clippy::needless_pass_by_value, reason = "Rhai's calling convention")]
pub mod api {
    use crate::script::options;

    /// Sees to it that the firmware's `config.txt` says this. It counts from the next boot on.
    ///
    /// A text or a number sets a name, a list repeats it, `()` removes it. A name with `=` in it is a whole line:
    /// `"dtoverlay=disable-wifi": true`. The boot partition is read-only: call it inside `writable`.
    ///
    /// ```rhai,parse
    /// host.writable(host.facts.boot_dir, |host| host.config_txt(#{ gpu_mem: 16, enable_uart: () }));
    /// ```
    #[rhai_fn(name = "config_txt", pure, return_raw)]
    pub fn config_txt(
        ctx: NativeCallContext,
        host: &mut HostHandle,
        settings: Map,
    ) -> ScriptResult<Change> {
        super::config_txt(&ctx, host, &settings, &ConfigTxtOptions::default())
    }

    /// Sees to it that a section of the firmware's `config.txt` says this.
    ///
    /// ```rhai,parse
    /// host.config_txt(#{ arm_boost: 1 }, #{ section: "pi4" });
    /// ```
    #[rhai_fn(name = "config_txt", pure, return_raw)]
    pub fn config_txt_with(
        ctx: NativeCallContext,
        host: &mut HostHandle,
        settings: Map,
        options: Map,
    ) -> ScriptResult<Change> {
        let options = options::read(options).map_err(|error| host.raise(&ctx, error))?;
        super::config_txt(&ctx, host, &settings, &options)
    }

    /// Sees to it that the kernel gets these arguments (`cmdline.txt`) from the next boot on. Others stay.
    ///
    /// A text or a number sets an argument, a list repeats it, `true` is an argument without a value, `()` removes it.
    ///
    /// ```rhai,parse
    /// host.writable(host.facts.boot_dir, |host| host.kernel_args(#{ cgroup_enable: "memory", quiet: () }));
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn kernel_args(
        ctx: NativeCallContext,
        host: &mut HostHandle,
        settings: Map,
    ) -> ScriptResult<Change> {
        host.change(&ctx, "kernel_args", |node| {
            let args = KernelArgs::new(super::settings(&settings)?)?;
            let path = format!("{}/cmdline.txt", boot_dir(host, node)?);
            edit(node, &path, "kernel_args", |text| args.edit(text))
        })
    }
}
