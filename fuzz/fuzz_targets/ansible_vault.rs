//! No file makes the import from ansible-vault panic, with a password or without.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pirun::vault::Password;
use pirun::vault::ansible::{self, AnsiblePasswords};
use pirun::vault::yaml::Node;

fuzz_target!(|data: &[u8]| {
    let mut passwords = AnsiblePasswords::default();
    let _ = ansible::read(data, &passwords, "whole");
    passwords.add(Some("id".into()), Password::new(b"password").expect("it is not empty"));
    let _ = ansible::read(data, &passwords, "whole");
    let envelope = [b"$ANSIBLE_VAULT;1.1;AES256\n", data].concat();
    let _ = ansible::read(&envelope, &passwords, "whole");
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = Node::parse(text);
    }
});
