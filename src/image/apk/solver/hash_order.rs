//! The order in which `apk` meets all names it knows: that of its hash table. It decides nothing by itself, but where
//! wishes compete, the name that was looked at first may win.

use super::graph::NameId;

/// Buckets of the table. Source: apk-tools 3.0.6, `src/database.c`, `apk_db_init`.
const BUCKETS: u32 = 20_000;
/// Source: apk-tools 3.0.6, `src/blob.c`, `apk_blob_hash`.
const SEED: u32 = 5381;

/// All names, bucket by bucket; within a bucket, the latest comes first.
pub(super) fn sorted(names: &[&str]) -> Vec<NameId> {
    let mut order: Vec<(u32, std::cmp::Reverse<NameId>)> = names
        .iter()
        .enumerate()
        .map(|(at, name)| {
            (murmur3(name.as_bytes(), SEED) % BUCKETS, std::cmp::Reverse(NameId::new(at)))
        })
        .collect();
    order.sort_unstable();
    order.into_iter().map(|(_, id)| id.0).collect()
}

/// MurmurHash3, 32 bits, by Austin Appleby, who placed it in the public domain.
fn murmur3(key: &[u8], seed: u32) -> u32 {
    let mix =
        |block: u32| block.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
    let (blocks, tail) = key.as_chunks::<4>();
    let mut hash = seed;
    for block in blocks {
        hash ^= mix(u32::from_le_bytes(*block));
        hash = hash.rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
    }
    let mut last = [0; 4];
    last[..tail.len()].copy_from_slice(tail);
    hash ^= mix(u32::from_le_bytes(last));
    // Lengths of names fit.
    hash ^= key.len() as u32;
    hash = (hash ^ hash >> 16).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ hash >> 13).wrapping_mul(0xc2b2_ae35);
    hash ^ hash >> 16
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vectors that are published with many implementations.
    #[test]
    fn hashes_as_published() {
        assert_eq!(murmur3(b"", 0), 0);
        assert_eq!(murmur3(b"", 1), 0x514e_28b7);
        assert_eq!(murmur3(b"test", 0), 0xba6b_d213);
        assert_eq!(murmur3(b"Hello, world!", 0), 0xc036_3e43);
    }
}
