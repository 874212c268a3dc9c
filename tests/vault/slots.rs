//! Passwords and key files: several ways in, changed one by one; and rotation.

use pirun::vault::{Credential, Kdf, OpenVault, SecretValue, Vault, VaultError};

use crate::support::{CHEAP, KEY, limits, open, password, sample, sample_text};

fn reopened(vault: &mut OpenVault, credential: &Credential) -> Result<OpenVault, VaultError> {
    vault.seal().unwrap().open(credential, &limits())
}

#[test]
fn each_slot_opens_the_vault_by_itself() {
    let mut vault = sample();
    assert_eq!(reopened(&mut vault, &password("right")).unwrap().opened_by(), "main");
    assert_eq!(reopened(&mut vault, &Credential::key_file(KEY)).unwrap().opened_by(), "ci");
    let error = reopened(&mut vault, &Credential::key_file([8; 32])).unwrap_err();
    insta::assert_snapshot!(error, @"wrong key file: it opens none of the slots (ci); the file itself is undamaged");
}

#[test]
fn a_key_file_is_no_password() {
    let mut vault = OpenVault::create("main", &password("right"), CHEAP).unwrap();
    let error = reopened(&mut vault, &Credential::key_file(KEY)).unwrap_err();
    insta::assert_snapshot!(error, @"the vault has no slot for a key file");
}

#[test]
fn changing_a_slot_leaves_every_secret_untouched() {
    let mut vault = sample();
    let before = vault.print().unwrap();
    vault.replace_slot("main", &password("new"), CHEAP).unwrap();
    vault.add_slot("recovery", &password("paper"), CHEAP).unwrap();
    vault.remove_slot("ci").unwrap();
    let after = vault.print().unwrap();
    let secrets = |text: &str| {
        text.lines()
            .filter(|line| line.starts_with("secret "))
            .map(String::from)
            .collect::<Vec<_>>()
    };
    assert_eq!(secrets(&before), secrets(&after));
    assert!(open(&after, "right").unwrap_err().is_wrong_credential());
    assert_eq!(open(&after, "new").unwrap().opened_by(), "main");
    assert_eq!(open(&after, "paper").unwrap().opened_by(), "recovery");
}

#[test]
fn the_last_slot_stays() {
    let mut vault = OpenVault::create("main", &password("right"), CHEAP).unwrap();
    insta::assert_snapshot!(vault.remove_slot("main").unwrap_err(), @"`main` is the only slot: without it nobody could open the vault");
    insta::assert_snapshot!(vault.remove_slot("mian").unwrap_err(), @"there is no slot `mian`");
}

#[test]
fn there_are_at_most_sixteen_slots() {
    let mut vault = OpenVault::create("0", &password("right"), CHEAP).unwrap();
    for label in 1..16 {
        vault.add_slot(&label.to_string(), &Credential::key_file([label; 32]), CHEAP).unwrap();
    }
    assert!(matches!(
        vault.add_slot("16", &Credential::key_file(KEY), CHEAP),
        Err(VaultError::TooManySlots)
    ));
    assert!(matches!(
        vault.add_slot("3", &Credential::key_file(KEY), CHEAP),
        Err(VaultError::SlotExists(_))
    ));
    assert_eq!(reopened(&mut vault, &Credential::key_file([15; 32])).unwrap().opened_by(), "15");
}

#[test]
fn rotation_seals_everything_anew_and_keeps_the_old_key_for_backups() {
    let mut vault = sample();
    let (before, old_key) = (vault.print().unwrap(), vault.key().clone());
    vault.rotate(&[("main".into(), password("right"), CHEAP)]).unwrap();
    let after = vault.print().unwrap();
    for line in
        before.lines().filter(|line| !line.starts_with("pirun-vault") && !line.starts_with("id "))
    {
        assert!(!after.contains(line), "{line} was kept");
    }
    let opened = open(&after, "right").unwrap();
    assert_eq!(opened.id(), sample_id(&before));
    assert_eq!(
        opened.get("k3s_token").unwrap().expose_text(),
        Some("K10abcdef::server:0123456789")
    );
    assert_eq!(opened.names().count(), 3, "the old key is not listed");
    let kept = opened.key_of(&old_key.id()).unwrap();
    assert_eq!(kept.backup_key(), old_key.backup_key());
    assert_ne!(opened.key().backup_key(), old_key.backup_key());
    assert!(opened.key_of("0000000000000000").is_none());

    // Again: both old keys are there.
    let mut again = opened.clone();
    again.rotate(&[("main".into(), password("right"), CHEAP)]).unwrap();
    assert!(again.key_of(&old_key.id()).is_some() && again.key_of(&opened.key().id()).is_some());
}

fn sample_id(text: &str) -> String {
    Vault::parse(text.as_bytes()).unwrap().id()
}

#[test]
fn pirun_keeps_some_names_for_itself() {
    let mut vault = sample();
    let value = SecretValue::text("x");
    insta::assert_snapshot!(vault.set("_old/1", &value).unwrap_err(), @"`_old/1` is a name that pirun keeps for itself");
    for name in ["", "a b", "ü", "a\n", "a=b", &"x".repeat(129)] {
        assert!(matches!(vault.set(name, &value), Err(VaultError::BadName(_))), "{name:?}");
    }
    assert!(vault.set(&"x".repeat(128), &value).unwrap());
}

#[test]
fn an_equal_value_keeps_its_bytes() {
    let mut vault = sample();
    let before = vault.print().unwrap();
    assert!(!vault.set("cloudflare_key", &SecretValue::text("apikey")).unwrap());
    assert_eq!(vault.print().unwrap(), before);
    assert!(
        vault.set("cloudflare_key", &SecretValue::bytes(b"apikey")).unwrap(),
        "another kind is a change"
    );
}

#[test]
fn the_default_cost_opens_what_it_sealed() {
    let mut vault = OpenVault::create("main", &password("right"), Kdf::DEFAULT).unwrap();
    let sealed = vault.seal().unwrap();
    assert!(sealed.print().contains(" argon2id m=262144 t=3 p=4 "));
    sealed.open(&password("right"), &pirun::vault::Limits::default()).unwrap();
}

#[test]
fn an_empty_password_is_refused() {
    assert!(matches!(Credential::password(b""), Err(VaultError::EmptyPassword)));
    assert_eq!(sample_text().lines().count(), 8);
}
