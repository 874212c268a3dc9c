//! An image's file systems, as a card writer looks at them: anything may be in a partition.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pirun::device::Allocation;
use pirun::image::mbr::{LINUX, Mbr, Partition};

const MIB: u64 = 1 << 20;

fuzz_target!(|bytes: &[u8]| {
    let Ok(part) = Partition::new(LINUX, MIB, 64 * MIB) else { return };
    let table = Mbr { disk_id: 1, partitions: [Some(part), None, None, None] };
    let mut allocation = Allocation::of(&table);
    let mut offset = MIB;
    for chunk in bytes.chunks(4096) {
        allocation.observe(offset, chunk);
        offset += chunk.len() as u64;
    }
    for at in (0..66 * MIB).step_by(1 << 18) {
        allocation.is_free(at, 1 << 16);
    }
    // What has no partition is nobody's to skip.
    assert!(!allocation.is_free(0, 1 << 16));
});
