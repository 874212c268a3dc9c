use std::fs;
use std::path::Path;

use clap::Args;

use super::context::Context;
use super::git::{self, DRIVER};
use crate::error::{Error, Result};

/// Teaches this clone of the repository to show and merge the vault secret by secret.
///
/// Writes `.gitattributes` (to be committed) and this clone's configuration (each clone needs it once). `git diff` then
/// shows which secrets changed, and `git merge` asks for the vault's password.
#[derive(Debug, Args)]
pub struct GitSetupArgs {}

pub fn run(_: GitSetupArgs, context: &Context<'_>) -> Result<()> {
    let path = &context.path;
    context.sealed()?;
    for (key, value) in [
        (format!("diff.{DRIVER}.textconv"), "pirun vault textconv"),
        (format!("merge.{DRIVER}.name"), "pirun vault, secret by secret"),
        (format!("merge.{DRIVER}.driver"), "pirun vault merge %O %A %B"),
    ] {
        git::read(path, &["config", "--local", &key, value])?;
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let attributes = path.with_file_name(".gitattributes");
    // `-text`: a vault whose line ends were changed does not open.
    let line = format!("{name} -text diff={DRIVER} merge={DRIVER}");
    match add_line(&attributes, &line)? {
        true => context.ui.note(&format!("added `{line}` to {}: commit it", attributes.display())),
        false => context.ui.note(&format!("{} is set up already", attributes.display())),
    }
    context.ui.note("this clone's git now shows and merges the vault secret by secret");
    Ok(())
}

fn add_line(path: &Path, line: &str) -> Result<bool> {
    let before = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(Error::io(path, &error)),
    };
    if before.lines().any(|known| known == line) {
        return Ok(false);
    }
    let gap = if before.is_empty() || before.ends_with('\n') { "" } else { "\n" };
    fs::write(path, format!("{before}{gap}{line}\n")).map_err(|error| Error::io(path, &error))?;
    Ok(true)
}
