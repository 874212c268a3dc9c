//! Damage, tampering, a wrong password and a stranger's file are different things, and are said so.

use std::time::{Duration, Instant};

use pirun::error::Error;
use pirun::vault::{Vault, VaultError};

use crate::support::{limits, open, password, sample, sample_text};

/// The message and hints for a vault with this text, opened with the right password.
fn told(text: &str) -> String {
    told_with(text, "right")
}

fn told_with(text: &str, password: &str) -> String {
    let error: Error = open(text, password).unwrap_err().into();
    let lines: Vec<&str> =
        std::iter::once(error.message()).chain(error.hints().iter().map(String::as_str)).collect();
    lines.join("\n")
}

fn line<'a>(text: &'a str, start: &str) -> &'a str {
    text.lines().find(|line| line.starts_with(start)).unwrap()
}

#[test]
fn a_wrong_password() {
    insta::assert_snapshot!(told_with(&sample_text(), "wrong"), @"
    wrong password: it opens none of the slots (main); the file itself is undamaged
    Is this another vault's password? `pirun vault status` shows this vault's slots without one.
    ");
}

#[test]
fn a_file_that_is_no_vault() {
    insta::assert_snapshot!(told("$ANSIBLE_VAULT;1.1;AES256\n6132\n"), @"
    this is not a pirun vault: its first line is not `pirun-vault 1`
    Take the file from git or a backup, for example with `git checkout vault.enc`.
    ");
    assert!(matches!(Vault::parse(b""), Err(VaultError::NotAVault)));
}

#[test]
fn a_newer_version() {
    insta::assert_snapshot!(told("pirun-vault 2\nwhatever\n"), @"
    this vault has format version 2, which is newer than this pirun
    Update pirun.
    ");
}

#[test]
fn a_git_conflict() {
    let text = sample_text();
    let mac = line(&text, "mac ");
    let both = format!("<<<<<<< HEAD\n{mac}\n=======\n{mac}\n>>>>>>> theirs");
    insta::assert_snapshot!(told(&text.replace(mac, &both)), @"
    line 8 is a git conflict marker
    Run `pirun vault merge`: it merges both sides secret by secret. `pirun vault git-setup` makes git do so by itself.
    ");
}

#[test]
fn a_damaged_line() {
    let text = sample_text();
    insta::assert_snapshot!(told(&text.replace("m=64 ", "m=65 ")), @"
    line 3 is damaged: the slot's sum does not fit
    Take the file from git or a backup, for example with `git checkout vault.enc`.
    ");
    insta::assert_snapshot!(told(&text.replace("secret tunnel ", "secret tunnel  ")).lines().next().unwrap(), @"line 7 is damaged: a secret is a name and one word");
    insta::assert_snapshot!(told(&text[..text.len() - 1]).lines().next().unwrap(), @"line 9 is damaged: it is not written the way pirun writes it");
    insta::assert_snapshot!(told(&text.replace('\n', "\r\n")).lines().next().unwrap(), @"line 1 is damaged: its line ends were changed to CR LF");
}

#[test]
fn values_in_another_order() {
    let text = sample_text();
    let (first, second) = (line(&text, "secret cloud"), line(&text, "secret k3s"));
    let swapped = text.replace(first, "FIRST").replace(second, first).replace("FIRST", second);
    insta::assert_snapshot!(told(&swapped).lines().next().unwrap(), @"line 6 is damaged: the names are not in order");
}

#[test]
fn a_value_under_another_name() {
    let text = sample_text();
    let (first, second) = (line(&text, "secret cloud"), line(&text, "secret k3s"));
    let moved = text.replace(first.rsplit_once(' ').unwrap().1, second.rsplit_once(' ').unwrap().1);
    insta::assert_snapshot!(told(&moved).lines().next().unwrap(), @"secret `cloudflare_key` was altered, or moved here from another name or vault");
}

#[test]
fn a_value_of_another_vault() {
    let (ours, other) = (sample_text(), sample_text());
    let moved = ours.replace(line(&ours, "secret k3s"), line(&other, "secret k3s"));
    insta::assert_snapshot!(told(&moved).lines().next().unwrap(), @"secret `k3s_token` was altered, or moved here from another name or vault");
}

#[test]
fn a_deleted_value_and_an_older_version_of_one() {
    let mut vault = sample();
    let old = vault.print().unwrap();
    vault.set("k3s_token", &pirun::vault::SecretValue::text("new")).unwrap();
    let new = vault.print().unwrap();
    let wanted = "every secret is genuine, but the list of them was changed without the password\n\
        A merge, a deletion or an older copy does this. `pirun vault verify` lists what is there; \
        `pirun vault verify --accept` keeps it.";
    let without = new.replace(&format!("{}\n", line(&new, "secret k3s")), "");
    assert_eq!(told(&without), wanted);
    let rolled_back = new.replace(line(&new, "secret k3s"), line(&old, "secret k3s"));
    assert_eq!(told(&rolled_back), wanted);
}

#[test]
fn a_slot_of_another_vault() {
    let (ours, other) = (sample_text(), sample_text());
    let moved = ours.replace(line(&ours, "slot main"), line(&other, "slot main"));
    insta::assert_snapshot!(told(&moved).lines().next().unwrap(), @"the password is right, but slot `main` or the vault's id was altered");
}

#[test]
fn an_added_or_removed_slot() {
    let text = sample_text();
    let removed = text.replace(&format!("{}\n", line(&text, "slot ci")), "");
    assert!(matches!(open(&removed, "right"), Err(VaultError::SetChanged)));
    let doubled = text.replace(line(&text, "slot ci"), &[line(&text, "slot ci"); 2].join("\n"));
    assert!(matches!(open(&doubled, "right"), Err(VaultError::SetChanged)));
}

/// A slot line whose sum is right, as an attacker would write it.
fn forged(text: &str, cost: &str) -> String {
    use blake2::Blake2bMac;
    use blake2::digest::{KeyInit, Mac, consts::U32};
    let slot = line(text, "slot main");
    let body = slot.rsplit_once(" sum=").unwrap().0.replace("m=64 t=1 p=1", cost);
    let mut sum = <Blake2bMac<U32>>::new_from_slice(&[0; 32]).unwrap();
    sum.update(b"sum");
    sum.update(body.as_bytes());
    let sum: String =
        sum.finalize().into_bytes()[..4].iter().map(|byte| format!("{byte:02x}")).collect();
    text.replace(slot, &format!("{body} sum={sum}"))
}

#[test]
fn a_key_derivation_bomb_is_refused_before_it_costs_anything() {
    let text = sample_text();
    insta::assert_snapshot!(told(&forged(&text, "m=4194304 t=1 p=1")), @"
    slot `main` asks for 4096 MiB of memory and 1 passes, which is above the limit: not tried
    No pirun writes such a slot. Take the file from git or a backup.
    ");
    for cost in [
        "m=4294967295 t=1 p=1",
        "m=65536 t=4294967295 p=1",
        "m=64 t=1 p=4294967295",
        "m=0 t=0 p=0",
        "m=64 t=1 p=255",
    ] {
        let bomb = forged(&text, cost);
        let (memory, start) = (peak_memory(), cpu_time());
        let refused = open(&bomb, "right");
        assert!(
            matches!(
                refused,
                Err(VaultError::KdfTooExpensive { .. } | VaultError::KdfInvalid { .. })
            ),
            "{cost}"
        );
        assert!(
            cpu_time() - start < Duration::from_millis(20),
            "{cost} took {:?}",
            cpu_time() - start
        );
        assert!(peak_memory() - memory < 64 << 10, "{cost} took {} KiB", peak_memory() - memory);
    }
}

#[test]
fn a_slot_too_weak_to_protect_anything_is_refused() {
    let error = Vault::parse(sample_text().as_bytes())
        .unwrap()
        .open(&password("right"), &pirun::vault::Limits::default())
        .unwrap_err();
    insta::assert_snapshot!(error, @"slot `main` asks for 0 MiB of memory and 1 passes, which protects no password: not tried");
}

/// CPU time of this thread.
fn cpu_time() -> Duration {
    let time = rustix::thread::clock_gettime(rustix::thread::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The most memory this process ever used, in KiB.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn every_flipped_byte_is_noticed_and_never_reported_as_a_wrong_password() {
    let text = sample_text();
    let start = Instant::now();
    for index in 0..text.len() {
        for flip in [0x01, 0x20, 0x80] {
            let mut bytes = text.clone().into_bytes();
            bytes[index] ^= flip;
            let opened =
                Vault::parse(&bytes).and_then(|vault| vault.open(&password("right"), &limits()));
            let error = opened.expect_err(&format!("byte {index} ^ {flip:#x} was not noticed"));
            assert!(!error.is_wrong_credential(), "byte {index} ^ {flip:#x}: {error}");
        }
    }
    assert!(start.elapsed() < Duration::from_secs(600));
}

#[test]
fn every_truncation_is_noticed_without_a_password() {
    let text = sample_text();
    for length in 0..text.len() {
        let error = Vault::parse(&text.as_bytes()[..length]).expect_err(&format!("{length} bytes"));
        assert!(
            matches!(error, VaultError::Damaged { .. } | VaultError::NotAVault),
            "{length} bytes: {error}"
        );
    }
}

#[test]
fn nothing_may_be_added() {
    let text = sample_text();
    for more in ["\n", "x", "mac \n", "secret z AAAA\n", "\0"] {
        assert!(Vault::parse(format!("{text}{more}").as_bytes()).is_err(), "{more:?}");
    }
}
