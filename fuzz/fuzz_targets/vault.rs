//! No file makes the vault's parser panic, and what it accepts is what it would write.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pirun::vault::Vault;

fuzz_target!(|data: &[u8]| {
    if let Ok(vault) = Vault::parse(data) {
        assert_eq!(vault.print().as_bytes(), data);
    }
    let after_magic = [b"pirun-vault 1\nid 00000000000000000000000000000000\n", data].concat();
    let _ = Vault::parse(&after_magic);
});
