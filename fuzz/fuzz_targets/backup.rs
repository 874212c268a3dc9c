//! No file makes the backup container's reader panic, with a key that fits or without.
#![no_main]

use std::io::Read;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use pirun::backup::container::{Container, Sealer};
use pirun::vault::{Credential, Kdf, Limits, OpenVault};

/// A vault, and the header of a backup of it.
static VAULT: LazyLock<(OpenVault, Vec<u8>)> = LazyLock::new(|| {
    let kdf = Kdf { memory: 64, passes: 1, lanes: 1 };
    let vault = OpenVault::create("ci", &Credential::key_file([7; 32]), kdf).expect("a vault");
    let mut header = Vec::new();
    drop(Sealer::new(&vault, &mut header).expect("a header"));
    (vault, header)
});

fuzz_target!(|data: &[u8]| {
    let (vault, header) = &*VAULT;
    for file in [data.to_vec(), [b"pirun-backup 1\n", data].concat(), [header, data].concat()] {
        let limits = Limits::default();
        if let Ok(container) = Container::read(&file[..]) {
            let _ = container.open(&Credential::key_file([7; 32]), &limits);
        }
        if let Ok(reader) = Container::read(&file[..]).and_then(|container| container.open_with(vault)) {
            // The chunks are sealed under a key that the fuzzer does not know.
            assert!(reader.take(1 << 20).read_to_end(&mut Vec::new()).is_err());
        }
    }
});
