//! Files made from templates.

use rhai::plugin::*;
use rhai::{Map, Module};

use super::Topic;
use crate::error::Result;
use crate::options;
use crate::script::ScriptResult;
use crate::script::host::HostHandle;
use crate::script::options::{Mode, Options};
use crate::script::template_vars::template_vars;
use crate::state::{Attributes, Change, File};
use crate::template::Rendered;

pub const TOPIC: Topic = Topic {
    name: "templates",
    about: "Files made from templates: Jinja as Ansible renders it.",
    module,
    options: &[TemplateOptions::LIST],
};

fn module() -> Module {
    exported_module!(api)
}

options! {
    /// Options of `host.template`.
    pub struct TemplateOptions for "template" at 2 {
        /// Variables for this template. `host groups hosts inventory vars` and the host's own are always there.
        vars: Map,
        /// Permission bits. Default: as they are; 0644 for a new file, 0600 when a secret went in.
        mode: Option<Mode>,
        /// The owner's name or number. Default: as it is.
        owner: Option<String>,
        /// The group's name or number. Default: as it is.
        group: Option<String>,
        /// The name of the handler that this file is for: `host.at_end(name, |host| …)` further down.
        notify: Option<String>,
    }
}

fn render(host: &HostHandle, template: &str, vars: &Map) -> Result<Rendered> {
    host.run().templates().render(template, &template_vars(host, vars)?)
}

fn template(
    ctx: &NativeCallContext,
    host: &HostHandle,
    path: &str,
    name: &str,
    options: TemplateOptions,
) -> ScriptResult<Change> {
    let rendered = render(host, name, &options.vars).map_err(|error| host.raise(ctx, error))?;
    let secret = !rendered.secrets.is_empty();
    let mode = options.mode.map(|mode| mode.0).or(secret.then_some(0o600));
    let file = File {
        verb: "template",
        path: path.to_owned(),
        content: rendered.text.into_bytes(),
        attributes: Attributes { mode, owner: options.owner, group: options.group },
        secret,
        ..File::default()
    };
    let change = host.change(ctx, &format!("template {path}"), |node| file.bring(node))?;
    if let Some(handler) = options.notify {
        host.state().notify(handler, change.clone());
    }
    Ok(change)
}

#[export_module]
#[allow(clippy::needless_pass_by_value, reason = "Rhai's calling convention")]
pub mod api {
    use crate::script::options;

    /// Sees to it that a file holds what a template renders.
    ///
    /// The template is looked for beside the playbook, then in `templates/`. An undefined variable is an error.
    #[rhai_fn(name = "template", pure, return_raw)]
    pub fn template(
        ctx: NativeCallContext,
        host: &mut HostHandle,
        path: &str,
        template: &str,
    ) -> ScriptResult<Change> {
        super::template(&ctx, host, path, template, TemplateOptions::default())
    }

    /// Sees to it that a file holds what a template renders, with variables, mode and owner.
    #[rhai_fn(name = "template", pure, return_raw)]
    pub fn template_with(
        ctx: NativeCallContext,
        host: &mut HostHandle,
        path: &str,
        template: &str,
        options: Map,
    ) -> ScriptResult<Change> {
        let options = options::read(options).map_err(|error| host.raise(&ctx, error))?;
        super::template(&ctx, host, path, template, options)
    }
}
