//! The format is what its description says: a reader and a writer in Python, which share no code with pirun, agree.

use std::fs;
use std::process::Command;

use pirun::vault::{Kdf, OpenVault, SecretValue, Vault};

use crate::support::{CHEAP, KEY, Project, here, limits, password, python};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn run(script: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(python()?.join("python"))
        .arg(here().join(script))
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn python_opens_what_pirun_writes() {
    let project = Project::empty();
    let kdf = Kdf { memory: 1 << 10, passes: 2, lanes: 3 };
    let mut vault = OpenVault::create("main", &password("pässword"), kdf).unwrap();
    vault.add_slot("ci", &pirun::vault::Credential::key_file(KEY), CHEAP).unwrap();
    vault.set("text", &SecretValue::text("grün\n")).unwrap();
    vault.set("bytes", &SecretValue::bytes(&[0, 0x80, 0, 0x80, 0, 0])).unwrap();
    vault.set("json", &SecretValue::json("[1, \"x\"]").unwrap()).unwrap();
    vault.set("long/one", &SecretValue::bytes(&[0; 1000])).unwrap();
    vault.set("empty", &SecretValue::text("")).unwrap();
    let path = project.path("vault.enc");
    fs::write(&path, vault.print().unwrap()).unwrap();

    let secrets = format!(
        "bytes bytes 008000800000\nempty text \njson json 5b312c202278225d\nlong/one bytes {}\ntext text 6772c3bc6e0a\n",
        "00".repeat(1000)
    );
    let path = path.to_str().unwrap();
    let Some(shown) = run("verify.py", &[path, "password", &hex("pässword".as_bytes())]) else {
        return;
    };
    assert_eq!(shown, format!("opened by main\n{secrets}"));
    assert_eq!(
        run("verify.py", &[path, "keyfile", &hex(&KEY)]).unwrap(),
        format!("opened by ci\n{secrets}")
    );
}

#[test]
fn pirun_opens_what_python_writes() {
    let project = Project::empty();
    let path = project.path("vault.enc");
    let long = "a5".repeat(1000);
    let arguments = [
        path.to_str().unwrap(),
        &hex(b"from python"),
        &hex(&KEY),
        "k3s_token",
        "s",
        &hex(b"two"),
        "a",
        "b",
        "00ff80",
        "z",
        "j",
        &hex(b"{}"),
        "long",
        "b",
        &long,
        "empty",
        "s",
        "",
    ];
    if run("write.py", &arguments).is_none() {
        return;
    }
    let content = fs::read(&path).unwrap();
    let vault = Vault::parse(&content).unwrap();
    assert_eq!(vault.print().as_bytes(), content);
    let opened = vault.open(&password("from python"), &limits()).unwrap();
    assert_eq!(opened.opened_by(), "python");
    assert_eq!(opened.get("a").unwrap().expose_bytes(), [0, 0xff, 0x80]);
    assert_eq!(opened.get("long").unwrap().expose_bytes(), [0xa5; 1000]);
    insta::assert_snapshot!(project.run(&["list", "--long"]), @"
    a          bytes  3 bytes
    empty      text   0 bytes
    k3s_token  text   3 bytes
    long       bytes  1000 bytes
    z          json   2 bytes
    ");
}
