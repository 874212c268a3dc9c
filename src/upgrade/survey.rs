//! What a node's slots have of an image already: hashed on the node, chunk by chunk, and block by block where they differ.
//!
//! No note of what was once written is trusted: whoever mounts a file system writable changes it.

use super::{Slots, UpdateImage, wrong};
use crate::error::Result;
use crate::image::pack::{BLOCK, BlockHash, CHUNK, Chunk, hex};
use crate::image::uboot_env::Slot;
use crate::remote::Query;
use crate::state::Node;

/// The hashes of a slot's blocks, as many as the image has.
pub type Blocks = Vec<BlockHash>;

/// Both slots of a node, block by block.
pub struct Survey {
    /// The slot that does not run, which gets the image.
    pub idle: Blocks,
    pub running: Blocks,
}

impl Survey {
    /// Hashes both slots as far as the image reaches. Only looks.
    ///
    /// # Errors
    /// When a slot cannot be read.
    pub fn make(node: &Node, slots: &Slots, image: &UpdateImage) -> Result<Self> {
        let idle = blocks_of(node, slots, slots.other(), image)?;
        // All there already: the other one need not be read.
        let running = if idle == wanted(image) {
            Vec::new()
        } else {
            blocks_of(node, slots, slots.running, image)?
        };
        Ok(Self { idle, running })
    }
}

/// The hashes of the image's blocks.
pub fn wanted(image: &UpdateImage) -> Blocks {
    image.chunks.iter().flat_map(|chunk| &chunk.blocks).copied().collect()
}

fn blocks_of(node: &Node, slots: &Slots, slot: Slot, image: &UpdateImage) -> Result<Blocks> {
    let device = slots.device(slot);
    let said = ask(node, chunks_script(&device, image))?;
    let unreadable = || wrong(format!("slot {slot} cannot be read: {device}"));
    let same = |(chunk, line): (&Chunk, &str)| hex(&chunk.sha256) == line[..64.min(line.len())];
    let lines: Vec<&str> = said.lines().collect();
    if lines.len() != image.chunks.len() {
        return Err(unreadable());
    }
    let same: Vec<bool> = image.chunks.iter().zip(lines).map(same).collect();
    let differing: Vec<usize> = (0..same.len()).filter(|&index| !same[index]).collect();
    let said = match differing.is_empty() {
        true => String::new(),
        false => ask(node, blocks_script(&device, &differing, image))?,
    };
    let mut found = said.lines();
    let mut blocks = Vec::new();
    for (chunk, same) in image.chunks.iter().zip(same) {
        if same {
            blocks.extend(&chunk.blocks);
            continue;
        }
        for _ in &chunk.blocks {
            blocks.push(found.next().and_then(parse).ok_or_else(unreadable)?);
        }
    }
    Ok(blocks)
}

fn ask(node: &Node, script: String) -> Result<String> {
    let query = Query { script, ..Query::default() };
    let output = node.remote().query(&query)?;
    if output.code != 0 {
        return Err(wrong("the node's slots cannot be compared with the image")
            .detail(String::from_utf8_lossy(&output.stderr)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Prints the hash of each chunk.
fn chunks_script(device: &str, image: &UpdateImage) -> String {
    let (whole, rest) = (image.bytes / CHUNK as u64, image.bytes % CHUNK as u64);
    let rest = match rest {
        0 => String::new(),
        rest => format!(
            "dd if={device} bs={CHUNK} skip={whole} iflag=count_bytes count={rest} 2>/dev/null | sha256sum"
        ),
    };
    format!(
        "i=0\nwhile [ $i -lt {whole} ]; do dd if={device} bs={CHUNK} skip=$i count=1 2>/dev/null | sha256sum; i=$((i + 1)); done\n{rest}"
    )
}

/// Prints the beginning of each block's hash, of some chunks: each is split into files in memory, since that takes three
/// processes for 64 blocks.
fn blocks_script(device: &str, chunks: &[usize], image: &UpdateImage) -> String {
    let numbers: Vec<String> = chunks.iter().map(usize::to_string).collect();
    format!(
        "t=$(mktemp -d /run/pirun-look.XXXXXX) && cd \"$t\" || exit\ntrap 'rm -rf \"$t\"' EXIT\n\
         for i in {numbers}; do\n\
         c=$(({bytes} - i * {CHUNK})); [ $c -lt {CHUNK} ] || c={CHUNK}\n\
         dd if={device} bs={CHUNK} skip=$i iflag=count_bytes count=$c 2>/dev/null | split -b {BLOCK} - x && sha256sum x* | cut -c 1-16 && rm -f x* || exit\n\
         done",
        numbers = numbers.join(" "),
        bytes = image.bytes,
    )
}

fn parse(line: &str) -> Option<BlockHash> {
    Some(u64::from_str_radix(line, 16).ok()?.to_be_bytes())
}
