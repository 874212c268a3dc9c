//! Whatever is put in comes out.

use std::collections::BTreeMap;

use pirun::vault::ansible::{self, AnsiblePasswords};
use pirun::vault::{Credential, OpenVault, Password, SecretValue, Vault, VaultError};
use proptest::prelude::*;

use crate::support::{CHEAP, KEY, limits};

fn key() -> Credential {
    Credential::key_file(KEY)
}

fn value() -> impl Strategy<Value = SecretValue> {
    prop_oneof![
        any::<String>().prop_map(|text| SecretValue::text(&text)),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(|bytes| SecretValue::bytes(&bytes)),
        any::<(String, i64, bool)>()
            .prop_map(|content| SecretValue::json(&serde_json::json!(content).to_string()).unwrap()),
    ]
}

proptest! {
    #[test]
    fn every_set_of_secrets_survives_printing_and_opening(
        secrets in prop::collection::btree_map("[A-Za-z0-9.][A-Za-z0-9._/-]{0,40}", value(), 0..12),
    ) {
        let mut vault = OpenVault::create("ci", &key(), CHEAP).unwrap();
        for (name, value) in &secrets {
            vault.set(name, value).unwrap();
        }
        let text = vault.print().unwrap();
        prop_assert!(text.is_ascii());
        let parsed = Vault::parse(text.as_bytes()).unwrap();
        prop_assert_eq!(parsed.print(), text);
        let opened = parsed.open(&key(), &limits()).unwrap();
        let read: BTreeMap<_, _> = opened.names().map(|name| (name.to_owned(), opened.get(name).unwrap())).collect();
        prop_assert_eq!(read.len(), secrets.len());
        for (name, value) in &secrets {
            prop_assert_eq!(read[name].value(), value);
            prop_assert_eq!(read[name].kind(), value.kind());
        }
    }

    #[test]
    fn no_text_makes_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), after_magic: bool) {
        let text = if after_magic { [b"pirun-vault 1\n", &bytes[..]].concat() } else { bytes };
        let _ = Vault::parse(&text);
    }

    #[test]
    fn no_text_makes_the_importer_panic(
        text in "[a-z:!|>&*\\[\\]{}'\" \n#\\-0-9<]{0,80}",
        hex in "[0-9a-f\n]{0,200}",
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut passwords = AnsiblePasswords::default();
        let vault = format!("a: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  {}", hex.replace('\n', "\n  "));
        passwords.add(None, Password::new(b"password").unwrap());
        for content in [text.as_bytes(), vault.as_bytes(), &bytes, format!("$ANSIBLE_VAULT;1.2;AES256;x\n{hex}").as_bytes()] {
            let _ = ansible::read(content, &passwords, "whole");
        }
    }

    #[test]
    fn short_secrets_do_not_show_their_length(length in 0_usize..62) {
        let mut vault = OpenVault::create("ci", &key(), CHEAP).unwrap();
        vault.set("a", &SecretValue::bytes(&vec![1; length])).unwrap();
        vault.set("b", &SecretValue::text("")).unwrap();
        let sealed = vault.seal().unwrap();
        let lengths: Vec<usize> = sealed.sealed_values().map(|(_, sealed)| sealed.len()).collect();
        prop_assert_eq!(lengths, [104, 104]);
    }
}

#[test]
fn a_megabyte_is_a_secret_like_any_other_and_four_are_too_much() {
    let mut vault = OpenVault::create("ci", &key(), CHEAP).unwrap();
    let megabyte: Vec<u8> = (0..1 << 20).map(|index| ((index * 31) >> 3) as u8).collect();
    vault.set("big", &SecretValue::bytes(&megabyte)).unwrap();
    let opened = vault.seal().unwrap().open(&key(), &limits()).unwrap();
    assert_eq!(opened.get("big").unwrap().expose_bytes(), megabyte);
    vault.set("bigger", &SecretValue::bytes(&[0; 3 << 20])).unwrap();
    assert!(matches!(vault.print(), Err(VaultError::TooLarge { .. })));
}
