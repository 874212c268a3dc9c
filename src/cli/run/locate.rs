//! Where playbooks are: here, in `playbooks/`, and the same two of the project.

use std::path::{Path, PathBuf};

use crate::error::Result;

/// The playbook that the user means by `name`, with or without `.rhai`.
pub fn find_playbook(name: &str, here: &Path, project: &Path) -> Result<PathBuf> {
    let names = if name.ends_with(".rhai") {
        vec![name.to_owned()]
    } else {
        vec![format!("{name}.rhai"), name.to_owned()]
    };
    for dir in directories(here, project) {
        for name in &names {
            let path = dir.join(name);
            if here.join(&path).is_file() && (name.ends_with(".rhai") || name.contains('/')) {
                return Ok(path);
            }
        }
    }
    Err(super::unknown(name, &playbooks(here, project)))
}

/// The names of all playbooks, sorted.
pub fn playbooks(here: &Path, project: &Path) -> Vec<String> {
    let mut names: Vec<_> = directories(here, project)
        .iter()
        .flat_map(|dir| std::fs::read_dir(here.join(dir)).into_iter().flatten().flatten())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.ends_with(".rhai"))
        .collect();
    names.sort();
    names.dedup();
    names
}

/// Relative to `here` where possible: that is how paths are shown.
fn directories(here: &Path, project: &Path) -> Vec<PathBuf> {
    let mut all = vec![PathBuf::new(), PathBuf::from("playbooks")];
    if project != here {
        all.extend([project.to_owned(), project.join("playbooks")]);
    }
    all
}
