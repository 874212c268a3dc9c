//! No file makes the parser of manifests panic, and what it accepts is what it would write.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pirun::image::manifest::Manifest;

const ABOUT: &[u8] = b"pirun-image 1\nid i\nversion 1\nfloor 0\narch a\nboards b\ncreated 0\nalpine 3\nk3s -\n";

fuzz_target!(|data: &[u8]| {
    for bytes in [data.to_vec(), [ABOUT, data].concat()] {
        if let Ok(manifest) = Manifest::parse(&bytes) {
            assert_eq!(manifest.print().into_bytes(), bytes);
        }
    }
});
