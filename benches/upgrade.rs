//! Upgrading a node: pirun beside the original's way (copy the packed image, then `gunzip | dd`), on the same card node. Prints
//! a table; asserts nothing, but gives no figure to a way that left a wrong slot. `scripts/bench upgrade` calls it.

// A measuring program's output is what it is for.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

#[path = "../tests/common/mod.rs"]
mod common;

use std::collections::HashSet;
use std::fs::File;
use std::process::{Command, Stdio};
use std::time::Instant;

use common::Cluster;
use common::upgrades::Images;
use pirun_lab::{Lab, Node};

const BLOCK: usize = 64 << 10;
const CHUNK: usize = 4 << 20;

/// The write alone: what comes before and after it is the same for both ways.
const WRITE: &str = r#"
import "ab" as ab;
let path = required_param("image", "string", "Update image");
let image = update_image(path, #{ trust: [signing_key_public(vault("image_signing_key"))] });
on(hosts("all"), |host| ab::write(host, image));
"#;

fn main() {
    // `cargo test --all-targets` runs this as well, and has nothing to gain from it.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let images = Images::get();
    println!(
        "\n## Upgrading a node\n\n| what | pirun | original's way | ratio |\n|---|---|---|---|"
    );
    let raw = |name: &str| unpacked(&images.update(name));
    let (first, second) = (raw("v1"), raw("v2"));

    let lab = Lab::start().unwrap();
    let node = lab.card_node("rpi40").unwrap();
    let cluster = images.around(lab, vec![node]);
    let (bytes, seconds) = by_pirun(&cluster, &images.update("v1"));
    let (other_bytes, other_seconds) = by_copy(&cluster, &images.update("v1"), &first);
    row("full image: bytes on the wire, both ways", bytes as f64, other_bytes as f64);
    row("full image: seconds", seconds, other_seconds);

    let cluster = images.cluster(&["rpi40"]);
    let (bytes, seconds) = by_pirun(&cluster, &images.update("v2"));
    let needed = needed(&second, &first);
    let (other_bytes, other_seconds) = by_copy(&cluster, &images.update("v2"), &second);
    row("delta: bytes on the wire, both ways", bytes as f64, other_bytes as f64);
    row("delta: seconds", seconds, other_seconds);
    let ratio = bytes as f64 / needed as f64;
    println!(
        "| delta: bytes, to blocks that differ and hashes (≤ 1.1×) | {bytes} | {needed} | {ratio:.2}× |"
    );

    let cluster = images.cluster(&["rpi40", "rpi41", "rpi42", "rpi43"]);
    let image = images.update("v3");
    let size = std::fs::metadata(&image).unwrap().len();
    let read = disk_reads(&cluster, &image);
    println!(
        "| four nodes: bytes that pirun reads from the disk, to the packed image | {read} | {size} | {:.2}× |",
        read as f64 / size as f64
    );
}

fn row(what: &str, pirun: f64, other: f64) {
    println!("| {what} | {pirun:.1} | {other:.1} | {:.2}× |", pirun / other);
}

fn traffic(node: &Node) -> u64 {
    let wire = node.wire().unwrap();
    wire.bytes_to_node + wire.bytes_from_node
}

/// Bytes on the wire and seconds of a write by pirun.
fn by_pirun(cluster: &Cluster, image: &str) -> (u64, f64) {
    cluster.write("playbooks/write.rhai", WRITE);
    let (before, start) = (traffic(&cluster.nodes[0]), Instant::now());
    cluster.pirun(&["write.rhai", "--image", image]).ok();
    (traffic(&cluster.nodes[0]) - before, start.elapsed().as_secs_f64())
}

/// The original's way: the packed image to /data, its hash compared, then unpacked into the slot.
fn by_copy(cluster: &Cluster, image: &str, wanted: &[u8]) -> (u64, f64) {
    let node = &cluster.nodes[0];
    node.sh("dd if=/dev/zero of=/dev/mmcblk0p3 bs=1M 2>/dev/null; sync").unwrap_or_default();
    let (before, start) = (traffic(node), Instant::now());
    let ssh = |script: &str, input: Stdio| {
        let status = cluster.lab.ssh(node).arg(script).stdin(input).status().unwrap();
        assert!(status.success(), "{script}");
    };
    ssh("cat >/data/update.img.gz", File::open(image).unwrap().into());
    ssh(
        "sha256sum /data/update.img.gz >/dev/null && gunzip -c /data/update.img.gz | dd of=/dev/mmcblk0p3 bs=1M 2>/dev/null && sync /dev/mmcblk0p3; rm /data/update.img.gz",
        Stdio::null(),
    );
    let cost = (traffic(node) - before, start.elapsed().as_secs_f64());
    let found = node.sh(&format!("head -c {} /dev/mmcblk0p3 | sha256sum", wanted.len())).unwrap();
    let hash = sha256(wanted);
    assert!(found.starts_with(&hash), "the slot is wrong");
    cost
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unpacked(image: &str) -> Vec<u8> {
    Command::new("gzip").arg("-dc").arg(image).output().unwrap().stdout
}

/// Blocks of `image` that `slot` does not have, and the hashes by which that is found out: of each chunk of both slots, and of each
/// block in the chunks that differ.
fn needed(image: &[u8], slot: &[u8]) -> u64 {
    let have: HashSet<&[u8]> = slot.chunks(BLOCK).collect();
    let zeros = [0; BLOCK];
    let blocks = image.chunks(BLOCK).filter(|block| !have.contains(block) && *block != &zeros[..]);
    let chunks = image.chunks(CHUNK).zip(slot.chunks(CHUNK));
    let differing = chunks.clone().filter(|(one, other)| one != other).count();
    let hashes = 2 * (chunks.count() * 68 + differing * (CHUNK / BLOCK) * 17);
    (blocks.count() * BLOCK + hashes) as u64
}

/// Bytes that the disk gave while four nodes were written, by the kernel's count for pirun's process.
fn disk_reads(cluster: &Cluster, image: &str) -> u64 {
    cluster.write("playbooks/write.rhai", WRITE);
    // Out of the page cache, the image alone.
    let evicted = Command::new("dd")
        .arg(format!("if={image}"))
        .args(["iflag=nocache", "count=0", "status=none"])
        .status();
    assert!(evicted.unwrap().success());
    let mut child = cluster.spawn(&["write.rhai", "--image", image]);
    let io = format!("/proc/{}/io", child.id());
    let mut read = 0;
    while child.try_wait().unwrap().is_none() {
        let text = std::fs::read_to_string(&io).unwrap_or_default();
        let found = text.lines().find_map(|line| line.strip_prefix("read_bytes: ")?.parse().ok());
        read = found.unwrap_or(read);
    }
    read
}
