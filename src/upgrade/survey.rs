//! What a node's slots have of an image already: hashed on the node, chunk by chunk, and block by block where they differ.
//!
//! No note of what was once written is trusted: whoever mounts a file system writable changes it.

use super::{Slots, UpdateImage, wrong};
use crate::error::Result;
use crate::image::pack::{BLOCK, BlockHash, CHUNK, hex};
use crate::image::uboot_env::Slot;
use crate::remote::Query;
use crate::state::Node;

/// What the node says of a chunk that is the image's.
const SAME: &str = "same";

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
    let said = ask(node, script(&device, image))?;
    let unreadable = || wrong(format!("slot {slot} cannot be read: {device}"));
    let mut lines = said.lines().peekable();
    let mut blocks = Vec::new();
    for chunk in &image.chunks {
        if lines.next_if_eq(&SAME).is_some() {
            blocks.extend(&chunk.blocks);
            continue;
        }
        for _ in &chunk.blocks {
            blocks.push(lines.next().and_then(parse).ok_or_else(unreadable)?);
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

/// Prints for each chunk that it is the image's, or else the beginning of the hash of each of its blocks. A chunk is read once,
/// into files in memory: so 64 blocks are hashed by one process.
fn script(device: &str, image: &UpdateImage) -> String {
    let wanted: Vec<String> = image.chunks.iter().map(|chunk| hex(&chunk.sha256)).collect();
    format!(
        "t=$(mktemp -d /run/pirun-look.XXXXXX) && cd \"$t\" || exit\ntrap 'rm -rf \"$t\"' EXIT\ni=0\n\
         for w in {wanted}; do\n\
         c=$(({bytes} - i * {CHUNK})); [ $c -lt {CHUNK} ] || c={CHUNK}\n\
         dd if={device} bs={CHUNK} skip=$i iflag=count_bytes count=$c 2>/dev/null | split -b {BLOCK} - x || exit\n\
         if [ \"$(cat x* | sha256sum)\" = \"$w  -\" ]; then echo {SAME}; else sha256sum x* | cut -c 1-16; fi\n\
         rm -f x* && i=$((i + 1)) || exit\n\
         done",
        wanted = wanted.join(" "),
        bytes = image.bytes,
    )
}

fn parse(line: &str) -> Option<BlockHash> {
    Some(u64::from_str_radix(line, 16).ok()?.to_be_bytes())
}
