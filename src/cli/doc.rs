//! `pirun doc`: the manual of every word that a playbook can use.

use std::path::PathBuf;

use clap::Args;

use crate::error::Result;
use crate::script::docs::Manual;
use crate::ui::Ui;

/// Explains the functions, verbs and properties of playbooks.
///
/// Without a name it lists them all by topic.
#[derive(Debug, Args)]
pub struct DocArgs {
    /// What to explain: `on`, `host.file`, `k3s::config`, `k3s`.
    name: Option<String>,

    /// Writes definitions for editors into this directory.
    #[arg(long, value_name = "DIR", conflicts_with = "name")]
    definitions: Option<PathBuf>,
}

/// Runs `pirun doc`.
pub fn run(args: &DocArgs, ui: &Ui) -> Result<()> {
    let manual = Manual::new()?;
    match (&args.definitions, &args.name) {
        (Some(dir), _) => {
            let count = manual.write_definitions(dir)?;
            ui.out(&format!("{count} files in {}", dir.display()));
        }
        (None, Some(name)) => ui.out(manual.page(name)?.trim_end()),
        (None, None) => ui.out(manual.contents().trim_end()),
    }
    Ok(())
}
