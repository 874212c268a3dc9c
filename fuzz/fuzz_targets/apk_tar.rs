//! No tar makes the reader of a package's files panic, and no path that it lets through leads astray.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pirun::image::Tree;
use sha2::{Digest as _, Sha256};

mod package;

fuzz_target!(|tar: &[u8]| {
    let data = package::gzip(tar);
    let hash: String = Sha256::digest(&data).iter().map(|byte| format!("{byte:02x}")).collect();
    let info = format!("pkgname = demo\npkgver = 1\ndatahash = {hash}\n");
    let mut control = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(info.len() as u64);
    control.append_data(&mut header, ".PKGINFO", info.as_bytes()).expect("memory");
    let control = package::gzip(&control.into_inner().expect("memory"));
    let file = [package::gzip(&[0; 1024]), control, data].concat();
    let Some((archive, _spool)) = package::open(&file) else { return };
    let mut tree = Tree::new();
    for file in archive.files {
        assert!(!file.path.split('/').any(|name| matches!(name, "" | "." | "..")));
        tree.insert(&file.path, file.entry).expect("what a package may hold can be laid out");
    }
    for (path, _) in tree.iter() {
        if let Some(content) = tree.content(path) {
            assert_eq!(content.bytes().expect("the spool").len() as u64, content.len());
        }
    }
});
