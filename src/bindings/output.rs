//! Telling the user something, and asking.

use rhai::plugin::*;
use rhai::{Array, Map, Module};

use super::Topic;
use crate::error::{Error, Result};
use crate::script::context::context;
use crate::script::convert::{OrRaise, ScriptResult};
use crate::script::host::HostHandle;
use crate::script::options::describe;
use crate::script::results::Results;
use crate::ui::Event;

pub const TOPIC: Topic = Topic {
    name: "output",
    about: "Telling the user something, and asking. `print(value)` is Rhai's own.",
    module,
    options: &[],
};

fn module() -> Module {
    exported_module!(api)
}

/// Rows with the columns' values as text.
fn rows(results: &Dynamic, columns: &[String]) -> Result<Vec<Vec<String>>> {
    if let Some(results) = results.read_lock::<Results>() {
        return Ok(results
            .0
            .iter()
            .map(|row| {
                let name = std::iter::once(row.host.name().to_owned());
                match &row.outcome {
                    Ok(value) => name.chain(cells(value, columns)).collect(),
                    Err(error) => name.chain([error.message().to_owned()]).collect(),
                }
            })
            .collect());
    }
    match results.read_lock::<Array>() {
        Some(items) => Ok(items.iter().map(|item| cells(item, columns)).collect()),
        None => Err(Error::playbook(format!(
            "`table` shows the results of `on` or an array of maps, not {}",
            describe(results)
        ))),
    }
}

fn cells(value: &Dynamic, columns: &[String]) -> Vec<String> {
    let Some(map) = value.read_lock::<Map>() else { return vec![value.to_string()] };
    let cell = |column: &String| match map.get(column.as_str()) {
        None => "-".to_owned(),
        Some(value) if value.is_unit() => "-".to_owned(),
        Some(value) if value.is_float() => format!("{:.1}", value.as_float().unwrap_or_default()),
        Some(value) => value.to_string(),
    };
    columns.iter().map(cell).collect()
}

/// Columns padded to their widest cell.
fn align(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        // The error of a host that failed stands behind its name, over all columns.
        let whole = |row: &&Vec<String>| row.len() == columns || column == 0;
        let cells = rows.iter().filter(whole).filter_map(|row| row.get(column));
        cells
            .map(|cell| unicode_width::UnicodeWidthStr::width(cell.as_str()))
            .max()
            .unwrap_or_default()
    };
    let widths: Vec<_> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| {
            let gap = width.saturating_sub(unicode_width::UnicodeWidthStr::width(cell.as_str()));
            format!("{cell}{}", " ".repeat(gap))
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[export_module]
#[allow(clippy::needless_pass_by_value, reason = "Rhai's calling convention")]
pub mod api {
    /// A remark for the log file, shown with `-v`.
    ///
    /// ```rhai
    /// log("looked at everything");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn log(ctx: NativeCallContext, text: Dynamic) -> ScriptResult<()> {
        context(&ctx).or_raise(&ctx)?.remark(text.to_string());
        Ok(())
    }

    /// A warning that belongs to no host.
    ///
    /// ```rhai
    /// warn("the card is getting old");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn warn(ctx: NativeCallContext, text: &str) -> ScriptResult<()> {
        let run = context(&ctx).or_raise(&ctx)?;
        run.tell(Event::Warning {
            host: crate::script::context::current_host(),
            text: text.to_owned(),
        });
        Ok(())
    }

    /// A warning about a host.
    ///
    /// ```rhai
    /// warn(host("rpi41"), "72 °C");
    /// ```
    #[rhai_fn(name = "warn")]
    pub fn warn_host(host: HostHandle, text: &str) {
        let name = host.name().to_owned();
        host.run().tell(Event::Warning { host: Some(name), text: text.to_owned() });
    }

    /// Asks a question that is answered with yes or no. `--yes` answers yes; without a terminal it is an error.
    ///
    /// ```rhai,parse
    /// if !confirm("Write /dev/sdc?") { fail("stopped"); }
    /// ```
    #[rhai_fn(return_raw)]
    pub fn confirm(ctx: NativeCallContext, question: &str) -> ScriptResult<bool> {
        let run = context(&ctx).or_raise(&ctx)?;
        run.ui().confirm(question).or_raise(&ctx)
    }

    /// The results of `on`, or an array of maps, as a table with these columns.
    ///
    /// ```rhai
    /// table([#{ name: "sda", free: 12 }, #{ name: "mmcblk0", free: 7 }], ["name", "free"])
    ///     //=> "name     free\nsda      12\nmmcblk0  7"
    /// ```
    #[rhai_fn(return_raw)]
    pub fn table(ctx: NativeCallContext, results: Dynamic, columns: Array) -> ScriptResult<String> {
        let columns: Vec<_> = columns.iter().map(ToString::to_string).collect();
        let mut head = columns.clone();
        if results.is::<Results>() {
            head.insert(0, "host".to_owned());
        }
        let mut lines = vec![head];
        lines.extend(rows(&results, &columns).or_raise(&ctx)?);
        Ok(align(&lines))
    }
}
