//! The text of a manifest: written and read.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::str::FromStr;
use std::sync::LazyLock;

use sha2::{Digest, Sha256};

use super::{About, Content, FileEntry, MAX, Manifest, PartitionEntry, shape, wrong};
use crate::error::Result;
use crate::image::pack::{BLOCK, BlockHash, CHUNK, Chunk, block_hash, hex};

const MAGIC: &str = "pirun-image";
const VERSION: &str = "1";

/// The chunk and the block that hold zeros only; both are spelled `-`.
static ZEROS: LazyLock<Chunk> = LazyLock::new(|| Chunk {
    sha256: Sha256::digest(vec![0; CHUNK]).into(),
    blocks: vec![block_hash(&[0; BLOCK]); CHUNK / BLOCK],
});

pub(super) fn print(manifest: &Manifest) -> String {
    let Manifest { about, file, content, boot } = manifest;
    let mut text = format!("{MAGIC} {VERSION}\n");
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name} {value}");
    };
    line("id", &about.id);
    line("version", &about.version.to_string());
    line("floor", &about.floor.to_string());
    line("arch", &about.arch);
    line("boards", &about.boards.join(" "));
    line("created", &about.created.to_string());
    line("alpine", &about.alpine);
    line("k3s", about.k3s.as_deref().unwrap_or("-"));
    line("file", &print_file(file));
    match content {
        Content::Card { bytes, partitions } => {
            line("card", &bytes.to_string());
            for PartitionEntry { start, bytes, used, sha256 } in partitions {
                line("partition", &format!("{start} {bytes} {used} {}", hex(sha256)));
            }
        }
        Content::Update { bytes, sha256, chunks, boot, packages } => {
            line("root", &format!("{bytes} {}", hex(sha256)));
            line("boot-image", &print_file(boot));
            line("packages", &print_file(packages));
            for chunk in chunks {
                line("chunk", &print_chunk(chunk));
            }
        }
    }
    for (path, sha256) in boot {
        line("boot", &format!("{} {path}", hex(sha256)));
    }
    text
}

fn print_file(file: &FileEntry) -> String {
    format!("{} {} {}", file.bytes, hex(&file.sha256), file.name)
}

fn print_chunk(chunk: &Chunk) -> String {
    if *chunk == *ZEROS {
        return "-".into();
    }
    let mut text = hex(&chunk.sha256);
    for block in &chunk.blocks {
        text.push(' ');
        match *block == ZEROS.blocks[0] {
            true => text.push('-'),
            false => text += &hex(block),
        }
    }
    text
}

pub(super) fn parse(bytes: &[u8]) -> Result<Manifest> {
    if bytes.len() as u64 > MAX {
        return Err(wrong("the image's manifest is too large to be one".into()));
    }
    let text =
        std::str::from_utf8(bytes).map_err(|_| wrong("the image's manifest is not text".into()))?;
    let mut lines = Lines { rest: text, number: 0 };
    let manifest = parse_lines(&mut lines).map_err(|why| {
        wrong(format!("the image's manifest is not usable: line {}: {why}", lines.number))
    })?;
    let printed = print(&manifest);
    match printed.lines().zip(text.lines()).position(|(one, other)| one != other) {
        None if printed == text => Ok(manifest),
        found => {
            let line = found.unwrap_or(text.lines().count().saturating_sub(1)) + 1;
            Err(wrong(format!(
                "the image's manifest is not usable: line {line}: it is not written the way pirun writes it"
            )))
        }
    }
}

type Parsed<T> = std::result::Result<T, &'static str>;

struct Lines<'a> {
    rest: &'a str,
    /// Of the line that was looked at last, from 1.
    number: usize,
}

impl<'a> Lines<'a> {
    /// The value of the next line, if that is the field `name`.
    fn take_if(&mut self, name: &str) -> Option<&'a str> {
        let (line, rest) = self.rest.split_once('\n')?;
        let value = line.strip_prefix(name)?.strip_prefix(' ')?;
        self.rest = rest;
        self.number += 1;
        Some(value)
    }

    fn take(&mut self, name: &'static str) -> Parsed<&'a str> {
        match self.take_if(name) {
            Some(value) => Ok(value),
            None => {
                self.number += 1;
                Err(if self.rest.contains('\n') {
                    "another field belongs here"
                } else {
                    "the manifest is cut off"
                })
            }
        }
    }
}

fn parse_lines(lines: &mut Lines) -> Parsed<Manifest> {
    match lines.take(MAGIC) {
        Ok(VERSION) => {}
        Ok(version) if version.parse::<u32>().is_ok_and(|version| version > 1) => {
            return Err("it is of a newer version of pirun");
        }
        _ => return Err("it is no manifest of an image"),
    }
    let about = parse_about(lines)?;
    let file = parse_file(lines.take("file")?)?;
    let content = match lines.take_if("card") {
        Some(bytes) => parse_card(number(bytes)?, lines)?,
        None => parse_update(lines)?,
    };
    let mut boot = BTreeMap::new();
    while let Some(value) = lines.take_if("boot") {
        let (sha256, path) = value.split_once(' ').ok_or("it names no file")?;
        let is_plain = |part: &str| !matches!(part, "" | "." | "..");
        if !path.split('/').all(is_plain) || path.chars().any(char::is_control) {
            return Err("it is not the path of a file");
        }
        boot.insert(path.to_owned(), digits(sha256)?);
    }
    if !lines.rest.is_empty() {
        lines.number += 1;
        return Err("nothing belongs here any more");
    }
    Ok(Manifest { about, file, content, boot })
}

fn parse_about(lines: &mut Lines) -> Parsed<About> {
    Ok(About {
        id: word(lines.take("id")?)?,
        version: number(lines.take("version")?)?,
        floor: number(lines.take("floor")?)?,
        arch: word(lines.take("arch")?)?,
        boards: lines.take("boards")?.split(' ').map(word).collect::<Parsed<_>>()?,
        created: number(lines.take("created")?)?,
        alpine: word(lines.take("alpine")?)?,
        k3s: match word(lines.take("k3s")?)? {
            none if none == "-" => None,
            version => Some(version),
        },
    })
}

fn parse_card(bytes: u64, lines: &mut Lines) -> Parsed<Content> {
    let mut partitions = Vec::new();
    while let Some(value) = lines.take_if("partition") {
        let fields: Vec<&str> = value.split(' ').collect();
        let [start, partition, used, sha256] = *fields else {
            return Err("a partition has a start, a size, the used bytes and their hash");
        };
        let entry = PartitionEntry {
            start: number(start)?,
            bytes: number(partition)?,
            used: number(used)?,
            sha256: digits(sha256)?,
        };
        let ends = entry.start.checked_add(entry.bytes).is_some_and(|end| end <= bytes);
        if !ends || entry.used > entry.bytes {
            return Err("the partition does not fit into the card");
        }
        partitions.push(entry);
    }
    Ok(Content::Card { bytes, partitions })
}

fn parse_update(lines: &mut Lines) -> Parsed<Content> {
    let (bytes, sha256) =
        lines.take("root")?.split_once(' ').ok_or("the root's hash is missing")?;
    let (bytes, sha256): (u64, _) = (number(bytes)?, digits(sha256)?);
    let boot = parse_file(lines.take("boot-image")?)?;
    let packages = parse_file(lines.take("packages")?)?;
    // A line for each: more than there are lines must not take memory.
    if bytes.div_ceil(CHUNK as u64) > lines.rest.len() as u64 {
        return Err("there are fewer chunks than the root has");
    }
    let chunks = shape(bytes)
        .map(|blocks| parse_chunk(lines.take("chunk")?, blocks))
        .collect::<Parsed<_>>()?;
    Ok(Content::Update { bytes, sha256, chunks, boot, packages })
}

fn parse_chunk(value: &str, blocks: usize) -> Parsed<Chunk> {
    if value == "-" {
        return Ok(ZEROS.clone());
    }
    let mut words = value.split(' ');
    let sha256 = digits(words.next().unwrap_or_default())?;
    let chunk = Chunk {
        sha256,
        blocks: words
            .map(|word| match word {
                "-" => Ok(ZEROS.blocks[0]),
                word => digits::<{ size_of::<BlockHash>() }>(word),
            })
            .collect::<Parsed<_>>()?,
    };
    if chunk.blocks.len() != blocks {
        return Err("the chunk has another number of blocks");
    }
    Ok(chunk)
}

fn parse_file(value: &str) -> Parsed<FileEntry> {
    let fields: Vec<&str> = value.splitn(3, ' ').collect();
    let [bytes, sha256, name] = *fields else {
        return Err("a file has a size, a hash and a name");
    };
    let is_plain = !name.is_empty()
        && !name.starts_with('.')
        && !name.chars().any(|letter| letter == '/' || letter.is_control());
    if !is_plain {
        return Err("it is not the plain name of a file");
    }
    Ok(FileEntry { name: name.to_owned(), bytes: number(bytes)?, sha256: digits(sha256)? })
}

/// A value without blanks, of ASCII that can be shown.
fn word(text: &str) -> Parsed<String> {
    let is_word =
        !text.is_empty() && text.len() <= 128 && text.bytes().all(|b| b.is_ascii_graphic());
    if is_word { Ok(text.to_owned()) } else { Err("it is not one plain word") }
}

fn number<T: FromStr>(text: &str) -> Parsed<T> {
    text.parse().map_err(|_| "it is not a number")
}

fn digits<const N: usize>(text: &str) -> Parsed<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != 2 * N || !text.is_ascii() {
        return Err("it is not a hash");
    }
    for (byte, at) in bytes.iter_mut().zip((0..text.len()).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).map_err(|_| "it is not a hash")?;
    }
    Ok(bytes)
}
