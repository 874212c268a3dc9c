//! Vaults that were written once, by pirun and by Python, open for ever. `vectors/README.md` says what is in them.

use std::fs;

use pirun::vault::ansible::{self, AnsiblePasswords};
use pirun::vault::{Credential, OpenVault, Password, Vault};

use crate::support::{here, limits, password};

fn vector(name: &str) -> Vec<u8> {
    fs::read(here().join("vectors").join(name)).unwrap()
}

fn contents(vault: &OpenVault) -> String {
    let line = |name: &str| {
        let secret = vault.get(name).unwrap();
        format!(
            "{name} {} {:?}\n",
            secret.kind().name(),
            String::from_utf8_lossy(secret.expose_bytes())
        )
    };
    format!(
        "opened by {}, key {}\n{}",
        vault.opened_by(),
        vault.key().id(),
        vault.names().map(line).collect::<String>()
    )
}

fn opened(name: &str, credential: &Credential) -> String {
    contents(&Vault::parse(&vector(name)).unwrap().open(credential, &limits()).unwrap())
}

#[test]
fn a_vault_by_pirun() {
    insta::assert_snapshot!(opened("pirun.enc", &password("correct horse battery staple")), @r#"
    opened by main, key d7bfb1dbc0b334d1
    bytes bytes "\0�\0"
    cloudflared json "{\"AccountTag\":\"a\",\"TunnelSecret\":\"c2VjcmV0\"}"
    empty text ""
    k3s_token text "thek3stokengeneratedoncontrolandsharedwithnodes"
    long/name_1.a-b text "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
    text text "grün\nzwei\n"
    "#);
    insta::assert_snapshot!(opened("pirun.enc", &Credential::key_file([7; 32])).lines().next().unwrap(), @"opened by ci, key d7bfb1dbc0b334d1");
}

#[test]
fn a_vault_by_python() {
    insta::assert_snapshot!(opened("python.enc", &password("from python")), @r#"
    opened by python, key 50949ab4911a8827
    a bytes "\0��"
    empty text ""
    k3s_token text "two"
    z json "{}"
    "#);
}

#[test]
fn files_by_ansible_vault() {
    let mut passwords = AnsiblePasswords::default();
    passwords.add(None, Password::new(b"ansible password").unwrap());
    passwords.add(Some("prod".into()), Password::new(b"prod password").unwrap());
    let names = |name: &str| {
        let values = ansible::read(&vector(name), &passwords, "whole").unwrap();
        values
            .into_iter()
            .map(|(name, value)| {
                format!("{name} {}={:?}\n", value.kind().name(), value.expose_text().unwrap())
            })
            .collect::<String>()
    };
    insta::assert_snapshot!(names("ansible-1.1.yml"), @r#"
    k3s_token text="thek3stokengeneratedoncontrolandsharedwithnodes"
    cloudflare_traefik_api_key text="apikeyfromcloudflareusedwithcert-manager"
    metallb_address_pool text="10.10.11.21-10.10.11.29"
    nested json="{\"a\":[1,true,null],\"b\":\"0644\"}"
    "#);
    insta::assert_snapshot!(names("ansible-1.2.yml"), @r#"
    k3s_token text="thek3stokengeneratedoncontrolandsharedwithnodes"
    cloudflare_traefik_api_key text="apikeyfromcloudflareusedwithcert-manager"
    metallb_address_pool text="10.10.11.21-10.10.11.29"
    nested json="{\"a\":[1,true,null],\"b\":\"0644\"}"
    "#);
    insta::assert_snapshot!(names("ansible-inline.yml"), @r#"
    one text="first value"
    db.password text="second value"
    "#);
}
