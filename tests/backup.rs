//! The backup container is what its description says: a reader and a writer in Python, which share no code with pirun,
//! agree with it.
#![allow(clippy::unwrap_used)]

#[allow(dead_code, reason = "the vault's tests use the rest of it")]
#[path = "vault/support.rs"]
mod support;

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use pirun::backup::container::{Container, Sealer};
use pirun::vault::{Credential, OpenVault};

use support::{CHEAP, KEY, limits, password, python, sample};

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/backup").join(name)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `None` where there is no Python environment.
fn run(name: &str, arguments: &[&str], stdin: &[u8]) -> Option<Output> {
    let mut child = Command::new(python()?.join("python"))
        .arg(script(name))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(stdin).unwrap();
    Some(child.wait_with_output().unwrap())
}

fn opened_by_python(file: &Path, kind: &str, secret: &[u8]) -> Option<Output> {
    run("open.py", &[file.to_str().unwrap(), kind, &hex(secret)], b"")
}

fn write_backup(vault: &OpenVault, content: &[u8], file: &Path) {
    let mut sealer = Sealer::new(vault, fs::File::create(file).unwrap()).unwrap();
    sealer.write_all(content).unwrap();
    sealer.finish().unwrap();
}

fn opened(file: &Path, credential: &Credential) -> Vec<u8> {
    let container = Container::read(fs::File::open(file).unwrap()).unwrap();
    let mut content = Vec::new();
    container.open(credential, &limits()).unwrap().read_to_end(&mut content).unwrap();
    content
}

/// Two megabytes, half of which compress.
fn content() -> Vec<u8> {
    let mut state = 7_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..2_000_000).map(|index| if index % 20_000 < 10_000 { next() } else { b'x' }).collect()
}

#[test]
fn python_opens_what_pirun_seals_with_the_password_alone() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("backup");
    for content in [content(), Vec::new(), b"small".to_vec()] {
        write_backup(&sample(), &content, &file);
        for (kind, secret) in [("password", &b"right"[..]), ("keyfile", &KEY)] {
            let Some(output) = opened_by_python(&file, kind, secret) else { return };
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            assert!(output.stdout == content, "{} bytes by {kind}", content.len());
        }
    }
    write_backup(&sample(), &content(), &file);
    let Some(wrong) = opened_by_python(&file, "password", b"wrong") else { return };
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("no slot opens"));
    let whole = fs::read(&file).unwrap();
    fs::write(&file, &whole[..whole.len() - 65_552]).unwrap();
    let Some(cut) = opened_by_python(&file, "password", b"right") else { return };
    assert!(!cut.status.success() && cut.stdout.is_empty());
}

#[test]
fn python_opens_an_old_backup_whose_header_was_written_anew() {
    let directory = tempfile::tempdir().unwrap();
    let (old, new) = (directory.path().join("old"), directory.path().join("new"));
    let mut vault = sample();
    write_backup(&vault, &content(), &old);
    vault.rotate(&[("main".into(), password("new"), CHEAP)]).unwrap();
    let container = Container::read(fs::File::open(&old).unwrap()).unwrap();
    container.rewrap(&vault, fs::File::create(&new).unwrap()).unwrap();
    for (file, secret) in [(&old, "right"), (&new, "new")] {
        let Some(output) = opened_by_python(file, "password", secret.as_bytes()) else { return };
        assert!(output.stdout == content(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn pirun_opens_what_python_seals() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("backup");
    let arguments = [file.to_str().unwrap(), &hex(b"from python"), &hex(&KEY)];
    let Some(output) = run("seal.py", &arguments, &content()) else { return };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(opened(&file, &password("from python")) == content());
    assert!(opened(&file, &Credential::key_file(KEY)) == content());
}

#[test]
fn a_backup_that_python_sealed_once_opens_for_ever() {
    let content = opened(&script("vectors/python.pbk"), &password("from python"));
    assert_eq!(content, b"a backup that is kept\n");
}
