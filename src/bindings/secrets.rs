//! Secrets of the vault. A playbook can hand them on, but not look into them.

use rhai::plugin::*;
use rhai::{FnPtr, Module};

use super::Topic;
use crate::error::{Error, Result};
use crate::script::call::call;
use crate::script::context::{RunContext, context};
use crate::script::convert::{OrRaise, ScriptResult, raise, site};
use crate::script::options::{Content, FromOption};
use crate::script::secret::{mixed_into_text, note_leak, open_text, put_together};
use crate::vault::{Secret, SecretValue, random_text};

pub const TOPIC: Topic = Topic {
    name: "secrets",
    about: "Secrets of the vault. A playbook can hand them on, but not look into them.",
    module,
    options: &[],
};

fn module() -> Module {
    let mut module = exported_module!(api);
    module.set_custom_type::<Secret>("Secret");
    module
}

/// What is kept in the vault for `value`.
fn sealed(value: &Dynamic) -> Result<SecretValue> {
    let content = Content::from_option(value.clone())
        .map_err(|problem| Error::playbook(format!("the value {problem}")))?;
    Ok(SecretValue::text_or_bytes(&content.bytes))
}

/// Keeps it. In a dry run the vault only pretends, and this says so.
fn keep(run: &RunContext, name: &str, value: &Dynamic) -> Result<bool> {
    let value = sealed(value)?;
    let same =
        run.secrets().find(name)?.is_some_and(|old| old.expose_bytes() == value.expose_bytes());
    if same {
        return Ok(false);
    }
    if run.options().dry_run {
        run.remark(format!("would set the secret `{name}`"));
    }
    run.secrets().set(name, value)?;
    Ok(true)
}

fn forget(run: &RunContext, name: &str) -> Result<bool> {
    if run.secrets().find(name)?.is_none() {
        return Ok(false);
    }
    if run.options().dry_run {
        run.remark(format!("would remove the secret `{name}`"));
    }
    run.secrets().remove(name)?;
    Ok(true)
}

#[export_module]
#[allow(clippy::needless_pass_by_value, reason = "Rhai's calling convention")]
pub mod api {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use zeroize::Zeroizing;

    /// The secret called `name`. It prints as `<secret:name>`. Files, templates and a command's `stdin` take it; put
    /// together with a text it is a secret again.
    ///
    /// ```rhai
    /// vault("k3s_token").name     //=> "k3s_token"
    /// ```
    #[rhai_fn(return_raw)]
    pub fn vault(ctx: NativeCallContext, name: &str) -> ScriptResult<Secret> {
        context(&ctx).and_then(|run| run.secrets().get(name)).or_raise(&ctx)
    }

    /// The secret called `name`; if there is none, what `closure` returns is kept under that name first.
    ///
    /// ```rhai
    /// vault_or("fresh", || random_secret(32)).name        //=> "fresh"
    /// ```
    #[rhai_fn(return_raw)]
    pub fn vault_or(ctx: NativeCallContext, name: &str, closure: FnPtr) -> ScriptResult<Secret> {
        let run = context(&ctx).or_raise(&ctx)?;
        if let Some(secret) = run.secrets().find(name).or_raise(&ctx)? {
            return Ok(secret);
        }
        let value = call(&ctx, &closure, ())?;
        keep(&run, name, &value).or_raise(&ctx)?;
        Ok(Secret::new(name, sealed(&value).or_raise(&ctx)?))
    }

    /// Keeps a text, bytes or a secret under `name`. Returns whether that changed anything. A dry run keeps nothing.
    ///
    /// ```rhai
    /// vault_set("note", "hush")       //=> true
    /// vault_set("note", "hush")       //=> false
    /// ```
    #[rhai_fn(return_raw)]
    pub fn vault_set(ctx: NativeCallContext, name: &str, value: Dynamic) -> ScriptResult<bool> {
        context(&ctx).and_then(|run| keep(&run, name, &value)).or_raise(&ctx)
    }

    /// Forgets the secret called `name`. Returns whether there was one. A dry run forgets nothing.
    ///
    /// ```rhai
    /// vault_remove("never-there")     //=> false
    /// ```
    #[rhai_fn(return_raw)]
    pub fn vault_remove(ctx: NativeCallContext, name: &str) -> ScriptResult<bool> {
        context(&ctx).and_then(|run| forget(&run, name)).or_raise(&ctx)
    }

    /// A new random secret of so many letters and digits. It is in no vault until `vault_set`.
    ///
    /// ```rhai
    /// random_secret(48).name      //=> "random"
    /// ```
    #[rhai_fn(return_raw)]
    pub fn random_secret(ctx: NativeCallContext, length: i64) -> ScriptResult<Secret> {
        let length = usize::try_from(length).ok().filter(|length| (1..=4096).contains(length));
        let length = length
            .ok_or_else(|| Error::playbook("a random secret has 1 to 4096 characters"))
            .or_raise(&ctx)?;
        let text =
            random_text(length).map_err(|error| Error::bug(error.to_string())).or_raise(&ctx)?;
        Ok(Secret::text("random", &text))
    }

    /// The name of the secret.
    #[rhai_fn(get = "name", pure)]
    pub fn secret_name(secret: &mut Secret) -> String {
        secret.name().to_owned()
    }

    /// Prints `<secret:name>`.
    #[rhai_fn(name = "print", pure)]
    pub fn print_secret(secret: &mut Secret) -> String {
        secret.to_string()
    }

    /// Prints `<secret:name>`.
    #[rhai_fn(name = "debug", name = "to_debug", pure)]
    pub fn debug_secret(secret: &mut Secret) -> String {
        secret.to_string()
    }

    /// An error: a secret does not become text. This is what `${secret}` in a text comes to.
    #[rhai_fn(name = "to_string", pure)]
    pub fn secret_to_string(ctx: NativeCallContext, secret: &mut Secret) -> String {
        // Rhai drops an error of this function when it builds a text, so it is noted and raised right after.
        note_leak(
            mixed_into_text(secret)
                .at(site(ctx.call_source().unwrap_or_default(), ctx.call_position())),
        );
        secret.to_string()
    }

    /// The text and the secret as one secret, which can go wherever a secret can.
    ///
    /// ```rhai
    /// ("token=" + vault("k3s_token") + "\n").name      //=> "k3s_token"
    /// ```
    #[rhai_fn(name = "+", return_raw)]
    pub fn text_plus_secret(
        ctx: NativeCallContext,
        text: &str,
        secret: Secret,
    ) -> ScriptResult<Secret> {
        put_together(&open_text(text), &secret).or_raise(&ctx)
    }

    /// The secret and the text as one secret.
    #[rhai_fn(name = "+", return_raw)]
    pub fn secret_plus_text(
        ctx: NativeCallContext,
        secret: Secret,
        text: &str,
    ) -> ScriptResult<Secret> {
        put_together(&secret, &open_text(text)).or_raise(&ctx)
    }

    /// Both secrets as one.
    #[rhai_fn(name = "+", return_raw)]
    pub fn secret_plus_secret(
        ctx: NativeCallContext,
        left: Secret,
        right: Secret,
    ) -> ScriptResult<Secret> {
        put_together(&left, &right).or_raise(&ctx)
    }

    /// An error: what holds a text cannot turn into a secret. Write `text = text + secret`.
    #[rhai_fn(name = "+=", return_raw)]
    pub fn text_append_secret(
        ctx: NativeCallContext,
        text: &mut ImmutableString,
        secret: Secret,
    ) -> ScriptResult<()> {
        let _ = text;
        Err(raise(
            &ctx,
            mixed_into_text(&secret).hint("Write `text = text + secret`, which makes it a secret."),
        ))
    }

    /// The secret in base64, which is a secret too.
    ///
    /// ```rhai
    /// b64encode(vault("k3s_token")).name      //=> "k3s_token"
    /// ```
    #[rhai_fn(name = "b64encode")]
    pub fn secret_in_base64(secret: Secret) -> Secret {
        secret.with_text(&Zeroizing::new(STANDARD.encode(secret.expose_bytes())))
    }

    /// Whether both hold the same content.
    #[rhai_fn(name = "==")]
    pub fn same(left: Secret, right: Secret) -> bool {
        left.expose_bytes() == right.expose_bytes()
    }

    /// Whether they hold different contents.
    #[rhai_fn(name = "!=")]
    pub fn different(left: Secret, right: Secret) -> bool {
        left.expose_bytes() != right.expose_bytes()
    }
}
