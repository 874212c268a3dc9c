//! udev's hardware database: what `udevadm hwdb --update` makes of the `.hwdb` files, a tree of prefixes of the names that
//! devices have (modaliases), with their properties. Source: eudev, `src/udev/udevadm-hwdb.c` and `libudev-hwdb-def.h`.

use std::collections::{BTreeMap, HashMap};

use crate::error::Result;
use crate::image::tree::{Content, Entry, Kind, Tree};

/// A file in an earlier one takes the place of one of the same name in a later one.
const DIRECTORIES: [&str; 2] = ["etc/udev/hwdb.d", "lib/udev/hwdb.d"];
const DATABASE: &str = "etc/udev/hwdb.bin";

const SIGNATURE: &[u8; 8] = b"KSLPHHRH";
/// The version of eudev whose format it is.
const VERSION: u64 = 3;
const HEADER: u64 = 80;
const NODE: u64 = 24;
const CHILD: u64 = 16;
const VALUE: u64 = 16;

/// Makes the database anew.
///
/// # Errors
/// When the tree cannot be read.
pub fn update(tree: &mut Tree, now: i64) -> Result<()> {
    let mut files = BTreeMap::new();
    for dir in DIRECTORIES.iter().rev() {
        let dir = tree.resolve(dir)?;
        for (path, _) in tree.below(&dir) {
            let name = &path[dir.len() + 1..];
            if name.ends_with(".hwdb") && !name.contains('/') {
                files.insert(name.to_owned(), path.to_owned());
            }
        }
    }
    let mut names = Names::default();
    for path in files.values() {
        names.read(&String::from_utf8_lossy(&tree.read(path)?.unwrap_or_default()));
    }
    let kind = Kind::File(Content::Bytes(names.write().into()));
    tree.insert(DATABASE, Entry { kind, ..Entry::file(*b"", 0o444).at(now) })
}

/// The names of devices, as a tree of their beginnings.
struct Names {
    /// The first is the root.
    nodes: Vec<Node>,
}

#[derive(Default)]
struct Node {
    /// What all names below have in common, behind the byte that leads here.
    prefix: Vec<u8>,
    children: BTreeMap<u8, usize>,
    /// Properties by their names, which begin with a space.
    values: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Default for Names {
    fn default() -> Self {
        Self { nodes: vec![Node::default()] }
    }
}

impl Names {
    /// Reads records: names, each on a line of its own, then properties, indented. Records without properties, and lines
    /// that are out of place, are left out, as udev does.
    fn read(&mut self, text: &str) {
        let mut names: Vec<&str> = Vec::new();
        let mut has_properties = false;
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let line = line.split('#').next().unwrap_or_default().trim_end();
            match (line.starts_with(' '), names.is_empty()) {
                // Out of place, or between records.
                (true, true) => {}
                (true, false) => {
                    has_properties = true;
                    self.set(&names, line);
                }
                (false, _) if line.is_empty() || has_properties => {
                    names.clear();
                    has_properties = false;
                }
                (false, _) => names.push(line),
            }
        }
    }

    fn set(&mut self, names: &[&str], line: &str) {
        let Some((key, value)) = line.split_once('=') else { return };
        let key = key.trim_start_matches([' ', '\t']);
        if key.is_empty() {
            return;
        }
        for name in names {
            let node = self.place(name.as_bytes());
            self.nodes[node].values.insert(format!(" {key}").into_bytes(), value.into());
        }
    }

    /// The node of a name, which is made if there is none.
    fn place(&mut self, name: &[u8]) -> usize {
        let (mut at, mut rest) = (0, name);
        loop {
            let prefix = &self.nodes[at].prefix;
            let common = prefix.iter().zip(rest).take_while(|(one, other)| one == other).count();
            if common < prefix.len() {
                self.split(at, common);
            }
            let Some((byte, behind)) = rest[common..].split_first() else { return at };
            match self.nodes[at].children.get(byte) {
                Some(child) => (at, rest) = (*child, behind),
                None => {
                    let node = Node { prefix: behind.to_owned(), ..Node::default() };
                    return self.add(at, *byte, node);
                }
            }
        }
    }

    fn add(&mut self, parent: usize, byte: u8, node: Node) -> usize {
        let place = self.nodes.len();
        self.nodes.push(node);
        self.nodes[parent].children.insert(byte, place);
        place
    }

    /// Leaves so many bytes of a node's prefix with it, and moves all else to a child.
    fn split(&mut self, at: usize, common: usize) {
        let whole = std::mem::take(&mut self.nodes[at]);
        self.nodes[at].prefix = whole.prefix[..common].to_owned();
        let lower = Node { prefix: whole.prefix[common + 1..].to_owned(), ..whole };
        self.add(at, whole.prefix[common], lower);
    }

    /// Header, nodes, each behind its children, and texts; all numbers are little-endian, 64 bits wide, offsets into the file.
    fn write(&self) -> Vec<u8> {
        let count = |of: fn(&Node) -> usize| self.nodes.iter().map(of).sum::<usize>() as u64;
        let nodes = count(|_| 1) * NODE
            + count(|node| node.children.len()) * CHILD
            + count(|node| node.values.len()) * VALUE;
        let mut file = File { nodes: Vec::new(), texts: Texts::behind(HEADER + nodes) };
        let root = file.add(self, 0);
        let texts = file.texts.bytes;
        let size = HEADER + nodes + texts.len() as u64;
        let mut bytes = SIGNATURE.to_vec();
        for number in [VERSION, size, HEADER, NODE, CHILD, VALUE, root, nodes, texts.len() as u64] {
            bytes.extend(number.to_le_bytes());
        }
        [bytes, file.nodes, texts].concat()
    }
}

struct File {
    nodes: Vec<u8>,
    texts: Texts,
}

impl File {
    /// Gives the node's place.
    fn add(&mut self, names: &Names, node: usize) -> u64 {
        let node = &names.nodes[node];
        let children: Vec<(u8, u64)> =
            node.children.iter().map(|(byte, child)| (*byte, self.add(names, *child))).collect();
        let place = HEADER + self.nodes.len() as u64;
        let prefix = self.texts.place(&node.prefix);
        self.number(prefix);
        self.number(children.len() as u64);
        self.number(node.values.len() as u64);
        for (byte, child) in children {
            self.number(byte.into());
            self.number(child);
        }
        for (key, value) in &node.values {
            let (key, value) = (self.texts.place(key), self.texts.place(value));
            self.number(key);
            self.number(value);
        }
        place
    }

    fn number(&mut self, number: u64) {
        self.nodes.extend(number.to_le_bytes());
    }
}

/// Texts that end with a zero byte, each once.
struct Texts {
    begin: u64,
    bytes: Vec<u8>,
    places: HashMap<Vec<u8>, u64>,
}

impl Texts {
    fn behind(begin: u64) -> Self {
        Self { begin, bytes: Vec::new(), places: HashMap::new() }
    }

    fn place(&mut self, text: &[u8]) -> u64 {
        if let Some(place) = self.places.get(text) {
            return *place;
        }
        let place = self.begin + self.bytes.len() as u64;
        self.bytes.extend(text);
        self.bytes.push(0);
        self.places.insert(text.to_owned(), place);
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The properties of the node that exactly this name leads to.
    fn of(names: &mut Names, name: &str) -> Vec<String> {
        let node = names.place(name.as_bytes());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let values = names.nodes[node].values.iter();
        values.map(|(key, value)| format!("{}={}", text(key), text(value))).collect()
    }

    #[test]
    fn records_are_read_as_udev_reads_them() {
        let mut names = Names::default();
        names.read(
            "# usb\nusb:v2E8A*\nusb:v2E8B*\n  A=one # first\n\tB=not indented by a space\n\nlost:*\n\n X=out of place\n\
             usb:v2E8Ap0003*\n A=two\n A=three\n =empty\n none\n\nusb:v2E8A*\n C=\n",
        );
        assert_eq!(of(&mut names, "usb:v2E8A*"), [" A=one", " C="]);
        assert_eq!(of(&mut names, "usb:v2E8B*"), [" A=one"]);
        assert_eq!(of(&mut names, "usb:v2E8Ap0003*"), [" A=three"]);
        assert!(of(&mut names, "lost:*").is_empty());
    }
}
