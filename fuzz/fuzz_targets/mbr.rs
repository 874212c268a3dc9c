//! No sector makes the parser of partition tables panic, and a table that it accepts survives writing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pirun::image::mbr::Mbr;

fuzz_target!(|data: &[u8]| {
    if let Ok(mbr) = Mbr::parse(data) {
        assert_eq!(Mbr::parse(&mbr.encode()).ok(), Some(mbr));
    }
    // The same behind a signature, so that most inputs get further than that.
    let mut sector = [0; 512];
    let len = data.len().min(64);
    sector[446..446 + len].copy_from_slice(&data[..len]);
    sector[510..].copy_from_slice(&[0x55, 0xAA]);
    if let Ok(mbr) = Mbr::parse(&sector) {
        assert_eq!(Mbr::parse(&mbr.encode()).ok(), Some(mbr));
    }
});
