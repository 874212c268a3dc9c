//! Keeping files where an older image has them, so that an upgrade finds most blocks of the new one on the node.
//!
//! mkext4 gives files their blocks one after the other, in the order in which they are declared. So a file stays at its
//! place when exactly as many blocks are declared before it: holes that removed and changed files leave are filled with
//! new ones, and with files from the end.

use std::collections::{BTreeMap, BTreeSet};

use mkext4::reader::Fs;
use mkext4::spec::ROOT_INO;
use mkext4::spec::inode::FileType;

use super::read::Source;
use super::{BLOCK, refused, wrong};
use crate::error::Result;
use crate::image::volume::ReadAt;

/// Where an older file system has its files, and what decides where a new one can have them.
#[derive(Debug, Clone)]
pub struct Placement {
    /// Bytes.
    pub size: u64,
    pub inodes: u32,
    /// First block and number of blocks of each file that lies in one piece, by path.
    files: BTreeMap<String, (u64, u64)>,
}

impl Placement {
    /// Finds the files of an older image's root. Only its metadata is read.
    ///
    /// # Errors
    /// When it is no ext4 file system, or a damaged one.
    pub fn of(volume: &dyn ReadAt) -> Result<Self> {
        let cannot = |error| refused("the older image's file system cannot be read", &error);
        let system = Fs::open(Source(volume)).map_err(cannot)?;
        let superblock = system.superblock();
        let mut placement = Self {
            size: superblock.blocks_count * BLOCK,
            inodes: superblock.inodes_count,
            files: BTreeMap::new(),
        };
        let mut seen = BTreeSet::from([ROOT_INO]);
        let mut todo = vec![(String::new(), ROOT_INO)];
        while let Some((path, directory)) = todo.pop() {
            for entry in system.read_dir(directory).map_err(cannot)? {
                let Ok(name) = String::from_utf8(entry.name) else { continue };
                if entry.inode == 0 || !seen.insert(entry.inode) {
                    continue;
                }
                let path = if path.is_empty() { name } else { format!("{path}/{name}") };
                let inode = system.inode(entry.inode).map_err(cannot)?;
                match inode.file_type() {
                    FileType::Dir => todo.push((path, entry.inode)),
                    FileType::Regular if inode.size > 0 => {
                        let extents = system.extents(entry.inode, &inode).map_err(cannot)?;
                        let first = extents.first().map_or(0, |extent| extent.physical);
                        let blocks = extents.iter().map(|extent| u64::from(extent.len)).sum();
                        let is_whole = extents.windows(2).all(|pair| {
                            pair[0].physical + u64::from(pair[0].len) == pair[1].physical
                        });
                        if is_whole {
                            placement.files.insert(path, (first, blocks));
                        }
                    }
                    _ => {}
                }
            }
        }
        if placement.size == 0 {
            return Err(wrong("the older image's file system is empty".into()));
        }
        Ok(placement)
    }

    /// The order in which to declare files, as (path, blocks), for as many as can be to lie where they did. `data` are
    /// the blocks that files get, in the order in which they get them, as (first, blocks).
    pub(super) fn order<'a>(&self, files: &[(&'a str, u64)], data: &[(u64, u64)]) -> Vec<&'a str> {
        let mut order = Order::default();
        let mut kept: Vec<Kept> = Vec::new();
        for (path, blocks) in files {
            let place = self.files.get(*path).filter(|(_, before)| before == blocks);
            match place.and_then(|(first, _)| position(*first, *blocks, data)) {
                Some(at) => kept.push(Kept { path, at, blocks: *blocks }),
                None => order.homeless.push((path, *blocks)),
            }
        }
        kept.sort_by_key(|file| file.at);
        order.homeless.sort_by_key(|(_, blocks)| std::cmp::Reverse(*blocks));
        let mut index = 0;
        while index < kept.len() {
            let file = kept[index];
            index += 1;
            if order.fill_up_to(file.at, &mut kept, index) {
                order.put(file.path, file.blocks);
            } else {
                order.homeless.push((file.path, file.blocks));
                order.homeless.sort_by_key(|(_, blocks)| std::cmp::Reverse(*blocks));
            }
        }
        order.paths.extend(order.homeless.iter().map(|(path, _)| *path));
        order.paths
    }
}

/// A file that may stay at its place, counted in blocks of files.
#[derive(Clone, Copy)]
struct Kept<'a> {
    path: &'a str,
    at: u64,
    blocks: u64,
}

#[derive(Default)]
struct Order<'a> {
    paths: Vec<&'a str>,
    /// Blocks of all in `paths`.
    end: u64,
    /// Files without a place, the largest first.
    homeless: Vec<(&'a str, u64)>,
}

impl<'a> Order<'a> {
    fn put(&mut self, path: &'a str, blocks: u64) {
        self.paths.push(path);
        self.end += blocks;
    }

    /// Fills the hole before `at`, with homeless files and then with those from the end of `kept`, down to the
    /// `first` of them. Says whether that worked; if not, some of the hole may be filled.
    fn fill_up_to(&mut self, at: u64, kept: &mut Vec<Kept<'a>>, first: usize) -> bool {
        let Some(mut hole) = at.checked_sub(self.end) else { return false };
        let mut index = 0;
        while hole > 0 && index < self.homeless.len() {
            let (path, blocks) = self.homeless[index];
            if blocks <= hole {
                self.homeless.remove(index);
                self.put(path, blocks);
                hole -= blocks;
            } else {
                index += 1;
            }
        }
        let mut index = kept.len();
        while hole > 0 && index > first {
            index -= 1;
            if kept[index].blocks <= hole {
                let file = kept.remove(index);
                self.put(file.path, file.blocks);
                hole -= file.blocks;
            }
        }
        hole == 0
    }
}

/// How many blocks of files come before the block `first`, if the `blocks` from there on are one run of them.
fn position(first: u64, blocks: u64, data: &[(u64, u64)]) -> Option<u64> {
    let mut before = 0;
    for (start, len) in data {
        if (*start..start + len).contains(&first) {
            return (first + blocks <= start + len).then_some(before + first - start);
        }
        before += len;
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Where each file lies when files are declared in this order, from block 100 on.
    fn places<'a>(order: &[&'a str], files: &[(&'a str, u64)]) -> BTreeMap<String, (u64, u64)> {
        let blocks: BTreeMap<_, _> = files.iter().copied().collect();
        let mut next = 100;
        let place = |path: &&'a str| {
            let first = next;
            next += blocks[*path];
            ((*path).to_owned(), (first, blocks[*path]))
        };
        order.iter().map(place).collect()
    }

    fn placement(files: &[(&str, u64)]) -> Placement {
        let order: Vec<&str> = files.iter().map(|(path, _)| *path).collect();
        Placement { size: 1, inodes: 1, files: places(&order, files) }
    }

    fn moved(before: &[(&str, u64)], after: &[(&str, u64)]) -> Vec<String> {
        let older = placement(before);
        let total = after.iter().map(|(_, blocks)| blocks).sum();
        let order = older.order(after, &[(100, total)]);
        assert_eq!(order.len(), after.len());
        let places = places(&order, after);
        places
            .into_iter()
            .filter(|(path, place)| older.files.get(path) != Some(place))
            .map(|(path, _)| path)
            .collect()
    }

    const FILES: [(&str, u64); 9] =
        [("a", 5), ("b", 1), ("c", 9), ("d", 40), ("e", 2), ("f", 1), ("g", 3), ("h", 2), ("i", 1)];

    fn with(changes: &[(&'static str, u64)]) -> Vec<(&'static str, u64)> {
        let changed = |path| changes.iter().find(|(other, _)| *other == path);
        FILES
            .into_iter()
            .filter_map(|(path, blocks)| match changed(path) {
                Some((_, 0)) => None,
                Some((_, blocks)) => Some((path, *blocks)),
                None => Some((path, blocks)),
            })
            .chain(changes.iter().copied().filter(|(path, _)| *path > "i"))
            .collect()
    }

    #[test]
    fn moves_nothing_when_nothing_changed() {
        assert!(moved(&FILES, &FILES).is_empty());
    }

    #[test]
    fn fills_holes_with_files_from_the_end() {
        // c grows: its nine blocks are filled with the last files, down to e; the large one stays.
        assert_eq!(moved(&FILES, &with(&[("c", 11)])), ["c", "e", "f", "g", "h", "i"]);
        // a shrinks by one: one small file takes the block.
        assert_eq!(moved(&FILES, &with(&[("a", 4)])), ["a", "i"]);
    }

    #[test]
    fn fills_holes_with_new_files_first() {
        assert_eq!(moved(&FILES, &with(&[("b", 0), ("new", 1)])), ["new"]);
    }

    proptest! {
        #[test]
        fn declares_every_file_once(before in prop::collection::vec(0u64..9, 12), after in prop::collection::vec(0u64..9, 12)) {
            let names: Vec<String> = (0..12).map(|index| format!("{index:02}")).collect();
            let files = |sizes: &[u64]| names.iter().map(String::as_str).zip(sizes.iter().copied().map(|size| size.max(1))).collect::<Vec<_>>();
            let (before, after) = (files(&before), files(&after));
            let total = after.iter().map(|(_, blocks)| blocks).sum();
            let mut order = placement(&before).order(&after, &[(100, total)]);
            order.sort_unstable();
            prop_assert!(order.iter().eq(names.iter()));
        }
    }
}
