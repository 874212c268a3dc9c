//! The inventory for people: tables and a tree.

use std::fmt::Write;
use std::sync::Arc;

use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};
use crate::inventory::{Explained, Host, Inventory, Origin};
use crate::suggest::did_you_mean;

/// Columns wider than this do not push the next ones further out.
const WIDEST: usize = 48;
const SEALED: &str = "(encrypted with ansible-vault)";

/// One line a host: name, address, user, groups.
pub(super) fn list(hosts: &[Arc<Host>]) -> String {
    let heading = ["host", "address", "user", "groups"].map(str::to_owned).to_vec();
    let row = |host: &Arc<Host>| {
        let groups = host.groups.join(", ");
        vec![host.name.clone(), address(host), host.user.clone(), groups]
    };
    let rows: Vec<Vec<String>> = [heading].into_iter().chain(hosts.iter().map(row)).collect();
    table(&rows, "")
}

/// `192.168.1.40`, `rpi40.lan:2222`, `[fd00::40]:2222`.
fn address(host: &Host) -> String {
    match host.port {
        Some(port) if host.address.contains(':') => format!("[{}]:{port}", host.address),
        Some(port) => format!("{}:{port}", host.address),
        None => host.address.clone(),
    }
}

/// How a host is reached, and its variables.
pub(super) fn host(host: &Host) -> String {
    let port = host.port.map_or_else(|| "as ssh decides".to_owned(), |port| port.to_string());
    let connection = [
        ("address", host.address.clone()),
        ("port", port),
        ("user", host.user.clone()),
        ("groups", host.groups.join(", ")),
    ];
    let pair = |(name, value): (&str, String)| vec![name.to_owned(), value];
    let connection: Vec<_> = connection.into_iter().map(pair).collect();
    let plain = host.vars.iter().map(|(name, value)| vec![name.clone(), value.to_string()]);
    let sealed = host.sealed.keys().map(|name| vec![name.clone(), SEALED.to_owned()]);
    let variables: Vec<_> = plain.chain(sealed).collect();
    let mut text = format!("{}\n{}", host.name, table(&connection, "  "));
    if !variables.is_empty() {
        text += &format!("\n\n{}", table(&variables, "  "));
    }
    text
}

/// For each variable of each host: the value, file and line that won, then those that lost.
pub(super) fn explain(inventory: &Inventory, hosts: &[Arc<Host>]) -> String {
    let explained = hosts.iter().map(|host| {
        let rows: Vec<_> = inventory.explain(host).iter().flat_map(definitions).collect();
        match rows.is_empty() {
            true => format!("{}\n  no variables", host.name),
            false => format!("{}\n{}", host.name, table(&rows, "  ")),
        }
    });
    explained.collect::<Vec<_>>().join("\n\n")
}

fn definitions(variable: &Explained) -> Vec<Vec<String>> {
    let row = |name: &str, value: &Value, sealed: bool, origin: &Origin, remark: &str| {
        let value = if sealed { SEALED.to_owned() } else { value.to_string() };
        vec![name.to_owned(), value, place(origin), origin.level.to_string(), remark.to_owned()]
    };
    let winner = row(&variable.name, &variable.value, variable.sealed, &variable.origin, "");
    let lost = variable
        .overridden
        .iter()
        .map(|lost| row("", &lost.value, lost.sealed, &lost.origin, "overridden"));
    [winner].into_iter().chain(lost).collect()
}

fn place(origin: &Origin) -> String {
    match &*origin.file {
        "-e" => "-e".into(),
        file => format!("{file}:{}", origin.line),
    }
}

/// Groups and hosts as `ansible-inventory --graph` draws them, in the inventory's order.
pub(super) fn graph(inventory: &Inventory, group: &str) -> Result<String> {
    if inventory.group(group).is_none() {
        let message = format!("there is no group `{group}` in {}", inventory.file());
        let error = Error::new(ErrorKind::Inventory, message);
        let names = inventory.groups().iter().map(|group| group.name.as_str());
        return Err(match did_you_mean(group, names) {
            Some(hint) => error.hint(hint),
            None => error.hint("`--graph` starts at a group; without a name it starts at `all`."),
        });
    }
    let mut text = String::new();
    draw(inventory, group, 0, &mut text);
    Ok(text.trim_end().to_owned())
}

fn draw(inventory: &Inventory, name: &str, depth: usize, text: &mut String) {
    let Some(group) = inventory.group(name) else { return };
    branch(&format!("@{name}:"), depth, text);
    for child in &group.children {
        draw(inventory, child, depth + 1, text);
    }
    // Hosts that stand in `all` itself are shown below `ungrouped` or their own group.
    if name != "all" {
        for host in &group.own_hosts {
            branch(host, depth + 1, text);
        }
    }
}

fn branch(name: &str, depth: usize, text: &mut String) {
    let lines = "  |".repeat(depth);
    let dashes = if depth > 0 { "--" } else { "" };
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{lines}{dashes}{name}");
}

/// Rows with aligned columns, each line after `indent`, without spaces at line ends.
fn table(rows: &[Vec<String>], indent: &str) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |text: &String| unicode_width::UnicodeWidthStr::width(text.as_str());
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column)).map(width);
            cells.filter(|width| *width <= WIDEST).max().unwrap_or_default()
        })
        .collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, &column)| {
            let padding = column.saturating_sub(width(cell));
            format!("{cell}{}", " ".repeat(padding))
        });
        format!("{indent}{}", cells.collect::<Vec<_>>().join("  ")).trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}
