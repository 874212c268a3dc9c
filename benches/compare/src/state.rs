//! What a host looks like after a run, and whether that is right.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::{Result, ensure};

use crate::nodes::Node;

/// Everything the job may touch, by path: kind, mode, owner and content in words.
pub type State = BTreeMap<String, String>;

/// Where tools keep their own things; not part of the job's end state.
const OWN: [&str; 2] = ["/data/pirun", "/data/big"];

pub fn of(node: &Node) -> Result<State> {
    let mut state = State::new();
    for path in ["/etc", "/root/.ssh", "/data"] {
        walk(&node.place(path), path, &mut state)?;
    }
    Ok(state)
}

fn walk(place: &Path, path: &str, state: &mut State) -> Result<()> {
    let Ok(entries) = fs::read_dir(place) else { return Ok(()) };
    for entry in entries {
        let entry = entry?;
        let path = format!("{path}/{}", entry.file_name().to_string_lossy());
        if OWN.contains(&&*path) {
            continue;
        }
        let meta = entry.path().symlink_metadata()?;
        let what = if meta.is_symlink() {
            format!("link to {}", fs::read_link(entry.path())?.display())
        } else {
            let content = match meta.is_file() {
                true => String::from_utf8_lossy(&fs::read(entry.path())?).into_owned(),
                false => String::new(),
            };
            format!("{:o} {}:{} {content}", meta.mode(), meta.uid(), meta.gid())
        };
        // A directory of the machine appears in a host's layer as soon as something in it has changed.
        if !(meta.is_dir() && path.starts_with("/etc/")) {
            state.insert(path.clone(), what);
        }
        if meta.is_dir() {
            walk(&entry.path(), &path, state)?;
        }
    }
    Ok(())
}

/// Refuses a state that is not the wanted one; the error names what differs.
pub fn check(node: &Node, wanted: &State) -> Result<()> {
    let found = of(node)?;
    let mut differences = Vec::new();
    for path in found.keys().chain(wanted.keys()) {
        let (found, wanted) = (found.get(path), wanted.get(path));
        let line = |what: Option<&String>| {
            what.map_or("nothing".to_owned(), |text| text.chars().take(40).collect::<String>())
        };
        if found != wanted {
            differences.push(format!("{path}: {:?} instead of {:?}", line(found), line(wanted)));
        }
    }
    differences.sort();
    differences.dedup();
    // One is enough to see what went wrong.
    let more = differences.len().saturating_sub(2);
    differences.truncate(2);
    differences.extend((more > 0).then(|| format!("and {more} more")));
    ensure!(differences.is_empty(), "{} is not as wanted: {}", node.name, differences.join("; "));
    Ok(())
}

/// What was done to services since the last call, apart from looking.
pub fn take_calls(node: &Node) -> Vec<String> {
    let path = node.place("/run/calls");
    let text = fs::read_to_string(&path).unwrap_or_default();
    let _ = fs::remove_file(&path);
    text.lines().filter(|line| !line.ends_with(" status")).map(str::to_owned).collect()
}
