//! Which packages an upgrade brings, takes away, and changes.

use std::collections::{BTreeMap, BTreeSet};

use super::UpdateImage;
use crate::error::Result;
use crate::remote::Query;
use crate::state::{Aspect, Node};

/// What the image changes on this node, by the package database of the system that runs: lines `-name version` and
/// `+name version`. `None` when all stay.
///
/// # Errors
/// When the node cannot be asked.
pub fn differences(node: &Node, image: &UpdateImage) -> Result<Option<Aspect>> {
    let script = "awk -F: '$1 == \"P\" { p = $2 } $1 == \"V\" { print p, substr($0, 3) }' /lib/apk/db/installed";
    let output = node.remote().query(&Query { script: script.into(), ..Query::default() })?;
    let text = String::from_utf8_lossy(&output.stdout);
    let installed: BTreeMap<&str, &str> =
        text.lines().filter_map(|line| line.split_once(' ')).collect();
    let text = lines(&installed, &image.packages);
    Ok((!text.is_empty()).then_some(Aspect::Patch { text }))
}

fn lines(before: &BTreeMap<&str, &str>, after: &BTreeMap<String, String>) -> String {
    let names: BTreeSet<&str> =
        before.keys().copied().chain(after.keys().map(String::as_str)).collect();
    let mut text = String::new();
    for name in names {
        let (before, after) = (before.get(name).copied(), after.get(name).map(String::as_str));
        if before == after {
            continue;
        }
        for (sign, version) in [('-', before), ('+', after)] {
            if let Some(version) = version {
                text += &format!("{sign}{name} {version}\n");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_what_comes_goes_and_changes() {
        let before = BTreeMap::from([("busybox", "1.37.0-r12"), ("htop", "3.4-r0"), ("musl", "1")]);
        let after = [("busybox", "1.37.0-r13"), ("k3s", "1.34.2-r0"), ("musl", "1")];
        let after = after.map(|(name, version)| (name.to_owned(), version.to_owned())).into();
        insta::assert_snapshot!(lines(&before, &after), @r"
        -busybox 1.37.0-r12
        +busybox 1.37.0-r13
        -htop 3.4-r0
        +k3s 1.34.2-r0
        ");
    }
}
