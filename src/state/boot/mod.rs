//! The two text files on the boot partition that people edit: `config.txt` for the firmware, `cmdline.txt` for the
//! kernel. Here are the texts only; bringing them to a node or into an image is for others.

mod config_txt;
mod kernel_args;

pub use config_txt::ConfigTxt;
pub use kernel_args::KernelArgs;

use crate::error::{Error, Result};

/// What a name should be set to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting {
    /// Not at all.
    Absent,
    /// Just there, without a value: `quiet`.
    Flag,
    /// These values, each in an entry of its own: `console=ttyAMA0 console=tty1`.
    Values(Vec<String>),
}

impl Setting {
    /// The entries for `name`, as they are written.
    fn entries(&self, name: &str) -> Vec<String> {
        match self {
            Self::Absent => Vec::new(),
            Self::Flag => vec![name.to_owned()],
            Self::Values(values) => values.iter().map(|value| format!("{name}={value}")).collect(),
        }
    }
}

/// Puts `wanted` where `present` (ascending places) says that there are such entries already: one after the other,
/// the rest behind the last of them, or at `end` if there are none. Places that are left over go.
fn replace(entries: &mut Vec<String>, present: &[usize], wanted: Vec<String>, end: usize) {
    let mut at = end;
    let mut wanted = wanted.into_iter();
    let mut left_over = Vec::new();
    for &place in present {
        match wanted.next() {
            Some(entry) => {
                entries[place] = entry;
                at = place + 1;
            }
            None => left_over.push(place),
        }
    }
    for place in left_over.into_iter().rev() {
        entries.remove(place);
    }
    for (index, entry) in wanted.enumerate() {
        entries.insert(at + index, entry);
    }
}

/// Refuses names and values that would end the entry, or begin another.
fn check(file: &str, text: &str, stops: &[char]) -> Result<()> {
    if text.is_empty() || text.contains(stops) || text.contains(['\n', '\r', '\0']) {
        let text = text.escape_debug();
        return Err(Error::playbook(format!("`{text}` cannot stand in {file}")));
    }
    Ok(())
}
