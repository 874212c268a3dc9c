//! Binary indexes of kernel modules (`modules.dep.bin`, `.alias.bin`, `.symbols.bin`), which are all that kmod's
//! `modprobe` reads: a tree of shared beginnings of keys.
//!
//! Numbers are big-endian. A file begins with a magic number, a version and where the root is. Where a node is has flags
//! in its upper bits: which of beginning, children and values it has. Source: kmod, `libkmod/libkmod-index.h`,
//! `tools/depmod.c`.

use std::collections::BTreeMap;

const MAGIC: u32 = 0xB007_F457;
const VERSION: u32 = 0x0002_0001;
const HAS_PREFIX: u32 = 0x8000_0000;
const HAS_VALUES: u32 = 0x4000_0000;
const HAS_CHILDREN: u32 = 0x2000_0000;
const OFFSET: u32 = 0x0FFF_FFFF;
/// No key is longer.
const MAX_DEPTH: usize = 4096;

/// What an index says: each key's values with their priorities, in the file's order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModuleIndex(pub BTreeMap<Vec<u8>, Vec<(u32, Vec<u8>)>>);

impl ModuleIndex {
    /// Reads an index; `None` if the file is none.
    pub fn read(file: &[u8]) -> Option<Self> {
        if (number(file, 0)?, number(file, 4)?) != (MAGIC, VERSION) {
            return None;
        }
        let mut index = Self::default();
        index.read_node(file, number(file, 8)?, Vec::new(), 0)?;
        Some(index)
    }

    fn read_node(&mut self, file: &[u8], at: u32, mut key: Vec<u8>, depth: usize) -> Option<()> {
        // A file that was tampered with may lead in circles.
        if depth > MAX_DEPTH || self.0.len() > file.len() {
            return None;
        }
        let mut offset = usize::try_from(at & OFFSET).ok()?;
        if at & HAS_PREFIX != 0 {
            key.extend(text(file, &mut offset)?);
        }
        if at & HAS_CHILDREN != 0 {
            let (first, last) = (*file.get(offset)?, *file.get(offset + 1)?);
            offset += 2;
            for letter in first..=last {
                let child = number(file, offset)?;
                offset += 4;
                if child != 0 {
                    let key = [&key[..], &[letter]].concat();
                    self.read_node(file, child, key, depth + 1)?;
                }
            }
        }
        if at & HAS_VALUES != 0 {
            let count = number(file, offset)?;
            offset += 4;
            let values = self.0.entry(key).or_default();
            for _ in 0..count {
                let priority = number(file, offset)?;
                offset += 4;
                values.push((priority, text(file, &mut offset)?.to_vec()));
            }
        }
        Some(())
    }

    /// The file, byte for byte as `depmod` writes it.
    pub fn write(&self) -> Vec<u8> {
        let mut root = Node::default();
        for (key, values) in &self.0 {
            // The root is the one node without a beginning.
            match key.split_first() {
                Some((letter, rest)) => {
                    root.children.entry(*letter).or_default().insert(rest, values)
                }
                None => root.values = values,
            }
        }
        let mut file = Vec::new();
        for word in [MAGIC, VERSION, 0] {
            file.extend(word.to_be_bytes());
        }
        let at = root.write(&mut file);
        file[8..12].copy_from_slice(&at.to_be_bytes());
        file
    }
}

fn number(file: &[u8], at: usize) -> Option<u32> {
    let bytes = file.get(at..at.checked_add(4)?)?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

fn text<'a>(file: &'a [u8], at: &mut usize) -> Option<&'a [u8]> {
    let rest = file.get(*at..)?;
    let end = rest.iter().position(|byte| *byte == 0)?;
    *at += end + 1;
    Some(&rest[..end])
}

#[derive(Debug, Default)]
struct Node<'a> {
    prefix: Vec<u8>,
    children: BTreeMap<u8, Node<'a>>,
    values: &'a [(u32, Vec<u8>)],
}

impl<'a> Node<'a> {
    fn insert(&mut self, key: &[u8], values: &'a [(u32, Vec<u8>)]) {
        if self.children.is_empty() && self.values.is_empty() {
            self.prefix = key.to_vec();
            self.values = values;
            return;
        }
        let shared = self.prefix.iter().zip(key).take_while(|(a, b)| a == b).count();
        if shared < self.prefix.len() {
            let rest = self.prefix.split_off(shared);
            let below = Node {
                prefix: rest[1..].to_vec(),
                children: std::mem::take(&mut self.children),
                values: std::mem::take(&mut self.values),
            };
            self.children.insert(rest[0], below);
        }
        match key[shared..].split_first() {
            Some((letter, rest)) => self.children.entry(*letter).or_default().insert(rest, values),
            None => self.values = values,
        }
    }

    /// The node, then its children. Gives where it is, with its flags.
    fn write(&self, file: &mut Vec<u8>) -> u32 {
        // Beyond 256 MiB the format ends; real ones have one.
        let mut at = u32::try_from(file.len()).unwrap_or(OFFSET) & OFFSET;
        if !self.prefix.is_empty() {
            file.extend(&self.prefix);
            file.push(0);
            at |= HAS_PREFIX;
        }
        let ends = self.children.first_key_value().zip(self.children.last_key_value());
        let ends = ends.map(|((first, _), (last, _))| (*first, *last));
        let mut table = file.len();
        if let Some((first, last)) = ends {
            file.extend([first, last]);
            table = file.len();
            file.resize(table + 4 * (usize::from(last - first) + 1), 0);
            at |= HAS_CHILDREN;
        }
        if !self.values.is_empty() {
            let count = u32::try_from(self.values.len()).unwrap_or(u32::MAX);
            file.extend(count.to_be_bytes());
            for (priority, value) in self.values {
                file.extend(priority.to_be_bytes());
                file.extend(value);
                file.push(0);
            }
            at |= HAS_VALUES;
        }
        let first = ends.map_or(0, |(first, _)| first);
        for (letter, child) in &self.children {
            let place = table + 4 * usize::from(letter - first);
            let child = child.write(file);
            file[place..place + 4].copy_from_slice(&child.to_be_bytes());
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(keys: &[&str]) -> ModuleIndex {
        let values = |key: &&str| (key.as_bytes().to_vec(), vec![(7, b"value".to_vec())]);
        ModuleIndex(keys.iter().map(values).collect())
    }

    #[test]
    fn keys_share_their_beginnings() {
        let file = index(&["ext4", "ext2"]).write();
        // The root with one child `e`, that with "xt" and children from `2` to `4`, then each of them with a value.
        let value = [&1_u32.to_be_bytes()[..], &7_u32.to_be_bytes(), b"value\0"].concat();
        let (child, first) = (12 + 6, 12 + 6 + 17);
        let at = |place: usize, flags| Some(u32::try_from(place).unwrap() | flags);
        assert_eq!(number(&file, 8), at(12, HAS_CHILDREN));
        assert_eq!(&file[12..14], b"ee");
        assert_eq!(number(&file, 14), at(child, HAS_PREFIX | HAS_CHILDREN));
        assert_eq!(&file[child..child + 5], b"xt\x0024");
        assert_eq!(number(&file, child + 5), at(first, HAS_VALUES));
        assert_eq!(number(&file, child + 9), Some(0));
        assert_eq!(number(&file, child + 13), at(first + value.len(), HAS_VALUES));
        assert_eq!(&file[first..], [&value[..], &value].concat());
    }

    #[test]
    fn an_empty_index_is_one() {
        assert_eq!(ModuleIndex::read(&index(&[]).write()), Some(index(&[])));
    }

    proptest::proptest! {
        #[test]
        fn reads_what_it_writes(keys in proptest::collection::btree_set("[ab_]{0,6}", 0..20)) {
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            proptest::prop_assert_eq!(ModuleIndex::read(&index(&keys).write()), Some(index(&keys)));
        }

        #[test]
        fn never_panics(at in 8_usize..90, byte: u8) {
            let mut file = index(&["ext4", "ext2", "e", "virtio_blk"]).write();
            if let Some(place) = file.get_mut(at) {
                *place = byte;
            }
            let _ = ModuleIndex::read(&file);
        }
    }
}
