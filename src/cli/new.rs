//! `pirun new`: a playbook to start from.

use std::io::{ErrorKind, Write};
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
    let mut file = std::fs::File::create_new(&path).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => Error::usage(format!("{} is there already", path.display()))
            .hint("Choose another name, or remove the file."),
        _ => Error::io(&path, &error),
    })?;
    file.write_all(STARTER.as_bytes()).map_err(|error| Error::io(&path, &error))?;
    ui.out(&format!(
        "{} is there. See what it would do: pirun {name}.rhai --dry-run",
        path.display()
    ));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::context::Places;
    use crate::script::engine::{bare, parse};
    use crate::script::lint::{Known, lint};
    use crate::script::resolver::Resolver;

    #[test]
    fn the_starter_has_nothing_to_complain_about() {
        let resolver = || Resolver::new(Path::new("new.rhai"), Path::new("."));
        let engine = bare(resolver());
        let playbook = parse(&engine, STARTER.to_owned(), "new.rhai").unwrap();
        let (resolver, places) = (resolver(), Places::default());
        let known = Known { engine: &engine, resolver: &resolver, places: &places, secrets: None };
        let found: Vec<_> =
            lint(&playbook, &known).into_iter().map(|finding| finding.message).collect();
        assert!(found.is_empty(), "{found:?}");
    }
}
