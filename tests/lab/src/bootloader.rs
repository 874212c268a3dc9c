//! What U-Boot's script on the boot partition does: pick a slot, count the tries, fall back.

use crate::uboot_env::{ByteOrder, Record};

/// Boots of a slot without anybody resetting the counter, before the other one is tried.
const LIMIT: u8 = 2;

/// The boot loader's turn: from the content of `uboot.dat` (empty if there is none) to the record it writes back, whose
/// partition it boots.
pub fn turn(found: &[u8], order: ByteOrder) -> Record {
    let mut record = Record::parse(found, order).unwrap_or_else(|| Record::default_over(found));
    let partition = match record.partition() {
        3 => 3,
        _ => 2,
    };
    if record.counter() >= LIMIT {
        // This try is not counted: the script's branch ends here.
        record.set(0, 5 - partition);
    } else {
        record.set(record.counter() + 1, partition);
    }
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boots(mut bytes: Vec<u8>, order: ByteOrder, times: usize) -> Vec<(u8, u8)> {
        let mut seen = Vec::new();
        for _ in 0..times {
            let record = turn(&bytes, order);
            seen.push((record.partition(), record.counter()));
            bytes = record.bytes(order).to_vec();
        }
        seen
    }

    #[test]
    fn a_slot_nobody_confirms_is_left_after_two_tries() {
        for order in [ByteOrder::Little, ByteOrder::Big] {
            assert_eq!(boots(Vec::new(), order, 5), [(2, 1), (2, 2), (3, 0), (3, 1), (3, 2)]);
        }
    }

    #[test]
    fn the_wrong_byte_order_counts_as_damage() {
        let mut record = Record::default_over(&[]);
        record.set(0, 3);
        assert_eq!(turn(&record.bytes(ByteOrder::Big), ByteOrder::Big).partition(), 3);
        assert_eq!(turn(&record.bytes(ByteOrder::Big), ByteOrder::Little).partition(), 2);
    }

    #[test]
    fn garbage_is_replaced_by_the_defaults_and_otherwise_kept() {
        let record = turn(&[0xa5; 1024], ByteOrder::Little);
        assert_eq!((record.partition(), record.counter()), (2, 1));
        assert_eq!(record.bytes(ByteOrder::Little)[3..1020], [0xa5; 1017]);
    }
}
