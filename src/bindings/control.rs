//! Errors as values: catching them, looking into them, raising them.

use rhai::plugin::*;
use rhai::{FnPtr, Map, Module};

use super::Topic;
use crate::error::Error;

pub const TOPIC: Topic = Topic {
    name: "errors",
    about: "Errors as values: catching them, looking into them, raising them.",
    module,
    options: &[],
};

fn module() -> Module {
    let mut module = exported_module!(api);
    module.set_custom_type::<Error>("Error");
    module
}

#[export_module]
#[allow(clippy::needless_pass_by_value, reason = "Rhai's calling convention")]
pub mod api {
    use crate::script::call::call;
    use crate::script::convert::{ScriptResult, from_caught, from_script, raise};

    /// Ends this host's part (outside of `on`: the run) with an error.
    ///
    /// ```rhai
    /// attempt(|| fail("the disk is full")).error.message     //=> "the disk is full"
    /// ```
    #[rhai_fn(return_raw)]
    pub fn fail(ctx: NativeCallContext, text: &str) -> ScriptResult<()> {
        Err(raise(&ctx, Error::playbook(text)))
    }

    /// Ends this host's part (outside of `on`: the run) with an error that says what to try.
    ///
    /// ```rhai
    /// attempt(|| fail("no card named", "Try `pirun devices`.")).error.hint   //=> "Try `pirun devices`."
    /// ```
    #[rhai_fn(name = "fail", return_raw)]
    pub fn fail_with(ctx: NativeCallContext, text: &str, hint: &str) -> ScriptResult<()> {
        Err(raise(&ctx, Error::playbook(text).hint(hint)))
    }

    /// Calls `closure` and returns `#{ ok, value, error }` instead of failing. Rhai's `try` is a statement; this is
    /// its form as an expression.
    ///
    /// ```rhai
    /// attempt(|| host("server").query("missing")).ok     //=> false
    /// attempt(|| 1 + 1).value                             //=> 2
    /// ```
    #[rhai_fn(return_raw)]
    pub fn attempt(ctx: NativeCallContext, closure: FnPtr) -> ScriptResult<Map> {
        let (value, error) = match call(&ctx, &closure, ()) {
            Ok(value) => (value, Dynamic::UNIT),
            Err(error) if !error.is_catchable() => return Err(error),
            Err(error) => {
                let error = from_script(ctx.engine(), ctx.call_source(), &error);
                (Dynamic::UNIT, Dynamic::from(error))
            }
        };
        let ok = error.is_unit();
        Ok(Map::from([("ok".into(), ok.into()), ("value".into(), value), ("error".into(), error)]))
    }

    /// Whatever `catch (e)` got, as an `Error` with `.kind .message .hint .host .code .stderr`.
    ///
    /// pirun's own errors are that already; Rhai's are maps, and `throw "text"` gives a string.
    ///
    /// ```rhai
    /// let message = "";
    /// try { [1, 2][7] } catch (e) { message = error(e).message; }
    /// message     //=> "array index 7 out of bounds: only 2 elements in array"
    /// ```
    pub fn error(caught: Dynamic) -> Error {
        from_caught(&caught)
    }

    /// What kind of error it is: `"command"`, `"connect"`, `"file"`, `"playbook"`, `"template"`, `"timeout"`, `"vault"`, …
    #[rhai_fn(get = "kind", pure)]
    pub fn kind(error: &mut Error) -> String {
        error.kind().name().to_owned()
    }

    /// What went wrong.
    #[rhai_fn(get = "message", pure)]
    pub fn message(error: &mut Error) -> String {
        error.message().to_owned()
    }

    /// What to try; empty if nothing is known.
    #[rhai_fn(get = "hint", pure)]
    pub fn hint(error: &mut Error) -> String {
        error.hints().join(" ")
    }

    /// The name of the host it happened on; empty if it happened here.
    #[rhai_fn(get = "host", pure)]
    pub fn error_host(error: &mut Error) -> String {
        error.host().unwrap_or_default().to_owned()
    }

    /// The exit code of the command that failed; `()` if no command failed.
    #[rhai_fn(get = "code", pure)]
    pub fn error_code(error: &mut Error) -> Dynamic {
        error.code().map_or(Dynamic::UNIT, |code| i64::from(code).into())
    }

    /// The last lines of what the failed command said; empty if no command failed.
    #[rhai_fn(get = "stderr", pure)]
    pub fn error_stderr(error: &mut Error) -> String {
        error.explanation().unwrap_or_default().to_owned()
    }

    /// The message.
    #[rhai_fn(name = "to_string", pure)]
    pub fn error_to_string(error: &mut Error) -> String {
        error.message().to_owned()
    }
}
