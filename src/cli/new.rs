//! `pirun new`: a playbook to start from.

use std::io::Write;
use std::path::Path;

use clap::Args;

use crate::error::{Error, Result};
use crate::ui::Ui;

/// What a new playbook looks like.
const STARTER: &str = include_str!("new.rhai");

/// Writes a commented playbook to start from, into `playbooks/` if there is such a directory.
#[derive(Debug, Args)]
pub struct NewArgs {
    /// Its name, such as `add_user`.
    name: String,
}

/// Runs `pirun new`.
pub fn run(args: &NewArgs, ui: &Ui) -> Result<()> {
    let name = args.name.strip_suffix(".rhai").unwrap_or(&args.name);
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-' || c == '/';
    if name.is_empty() || name.contains("..") || !name.chars().all(plain) {
        return Err(Error::usage(format!("`{}` is no good name for a playbook", args.name))
            .hint("Names are letters, digits, `_` and `-`."));
    }
    let dir = Path::new(if Path::new("playbooks").is_dir() && !name.contains('/') {
        "playbooks"
    } else {
        ""
    });
    let path = dir.join(format!("{name}.rhai"));
    let mut file = std::fs::File::create_new(&path).map_err(|error| Error::io(&path, &error))?;
    file.write_all(STARTER.as_bytes()).map_err(|error| Error::io(&path, &error))?;
    ui.out(&format!(
        "{} is there. See what it would do: pirun {name}.rhai --dry-run\n",
        path.display()
    ));
    Ok(())
}
