use std::collections::BTreeMap;
use std::path::Path;

use clap::Args;

use super::context::Context;
use super::git;
use crate::error::Result;
use crate::vault::{self, Vault};

/// Shows which secrets differ from another version of the vault. Shows no values, and needs no password.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The other version: a git revision, or another file.
    #[arg(default_value = "HEAD")]
    old: String,
}

pub fn run(args: DiffArgs, context: &Context<'_>) -> Result<()> {
    let (old, new) = (other(&args.old, context)?, context.sealed()?);
    let lines = differences(&old, &new);
    if lines.is_empty() {
        context.ui.note("no differences");
    }
    for line in &lines {
        context.ui.out(line);
    }
    if was_rotated(&old, &new) {
        context.ui.note(
            "every secret is sealed anew: the vault key was rotated, or this is another vault",
        );
    }
    Ok(())
}

fn other(old: &str, context: &Context<'_>) -> Result<Vault> {
    let path = Path::new(old);
    if path.exists() {
        return vault::read(path).map_err(|error| error.in_file(path));
    }
    let content = git::content(&context.path, old)?;
    let shown = format!("{old}:{}", context.path.display());
    Vault::parse(&content).map_err(|error| error.in_file(Path::new(&shown)))
}

/// One line a slot or secret that is not the same, in the order of the file.
fn differences(old: &Vault, new: &Vault) -> Vec<String> {
    let slots = |vault: &Vault| -> BTreeMap<String, Vec<u8>> {
        let entry =
            |slot: &vault::Slot| (format!("slot {}", slot.label()), slot.print().into_bytes());
        vault.slots().iter().map(entry).collect()
    };
    let secrets = |vault: &Vault| -> BTreeMap<String, Vec<u8>> {
        let entry = |(name, sealed): (&str, &[u8])| (format!("secret {name}"), sealed.to_vec());
        vault.sealed_values().map(entry).collect()
    };
    let mut lines = compared(&slots(old), &slots(new));
    lines.extend(compared(&secrets(old), &secrets(new)));
    lines
}

fn compared(old: &BTreeMap<String, Vec<u8>>, new: &BTreeMap<String, Vec<u8>>) -> Vec<String> {
    let names: std::collections::BTreeSet<_> = old.keys().chain(new.keys()).collect();
    names
        .into_iter()
        .filter_map(|name| match (old.get(name), new.get(name)) {
            (None, _) => Some(format!("+ {name}")),
            (_, None) => Some(format!("- {name}")),
            (old, new) if old != new => Some(format!("~ {name}")),
            _ => None,
        })
        .collect()
}

fn was_rotated(old: &Vault, new: &Vault) -> bool {
    let old: BTreeMap<_, _> = old.sealed_values().collect();
    let common: Vec<_> = new.sealed_values().filter(|(name, _)| old.contains_key(name)).collect();
    common.len() > 1 && common.iter().all(|(name, sealed)| old[name] != *sealed)
}
