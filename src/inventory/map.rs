//! Building a map: no key twice, and merge keys (`<<`) resolved.

use std::collections::{HashMap, HashSet};

use super::mark::{Mark, shown};
use super::yaml::{Data, Entry, Node};
use crate::error::{Error, Result};

/// Maps up to this size are searched instead of indexed: nearly all of them.
const SMALL: usize = 16;

/// Collects a map's entries; merged ones come first and yield to written ones, as YAML says.
#[derive(Default)]
pub(crate) struct MapBuilder {
    entries: Vec<Entry>,
    /// Where each key stands, once the map is no longer small.
    index: HashMap<String, usize>,
    merged: Vec<Entry>,
    merge_mark: Option<Mark>,
}

impl MapBuilder {
    pub fn insert(&mut self, entry: Entry) -> Result<()> {
        if let Some(first) = self.find(&entry.key) {
            return Err(twice(&entry.key, &entry.key_mark, &first.key_mark));
        }
        if self.entries.len() == SMALL {
            let keys = self.entries.iter().map(|entry| entry.key.clone());
            self.index = keys.zip(0..).collect();
        }
        if self.entries.len() >= SMALL {
            self.index.insert(entry.key.clone(), self.entries.len());
        }
        self.entries.push(entry);
        Ok(())
    }

    fn find(&self, key: &str) -> Option<&Entry> {
        match self.index.is_empty() {
            true => self.entries.iter().find(|entry| entry.key == key),
            false => self.index.get(key).map(|&number| &self.entries[number]),
        }
    }

    pub fn merge(&mut self, value: Node, key_mark: Mark) -> Result<()> {
        if let Some(first) = &self.merge_mark {
            return Err(
                twice("<<", &key_mark, first).hint("Merge several with a list: `<<: [*a, *b]`.")
            );
        }
        self.merge_mark = Some(key_mark);
        let sources = match value.data {
            Data::List(items) => items,
            _ => vec![value],
        };
        for source in sources {
            match source.data {
                Data::Map(entries) => self.merged.extend(entries),
                _ => {
                    return Err(source
                        .mark
                        .error(format!("`<<` merges maps, and this is {}", source.kind())));
                }
            }
        }
        Ok(())
    }

    pub fn finish(mut self) -> Vec<Entry> {
        if self.merged.is_empty() {
            return self.entries;
        }
        let mut merged = std::mem::take(&mut self.merged);
        let mut seen = HashSet::new();
        merged.retain(|entry| self.find(&entry.key).is_none() && seen.insert(entry.key.clone()));
        merged.append(&mut self.entries);
        merged
    }
}

fn twice(key: &str, mark: &Mark, first: &Mark) -> Error {
    mark.error(format!("`{}` stands twice in the same map", shown(key)))
        .hint(format!("It stands first in line {}. YAML would silently keep only one.", first.line))
}
