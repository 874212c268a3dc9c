//! No install script makes the interpreter panic, hang or run out of memory, whatever it does to the tree.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pirun::image::apk::ScriptKind;
use pirun::image::install::scripts::{Script, Target, interpret};
use pirun::image::{Entry, Tree};

fuzz_target!(|data: &[u8]| {
    let mut tree = Tree::new();
    for command in ["ln", "mkdir", "rm", "mv", "cp", "cat", "grep", "chmod", "chown", "adduser"] {
        let path = format!("bin/{command}");
        tree.insert(&path, Entry::file(*b"", 0o755)).expect("the path is plain");
    }
    let text = [b"#!/bin/sh\n", data].concat();
    let script = Script { package: "a-1.0-r0", kind: ScriptKind::PostInstall, text: &text };
    let target = Target { arch: "aarch64", date: 0 };
    let _ = interpret(&mut tree, script, &["1.0-r0".to_owned()], target);
});
