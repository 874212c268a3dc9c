//! Finding hosts, working on many at once, and what comes of it.

use rhai::plugin::*;
use rhai::{Array, FnPtr, Map, Module};

use super::Topic;
use crate::script::fan_out::OnOptions;
use crate::script::host::HostHandle;
use crate::script::options::Options;
use crate::script::results::{Results, Row};

pub const TOPIC: Topic = Topic {
    name: "hosts",
    about: "Finding hosts, working on many at once, and what comes of it.",
    module,
    options: &[OnOptions::LIST],
};

fn module() -> Module {
    let mut module = exported_module!(api);
    module
        .set_custom_type::<HostHandle>("Host")
        .set_custom_type::<Results>("Results")
        .set_custom_type::<Row>("Row")
        .set_iterable::<Results>();
    module
}

#[export_module]
#[allow(
    clippy::needless_pass_by_value,
    clippy::trivially_copy_pass_by_ref,
    reason = "Rhai's calling convention"
)]
pub mod api {
    use crate::error::Error;
    use crate::script::context::context;
    use crate::script::convert::{OrRaise, ScriptResult};
    use crate::script::{fan_out, options, values};

    /// The hosts of the inventory that `pattern` names, in file order.
    ///
    /// The pattern is a group, a host or more: `"agent"`, `"server:agent"`, `"all:!rpi40"`, `"rpi4*"`. `--limit`
    /// does not cut the list; only `on` applies it.
    ///
    /// ```rhai
    /// hosts("agent").len()    //=> 2
    /// ```
    #[rhai_fn(return_raw)]
    pub fn hosts(ctx: NativeCallContext, pattern: &str) -> ScriptResult<Array> {
        let run = context(&ctx).or_raise(&ctx)?;
        let hosts = run.hosts().select(pattern).or_raise(&ctx)?;
        Ok(hosts.iter().map(|host| Dynamic::from(HostHandle::new(&run, host))).collect())
    }

    /// The one host that `pattern` names; an error if it names more.
    ///
    /// ```rhai
    /// host("server").name     //=> "rpi40"
    /// ```
    #[rhai_fn(return_raw)]
    pub fn host(ctx: NativeCallContext, pattern: &str) -> ScriptResult<HostHandle> {
        let run = context(&ctx).or_raise(&ctx)?;
        let hosts = run.hosts().select(pattern).or_raise(&ctx)?;
        match hosts.as_slice() {
            [host] => Ok(HostHandle::new(&run, host)),
            many => {
                let names: Vec<_> = many.iter().map(|host| host.name.as_str()).collect();
                Err(Error::playbook(format!(
                    "`{pattern}` names {} hosts: {}",
                    many.len(),
                    names.join(", ")
                ))
                .hint("Use `hosts(…)` for more than one, or a pattern such as \"server[0]\"."))
                .or_raise(&ctx)
            }
        }
    }

    /// Runs `closure` for each host, many at a time, and returns one row a host.
    ///
    /// A host that fails or cannot be reached does not stop the others; it sits out later `on` calls. What the
    /// closure captures is copied for each host.
    ///
    /// ```rhai
    /// let seen = on(hosts("agent"), |host| host.name);
    /// seen["rpi41"].value     //=> "rpi41"
    /// ```
    #[rhai_fn(return_raw)]
    pub fn on(ctx: NativeCallContext, hosts: Dynamic, closure: FnPtr) -> ScriptResult<Results> {
        fan_out::on(&ctx, &hosts, &OnOptions::default(), &closure).or_raise(&ctx)
    }

    /// Runs `closure` for each host, as the options say.
    ///
    /// ```rhai
    /// on(hosts("agent"), #{ serial: 1, max_fail: 0 }, |host| host.name);
    /// ```
    #[rhai_fn(name = "on", return_raw)]
    pub fn on_with(
        ctx: NativeCallContext,
        hosts: Dynamic,
        options: Map,
        closure: FnPtr,
    ) -> ScriptResult<Results> {
        let options: OnOptions = options::read(options).or_raise(&ctx)?;
        fan_out::on(&ctx, &hosts, &options, &closure).or_raise(&ctx)
    }

    /// The name in the inventory, which is also the node's host name.
    #[rhai_fn(get = "name", pure)]
    pub fn name(host: &mut HostHandle) -> String {
        host.name().to_owned()
    }

    /// What pirun connects to: a name or an IP address.
    #[rhai_fn(get = "address", pure)]
    pub fn address(host: &mut HostHandle) -> String {
        host.host().address.clone()
    }

    /// The names of the groups that contain the host.
    ///
    /// ```rhai
    /// "agent" in host("rpi41").groups     //=> true
    /// ```
    #[rhai_fn(get = "groups", pure)]
    pub fn groups(host: &mut HostHandle) -> Array {
        host.host().groups.iter().map(|group| group.as_str().into()).collect()
    }

    /// All variables that the inventory has for the host, as a map.
    #[rhai_fn(get = "vars", pure)]
    pub fn vars(host: &mut HostHandle) -> Map {
        let vars = &host.host().vars;
        vars.iter().map(|(name, value)| (name.as_str().into(), values::from_json(value))).collect()
    }

    /// A variable of the host; an error if the inventory has none of that name.
    #[rhai_fn(name = "get", pure, return_raw)]
    pub fn get(
        ctx: NativeCallContext,
        host: &mut HostHandle,
        variable: &str,
    ) -> ScriptResult<Dynamic> {
        let vars = &host.host().vars;
        vars.get(variable).map(values::from_json).ok_or_else(|| {
            let error = Error::playbook(format!("{host} has no variable `{variable}`"));
            let names = vars.keys().map(String::as_str);
            let error = match crate::suggest::did_you_mean(variable, names) {
                Some(hint) => error.hint(hint),
                None => error.hint(format!(
                    "Set it in the inventory, or give a fallback: `host.get(\"{variable}\", ())`."
                )),
            };
            host.raise(&ctx, error)
        })
    }

    /// A variable of the host, or `fallback` if the inventory has none of that name.
    ///
    /// ```rhai
    /// host.get("labels", #{})     //=> #{}
    /// ```
    #[rhai_fn(name = "get", pure)]
    pub fn get_or(host: &mut HostHandle, variable: &str, fallback: Dynamic) -> Dynamic {
        host.host().vars.get(variable).map_or(fallback, values::from_json)
    }

    /// The host's name.
    #[rhai_fn(name = "to_string", pure)]
    pub fn host_to_string(host: &mut HostHandle) -> String {
        host.name().to_owned()
    }

    /// The host's name, for `debug`.
    #[rhai_fn(name = "to_debug", pure)]
    pub fn host_to_debug(host: &mut HostHandle) -> String {
        host.name().to_owned()
    }

    /// Whether both are the same host.
    #[rhai_fn(name = "==")]
    pub fn same(left: HostHandle, right: HostHandle) -> bool {
        left.name() == right.name()
    }

    /// Whether they are different hosts.
    #[rhai_fn(name = "!=")]
    pub fn different(left: HostHandle, right: HostHandle) -> bool {
        left.name() != right.name()
    }

    /// Whether every host did its part.
    #[rhai_fn(pure)]
    pub fn all_ok(results: &mut Results) -> bool {
        results.0.iter().all(|row| row.outcome.is_ok())
    }

    /// The number of rows.
    #[rhai_fn(pure)]
    pub fn len(results: &mut Results) -> i64 {
        i64::try_from(results.0.len()).unwrap_or(i64::MAX)
    }

    /// The hosts that failed.
    #[rhai_fn(get = "failed", pure)]
    pub fn failed(results: &mut Results) -> Array {
        let rows = results.0.iter().filter(|row| row.outcome.is_err());
        rows.map(|row| Dynamic::from(row.host.clone())).collect()
    }

    /// The hosts on which something changed, or would.
    #[rhai_fn(get = "changed", pure)]
    pub fn changed(results: &mut Results) -> Array {
        let rows = results.0.iter().filter(|row| row.changed);
        rows.map(|row| Dynamic::from(row.host.clone())).collect()
    }

    /// The row of a host.
    #[rhai_fn(index_get, pure, return_raw)]
    pub fn row(ctx: NativeCallContext, results: &mut Results, host: &str) -> ScriptResult<Row> {
        results.named(host).cloned().ok_or_else(|| {
            let names: Vec<_> = results.0.iter().map(|row| row.host.name()).collect();
            let error = Error::playbook(format!("there is no row for `{host}`"));
            let error = error.hint(format!("There are rows for {}.", names.join(", ")));
            crate::script::convert::raise(&ctx, error)
        })
    }

    /// The host of this row.
    #[rhai_fn(get = "host", pure)]
    pub fn row_host(row: &mut Row) -> HostHandle {
        row.host.clone()
    }

    /// Whether the host did its part.
    #[rhai_fn(get = "ok", pure)]
    pub fn row_ok(row: &mut Row) -> bool {
        row.outcome.is_ok()
    }

    /// Whether a verb changed something on the host, or would.
    #[rhai_fn(get = "changed", pure)]
    pub fn row_changed(row: &mut Row) -> bool {
        row.changed
    }

    /// What the closure returned; `()` if the host failed.
    #[rhai_fn(get = "value", pure)]
    pub fn row_value(row: &mut Row) -> Dynamic {
        row.outcome.clone().unwrap_or_default()
    }

    /// The error of a host that failed, else `()`.
    #[rhai_fn(get = "error", pure)]
    pub fn row_error(row: &mut Row) -> Dynamic {
        row.outcome.as_ref().err().cloned().map_or(Dynamic::UNIT, Dynamic::from)
    }

    /// The row in one line.
    #[rhai_fn(name = "to_string", pure)]
    pub fn row_to_string(row: &mut Row) -> String {
        match &row.outcome {
            Ok(value) => format!("{}: {value}", row.host),
            Err(error) => format!("{}: failed: {error}", row.host),
        }
    }
}
