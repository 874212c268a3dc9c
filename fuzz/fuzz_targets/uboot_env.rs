//! No `uboot.dat` makes its parser panic, and what it accepts is what it would write.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pirun::image::uboot_env::{SIZE, UbootEnv};

fuzz_target!(|data: &[u8]| {
    if let Ok(env) = UbootEnv::parse(data) {
        assert_eq!(&env.encode()[..], data);
    }
    // With a checksum that fits, so that most inputs get further than that.
    let mut bytes = [0; SIZE];
    let len = data.len().min(SIZE - 4);
    bytes[..len].copy_from_slice(&data[..len]);
    let crc = crc32fast::hash(&bytes[..SIZE - 4]);
    bytes[SIZE - 4..].copy_from_slice(&crc.to_le_bytes());
    if let Ok(env) = UbootEnv::parse(&bytes) {
        assert_eq!(env.encode(), bytes);
    }
});
