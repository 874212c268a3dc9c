//! The files of an inventory: where `inventory.yaml` is found, and which variables files lie beside it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::mark::wrong;
use super::vars::{self, Var};
use super::warning::Warning;
use super::yaml;
use crate::error::{Error, Result};

/// Names that are looked for, in this order.
const NAMES: [&str; 2] = ["inventory.yaml", "inventory.yml"];
/// Endings of variables files, in Ansible's order; the first file of a name is the one that counts.
const EXTENSIONS: [&str; 4] = ["", "yml", "yaml", "json"];
/// Directories within `group_vars/NAME/`; deeper ones can only be a loop of links.
const MAX_NESTING: usize = 8;
/// What a file starts with when ansible-vault encrypted the whole of it.
const VAULT_HEADER: &[u8] = b"$ANSIBLE_VAULT;";

/// A file, and what to call it when talking to the user.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    pub path: PathBuf,
    pub shown: String,
}

impl Named {
    fn join(&self, name: &str) -> Self {
        let shown = match self.shown.as_str() {
            "" => name.to_owned(),
            directory => format!("{directory}/{name}"),
        };
        Self { path: self.path.join(name), shown }
    }

    /// The directory that contains it.
    pub fn directory(&self) -> Self {
        let parent = |path: &Path| path.parent().map(Path::to_path_buf).unwrap_or_default();
        let path = match parent(&self.path) {
            here if here.as_os_str().is_empty() => PathBuf::from("."),
            directory => directory,
        };
        Self { path, shown: parent(Path::new(&self.shown)).display().to_string() }
    }

    pub fn read(&self) -> Result<Vec<u8>> {
        fs::read(&self.path).map_err(|error| Error::io(&self.shown, &error))
    }
}

/// The inventory file: `explicit`, or the nearest one from `start` upwards.
///
/// # Errors
/// When there is none, with what lies there instead.
pub(crate) fn find(start: &Path, explicit: Option<&Path>) -> Result<Named> {
    if let Some(path) = explicit {
        let named = Named { path: start.join(path), shown: path.display().to_string() };
        if !named.path.is_dir() {
            return Ok(named);
        }
        return inventory_in(&named)
            .ok_or_else(|| wrong(format!("there is no inventory.yaml in {}", named.shown)));
    }
    let start = start.canonicalize().map_err(|error| Error::io(start, &error))?;
    let upwards = start.ancestors().enumerate().find_map(|(steps, directory)| {
        let shown = vec![".."; steps].join("/");
        inventory_in(&Named { path: directory.to_path_buf(), shown })
    });
    upwards.ok_or_else(|| {
        let error = wrong("there is no inventory.yaml here or in a directory above");
        let ini = ["hosts", "hosts.ini", "inventory.ini", "inventory", "hosts.yml", "hosts.yaml"];
        match ini.into_iter().find(|name| start.join(name).is_file()) {
            Some(name) => {
                error.hint(format!("There is a file `{name}`: name it with `-i {name}`."))
            }
            None => {
                error.hint("Start pirun in a project's directory, or name the file with `-i FILE`.")
            }
        }
    })
}

fn inventory_in(directory: &Named) -> Option<Named> {
    NAMES.into_iter().map(|name| directory.join(name)).find(|named| named.path.is_file())
}

/// The variables of each group or host that has files in `group_vars` or `host_vars`.
///
/// `known` says whether the inventory has such a group or host; files for others are not read, only
/// remarked on. `directory` is where the inventory lies.
pub(crate) fn variables(
    directory: &Named,
    folder: &str,
    known: impl Fn(&str) -> bool,
    suggest: impl Fn(&str) -> Option<String>,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<(String, Vec<Arc<Var>>)>> {
    let folder_named = directory.join(folder);
    let what = if folder == "group_vars" { "group" } else { "host" };
    let mut found = Vec::new();
    for (name, mut candidates) in candidates(&folder_named)? {
        let chosen = candidates.remove(0);
        if !known(&name) {
            let warning = Warning::new(format!("{}: there is no {what} `{name}`", chosen.shown));
            match suggest(&name) {
                Some(hint) => warning.hint(hint).push_to(warnings),
                None => warning.push_to(warnings),
            }
            continue;
        }
        for ignored in candidates {
            Warning::new(format!("{} is not read, because {} exists", ignored.shown, chosen.shown))
                .hint("Put both into one.")
                .push_to(warnings);
        }
        found.push((name, read_all(&chosen, 0, warnings)?));
    }
    Ok(found)
}

/// The files and directories in `folder` by the name they belong to, the one that counts first.
fn candidates(folder: &Named) -> Result<BTreeMap<String, Vec<Named>>> {
    let mut found: BTreeMap<String, Vec<(usize, Named)>> = BTreeMap::new();
    for (file_name, named) in listing(folder)? {
        let (name, extension) = split_extension(&file_name);
        let rank = EXTENSIONS.iter().position(|known| *known == extension).unwrap_or_default();
        let is_directory = named.path.is_dir();
        if is_directory && !extension.is_empty() {
            continue;
        }
        found.entry(name.to_owned()).or_default().push((rank, named));
    }
    let in_order = |mut named: Vec<(usize, Named)>| {
        named.sort_by_key(|(rank, _)| *rank);
        named.into_iter().map(|(_, named)| named).collect()
    };
    Ok(found.into_iter().map(|(name, named)| (name, in_order(named))).collect())
}

/// The name without a YAML ending, and the ending. `rpi40.lan` has none.
fn split_extension(file_name: &str) -> (&str, &str) {
    match file_name.rsplit_once('.') {
        Some((name, extension)) if EXTENSIONS[1..].contains(&extension) => (name, extension),
        _ => (file_name, ""),
    }
}

/// All variables of a file, or of the files of a directory in the order of their names.
fn read_all(named: &Named, nesting: usize, warnings: &mut Vec<Warning>) -> Result<Vec<Arc<Var>>> {
    if !named.path.is_dir() {
        return read_one(named, warnings);
    }
    if nesting > MAX_NESTING {
        return Err(wrong(format!("{} is nested too deep", named.shown)));
    }
    let mut vars = Vec::new();
    for (file_name, inner) in listing(named)? {
        let (name, extension) = split_extension(&file_name);
        let has_other_ending = extension.is_empty() && name.contains('.');
        let is_file = !inner.path.is_dir();
        if (is_file && !has_other_ending) || (!is_file && !file_name.contains('.')) {
            vars.extend(read_all(&inner, nesting + 1, warnings)?);
        }
    }
    Ok(vars)
}

fn read_one(named: &Named, warnings: &mut Vec<Warning>) -> Result<Vec<Arc<Var>>> {
    let bytes = named.read()?;
    if is_encrypted(&bytes) {
        Warning::new(format!("{} is encrypted with ansible-vault and was not read", named.shown))
            .hint(IMPORT_HINT)
            .push_to(warnings);
        return Ok(Vec::new());
    }
    vars::from_node(yaml::parse(&named.shown, &bytes)?, "a variables file")
}

pub(crate) const IMPORT_HINT: &str =
    "`pirun vault import-ansible` moves what ansible-vault encrypted into vault.enc.";

pub(crate) fn is_encrypted(bytes: &[u8]) -> bool {
    bytes.starts_with(VAULT_HEADER)
}

/// What lies in a directory, by name; hidden files and backups (`x~`) do not count.
fn listing(directory: &Named) -> Result<BTreeMap<String, Named>> {
    let entries = match fs::read_dir(&directory.path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(Error::io(&directory.shown, &error)),
    };
    let mut found = BTreeMap::new();
    for entry in entries {
        let entry = entry.map_err(|error| Error::io(&directory.shown, &error))?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if !name.starts_with('.') && !name.ends_with('~') {
            found.insert(name.clone(), directory.join(&name));
        }
    }
    Ok(found)
}
