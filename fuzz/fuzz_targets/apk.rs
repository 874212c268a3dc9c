//! No file makes the reader of packages panic.
#![no_main]

use libfuzzer_sys::fuzz_target;

mod package;

fuzz_target!(|data: &[u8]| {
    let _ = package::open(data);
});
