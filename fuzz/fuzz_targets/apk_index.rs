//! No index makes the parser panic, whether it is signed or not.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use pirun::image::apk::{Dependency, Index, Keys, Repository, solve};

static KEYS: LazyLock<Keys> = LazyLock::new(|| Keys::alpine("aarch64").expect("pinned keys"));

fuzz_target!(|data: &[u8]| {
    let _ = Index::open(data, &KEYS, "fuzz");
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(packages) = Index::parse(text) else { return };
    let Some(first) = packages.first() else { return };
    let world = [Dependency::on(&first.name)];
    let index = Index { packages, ..Index::default() };
    let _ = solve(&world, &[Repository { name: "fuzz".into(), tag: None, index }], "aarch64");
});
