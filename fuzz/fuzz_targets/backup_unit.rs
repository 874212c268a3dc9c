//! No tar makes the reader of what a backup holds panic, and no name that it lets through leads astray.
#![no_main]

use std::io::Read;

use libfuzzer_sys::fuzz_target;
use pirun::backup::unit::{self, EntryKind, Info, Kind};

/// The entry that every unit begins with, so that the fuzzer need not find it.
fn info(kind: Kind) -> Vec<u8> {
    let info = Info { node: "rpi40".into(), taken: 0, arch: "aarch64".into(), kind }.to_string();
    let mut header = tar::Header::new_ustar();
    header.set_size(info.len() as u64);
    let mut builder = tar::Builder::new(Vec::new());
    builder.append_data(&mut header, unit::INFO, info.as_bytes()).expect("memory");
    // Without the end of the archive.
    let whole = builder.into_inner().expect("memory");
    whole[..whole.len() - 1024].to_vec()
}

fuzz_target!(|data: &[u8]| {
    let server = Kind::Server {
        k3s: String::new(),
        method: unit::Method::Vacuum,
        cluster: "0".repeat(64),
        max_id: 0,
    };
    for begin in [Vec::new(), info(Kind::Paths), info(server)] {
        let file = [&begin, data].concat();
        let _ = unit::read(&file[..], &mut |_, entry, content| {
            assert!(!entry.name.starts_with('/'));
            assert!(!entry.name.split('/').any(|part| matches!(part, "" | "." | "..")));
            if let EntryKind::Link(target) = &entry.kind {
                assert!(!target.starts_with('/'));
            }
            content.read_to_end(&mut Vec::new()).map(drop).or(Ok(()))
        });
    }
});
