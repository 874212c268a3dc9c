//! A killed writer leaves the old vault or the new one, and two writers lose nothing.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use pirun::vault::{Credential, OpenVault, Vault, VaultFile};

use crate::support::{CHEAP, KEY, Project, limits};

const ROUNDS: u32 = 80;

fn opened(text: &str) -> OpenVault {
    let vault = Vault::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{error}:\n{text}"));
    vault.open(&Credential::key_file(KEY), &limits()).unwrap()
}

#[test]
fn a_writer_that_is_killed_at_any_moment_leaves_a_whole_vault() {
    let project = Project::new();
    // A large vault takes longer to write.
    let mut vault = opened(&project.vault());
    let big = vec![1; 100 << 10];
    vault.set("big", &pirun::vault::SecretValue::bytes(&big)).unwrap();
    fs::write(project.path("vault.enc"), vault.print().unwrap()).unwrap();

    let start = || {
        // Not by `setsid`, which would take the signal for itself.
        let mut command = Command::new(env!("CARGO_BIN_EXE_pirun"));
        command.args(["vault", "set", "k3s_token", "--random", "40"]);
        command.current_dir(project.directory.path()).env("PIRUN_VAULT_KEY_FILE", "key");
        command.env("XDG_STATE_HOME", project.states.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap()
    };
    let started = Instant::now();
    start().wait().unwrap();
    let whole = started.elapsed();

    // Homes in on the moment of the write: later after a kill that came too early, earlier after one too late.
    let (mut changed, mut last, mut delay) = (0, project.vault(), whole);
    for _ in 0..ROUNDS {
        let mut child = start();
        thread::sleep(delay);
        let _ = child.kill();
        child.wait().unwrap();
        let text = project.vault();
        opened(&text);
        let written = text != last;
        changed += u32::from(written);
        delay = if written { delay * 15 / 16 } else { delay * 17 / 16 };
        last = text;
    }
    assert!(
        (1..ROUNDS).contains(&changed),
        "the kills came before or after every write: {changed} of {ROUNDS} were written"
    );
    project.run(&["set", "done", "--random", "8"]);
    let left: Vec<_> = fs::read_dir(project.directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left.len(), 2, "the next writer removes what the killed ones left: {left:?}");
}

#[test]
fn writers_at_the_same_time_lose_nothing() {
    let project = Project::new();
    let writers: Vec<_> = (0..16)
        .map(|number| {
            let name = format!("name{number}");
            let mut command = project.command(&["set", &name, "--random", "12"]);
            command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
        })
        .collect();
    for mut writer in writers {
        assert!(writer.wait().unwrap().success());
    }
    let vault = opened(&project.vault());
    assert_eq!((0..16).filter(|number| vault.contains(&format!("name{number}"))).count(), 16);
}

#[test]
fn a_writer_that_cannot_get_the_lock_says_so() {
    let project = Project::new();
    let held = fs::File::open(project.path("vault.enc")).unwrap();
    rustix::fs::flock(&held, rustix::fs::FlockOperation::LockExclusive).unwrap();
    insta::assert_snapshot!(project.run(&["set", "a", "--random", "12"]), @"
    error: vault.enc: another pirun is writing the vault
    hint: Wait for it to end. If none is running, look with `fuser vault.enc` who holds the file.
    exit code 4
    ");
}

#[test]
fn mode_and_symbolic_link_stay() {
    let project = Project::new();
    fs::create_dir(project.path("real")).unwrap();
    fs::rename(project.path("vault.enc"), project.path("real/v")).unwrap();
    symlink("real/v", project.path("vault.enc")).unwrap();
    fs::set_permissions(project.path("real/v"), fs::Permissions::from_mode(0o640)).unwrap();
    project.run(&["set", "a", "--random", "12"]);
    assert!(fs::symlink_metadata(project.path("vault.enc")).unwrap().is_symlink());
    assert_eq!(fs::metadata(project.path("real/v")).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(opened(&project.vault()).contains("a"));
}

#[test]
fn a_new_vault_is_private_and_never_replaces_another() {
    let project = Project::empty();
    let path = project.path("vault.enc");
    let new = || OpenVault::create("ci", &Credential::key_file(KEY), CHEAP).unwrap();
    VaultFile::create(&path, new()).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let before = project.vault();
    insta::assert_snapshot!(VaultFile::create(&path, new()).unwrap_err(), @"there is a vault here already");
    assert_eq!(project.vault(), before);
}

#[test]
fn a_change_that_fails_changes_nothing() {
    let project = Project::new();
    let before = project.vault();
    insta::assert_snapshot!(project.run(&["rm", "k3s_token", "nothing"]), @r#"
    error: there is no secret `nothing` in the vault
    hint: `pirun vault set nothing` adds it; `pirun vault list` shows all names.
    exit code 2
    "#);
    assert_eq!(project.vault(), before);
}
