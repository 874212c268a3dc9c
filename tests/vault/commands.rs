//! `pirun vault …` as a user sees it.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::{KEY, Project};

#[test]
fn create_set_get_list() {
    let project = Project::empty();
    insta::assert_snapshot!(project.run(&["create"]), @"
    created vault.enc with slot `main`
    hint: Whoever loses the password loses the secrets: `pirun vault passwd add recovery --words`.
    ");
    insta::assert_snapshot!(project.run_with_stdin(&["set", "k3s_token"], b"hunter2hunter2\n"), @"the secret is set");
    insta::assert_snapshot!(project.run_with_stdin(&["set", "k3s_token"], b"hunter2hunter2\n"), @"the secret has this value already: nothing was changed");
    project.run_with_stdin(&["set", "login", "--json"], br#"{"user":"pi"}"#);
    project.run(&["set", "wifi", "--random", "20"]);
    project.run(&["set", "blob", "--file", "key", "--bytes"]);
    insta::assert_snapshot!(project.run(&["list"]), @"
    blob
    k3s_token
    login
    wifi
    ");
    insta::assert_snapshot!(project.run(&["list", "--long"]), @"
    blob       bytes  32 bytes
    k3s_token  text   14 bytes
    login      json   13 bytes
    wifi       text   20 bytes
    ");
    insta::assert_snapshot!(project.run(&["get", "k3s_token"]), @"hunter2hunter2");
    assert_eq!(project.command(&["get", "blob"]).output().unwrap().stdout, KEY);
}

#[test]
fn create_never_replaces_a_vault() {
    insta::assert_snapshot!(Project::new().run(&["create"]), @r#"
    error: vault.enc: there is a vault here already
    hint: Remove the file first if it is not wanted any more.
    exit code 2
    "#);
}

#[test]
fn a_name_that_is_not_there_gets_a_suggestion() {
    insta::assert_snapshot!(Project::new().run(&["get", "k3stoken"]), @r#"
    error: there is no secret `k3stoken` in the vault
    hint: Did you mean `k3s_token`?
    hint: `pirun vault set k3stoken` adds it; `pirun vault list` shows all names.
    exit code 2
    "#);
}

#[test]
fn a_value_on_the_command_line_is_refused_and_not_shown_again() {
    insta::assert_snapshot!(Project::new().run(&["set", "k3s_token", "hunter2"]), @"
    error: a secret does not belong on the command line
    hint: Other users see it in the process list, and the shell keeps it in its history.
    hint: Run `pirun vault set k3s_token` and type it, or send it through stdin. Change this one.
    exit code 2
    ");
}

#[test]
fn a_mistake_in_json_is_placed_and_not_shown() {
    insta::assert_snapshot!(Project::new().run_with_stdin(&["set", "a", "--json"], b"{\"s3cret\": hunter2}"), @"
    error: this is not JSON: line 1, column 12
    exit code 2
    ");
}

#[test]
fn a_single_line_from_stdin_loses_its_line_end_and_nothing_else_does() {
    let project = Project::new();
    for (stdin, arguments, wanted) in [
        (&b"x\n"[..], &["set", "a"][..], &b"x"[..]),
        (b"x\ny\n", &["set", "a"], b"x\ny\n"),
        (b"x\n", &["set", "a", "--exact"], b"x\n"),
        (b"", &["set", "a"], b""),
        (b"\n", &["set", "a"], b""),
    ] {
        project.run_with_stdin(arguments, stdin);
        assert_eq!(project.command(&["get", "a"]).output().unwrap().stdout, wanted, "{stdin:?}");
    }
}

#[test]
fn view_shows_everything_as_yaml() {
    let project = Project::new();
    project.run_with_stdin(&["set", "blob", "--bytes"], &[0, 0xff]);
    project.run_with_stdin(&["set", "note"], b"two\nlines\n");
    project.run_with_stdin(&["set", "mode"], b"yes: 0644");
    insta::assert_snapshot!(project.run(&["view"]), @r#"
    # blob: 2 bytes
    cloudflare_key: apikey
    k3s_token: "K10abcdef::server:0123456789"
    mode: "yes: 0644"
    note: |
      two
      lines
    tunnel: {"TunnelSecret":"c2VjcmV0"}
    "#);
}

#[test]
fn rm_and_rename() {
    let project = Project::new();
    insta::assert_snapshot!(project.run(&["rename", "cloudflare_key", "traefik/api_key"]), @"renamed cloudflare_key to traefik/api_key");
    insta::assert_snapshot!(project.run(&["rename", "tunnel", "k3s_token"]), @r#"
    error: vault.enc: there is a secret `k3s_token` already
    hint: Remove it first, or choose another name.
    exit code 2
    "#);
    insta::assert_snapshot!(project.run(&["rm", "tunnel", "traefik/api_key"]), @"removed tunnel, traefik/api_key");
    insta::assert_snapshot!(project.run(&["list"]), @"k3s_token");
}

#[test]
fn status_needs_no_password() {
    let project = Project::new();
    let mut command = project.command(&["status"]);
    let output = command.env_remove("PIRUN_VAULT_KEY_FILE").output().unwrap();
    insta::assert_snapshot!(project.shown(&output), @"
    vault.enc  version 1, id RANDOM
    secrets   3
    slot      main  password, Argon2id with 64 KiB, 1 pass, 1 lane
    slot      ci    key file
    git       not in a repository
    ");
}

#[test]
fn verify_says_what_is_there_and_accepts_a_changed_list_only_when_told_to() {
    let project = Project::new();
    insta::assert_snapshot!(project.run(&["verify"]), @"vault.enc: genuine, 2 slots (main, ci), 3 secrets (cloudflare_key, k3s_token, tunnel)");
    let text = project.vault();
    let without: String = text
        .lines()
        .filter(|line| !line.starts_with("secret tunnel"))
        .map(|line| format!("{line}\n"))
        .collect();
    fs::write(project.path("vault.enc"), &without).unwrap();
    insta::assert_snapshot!(project.run(&["verify"]), @"
    error: vault.enc: every secret is genuine, but the list of them was changed without the password
      2 slots (main, ci), 2 secrets (cloudflare_key, k3s_token)
    hint: A merge, a deletion or an older copy does this. `pirun vault verify` lists what is there; `pirun vault verify --accept` keeps it.
    exit code 4
    ");
    insta::assert_snapshot!(project.run(&["verify", "--accept"]), @"vault.enc: accepted, 2 slots (main, ci), 2 secrets (cloudflare_key, k3s_token)");
    insta::assert_snapshot!(project.run(&["verify"]), @"vault.enc: genuine, 2 slots (main, ci), 2 secrets (cloudflare_key, k3s_token)");
}

#[test]
fn an_older_vault_that_was_put_back_is_noticed() {
    let project = Project::new();
    let old = project.vault();
    assert_eq!(project.run(&["get", "cloudflare_key"]), "apikey");
    project.run_with_stdin(&["set", "cloudflare_key"], b"newer");
    project.run_with_stdin(&["set", "cloudflare_key"], b"newest");
    let newest = project.vault();
    fs::write(project.path("vault.enc"), &old).unwrap();
    insta::assert_snapshot!(project.run(&["get", "cloudflare_key"]), @"
    apikeywarning: vault.enc went back in time: this machine has seen 2 newer versions of it
    hint: `git log vault.enc` shows who put it back. If it was you, `pirun vault verify --accept` makes it the newest.
    ");
    insta::assert_snapshot!(project.run(&["verify"]), @"
    vault.enc: genuine, 2 slots (main, ci), 3 secrets (cloudflare_key, k3s_token, tunnel)
    warning: vault.enc went back in time: this machine has seen 2 newer versions of it
    hint: `git log vault.enc` shows who put it back. If it was you, `pirun vault verify --accept` makes it the newest.
    ");
    // What is newer again is fine, whoever wrote it.
    fs::write(project.path("vault.enc"), &newest).unwrap();
    assert_eq!(project.run(&["get", "cloudflare_key"]), "newest");
    // Put back on purpose.
    fs::write(project.path("vault.enc"), &old).unwrap();
    project.run(&["verify", "--accept"]);
    assert_eq!(project.vault(), old);
    assert_eq!(project.run(&["get", "cloudflare_key"]), "apikey");
    // Another machine has seen nothing else.
    let mut elsewhere = project.command(&["get", "cloudflare_key"]);
    let nowhere = project.path("key");
    let output = elsewhere.env("XDG_STATE_HOME", nowhere).output().unwrap();
    assert_eq!(project.shown(&output), "apikey", "a memory that cannot be written is no error");
}

#[test]
fn verify_names_every_altered_secret() {
    let project = Project::new();
    let other = Project::new().vault();
    let value = |text: &str, name: &str| {
        let start = format!("secret {name} ");
        text.lines().find(|line| line.starts_with(&start)).unwrap().to_owned()
    };
    let mut text = project.vault();
    for name in ["k3s_token", "tunnel"] {
        text = text.replace(&value(&text, name), &value(&other, name));
    }
    fs::write(project.path("vault.enc"), text).unwrap();
    insta::assert_snapshot!(project.run(&["verify"]), @"
    error: vault.enc: 2 secrets were altered or moved: k3s_token, tunnel
    hint: Take the file from git or a backup, for example with `git checkout vault.enc`.
    exit code 4
    ");
}

#[test]
fn slots_are_added_replaced_and_removed() {
    let project = Project::new();
    project.write_private("new", b"a new password\n");
    insta::assert_snapshot!(project.run(&["passwd", "add", "laptop", "--new-password-file", "new", "--kdf", "small"]), @"slot `laptop` is added");
    insta::assert_snapshot!(project.run(&["passwd", "add", "laptop", "--new-password-file", "new", "--kdf", "small"]), @r#"
    error: vault.enc: there is a slot `laptop` already
    hint: Use `pirun vault passwd replace LABEL` to change it.
    exit code 2
    "#);
    insta::assert_snapshot!(project.run(&["passwd", "add", "actions", "--key-file", "actions.key"]), @"
    made the key file actions.key: keep it out of git
    slot `actions` is added
    ");
    insta::assert_snapshot!(project.run(&["passwd", "remove", "main"]), @"
    slot `main` is removed
    hint: Who knew it may have kept the vault key: `pirun vault rotate` changes that.
    ");
    insta::assert_snapshot!(project.run(&["passwd", "replace", "ci", "--key-file", "ci.key"]), @"
    made the key file ci.key: keep it out of git
    slot `ci` is replaced
    ");
    insta::assert_snapshot!(project.run(&["list", "--long"]), @"
    error: vault.enc: wrong key file key: it opens none of the slots (ci, actions); the file itself is undamaged
    hint: Is this another vault's password? `pirun vault status` shows this vault's slots without one.
    exit code 4
    ");
    for options in [
        ["--vault-password-file", "new"],
        ["--vault-key-file", "actions.key"],
        ["--vault-key-file", "ci.key"],
    ] {
        assert_eq!(project.run(&["get", "cloudflare_key", options[0], options[1]]), "apikey");
    }
    assert_eq!(fs::metadata(project.path("ci.key")).unwrap().permissions().mode() & 0o777, 0o600);
    insta::assert_snapshot!(project.run(&["status"]), @"
    vault.enc  version 1, id RANDOM
    secrets   3
    slot      ci       key file
    slot      laptop   password, Argon2id with 64 MiB, 3 passes, 4 lanes
    slot      actions  key file
    git       not in a repository
    ");
}

#[test]
fn recovery_words_are_shown_once_and_open_the_vault() {
    let project = Project::empty();
    let shown = project.run(&["create", "--kdf", "small", "--recovery"]);
    let rows = shown.lines().filter(|line| line.starts_with("    "));
    let words: Vec<&str> = rows.flat_map(str::split_whitespace).collect();
    assert_eq!(words.len(), 12, "{shown}");
    let blind = words.iter().fold(shown.clone(), |text, word| {
        text.replacen(&format!("{word:10}"), "word      ", 1).replacen(
            &format!(" {word}\n"),
            " word\n",
            1,
        )
    });
    insta::assert_snapshot!(blind, @"
    created vault.enc with slot `main`

    These words open the vault. Write them down, and keep the paper; they are not shown again:

        word      word      word      word
        word      word      word      word
        word      word      word      word
    ");
    project.write_private("paper", words.join("  ").to_uppercase().as_bytes());
    assert!(project.run(&["verify", "--vault-password-file", "paper"]).contains("genuine"));
}

#[test]
fn rotation_needs_every_slot_or_the_word_to_drop_it() {
    let project = Project::new();
    insta::assert_snapshot!(project.run(&["rotate"]), @"
    error: vault.enc: rotating needs the password or key of every slot; missing: main
    hint: Give them as `--slot-file LABEL=FILE`, or give up those slots with `--drop LABEL`, and add them again later.
    exit code 4
    ");
    project.run(&["passwd", "add", "actions", "--key-file", "actions.key"]);
    insta::assert_snapshot!(project.run(&["rotate", "--drop", "main"]), @"
    error: vault.enc: rotating needs the password or key of every slot; missing: actions
    hint: Give them as `--slot-file LABEL=FILE`, or give up those slots with `--drop LABEL`, and add them again later.
    exit code 4
    ");
    insta::assert_snapshot!(project.run(&["rotate", "--drop", "main", "--slot-file", "actions=actions.key"]), @"
    the vault key is new, and 3 secrets are sealed anew
    hint: Git's history still holds the old values under the old key: change the secrets themselves too.
    ");
    assert_eq!(
        project.run(&["get", "cloudflare_key", "--vault-key-file", "actions.key"]),
        "apikey"
    );
    insta::assert_snapshot!(project.run(&["rotate", "--drop-others"]), @"
    the vault key is new, and 3 secrets are sealed anew
    hint: Git's history still holds the old values under the old key: change the secrets themselves too.
    ");
    insta::assert_snapshot!(project.run(&["verify"]), @"vault.enc: genuine, 1 slot (ci), 3 secrets (cloudflare_key, k3s_token, tunnel)");
}

#[test]
fn without_a_terminal_and_a_source_all_sources_are_named() {
    let project = Project::new();
    let mut command = project.command(&["get", "k3s_token"]);
    let output = command.env_remove("PIRUN_VAULT_KEY_FILE").output().unwrap();
    insta::assert_snapshot!(project.shown(&output), @"
    error: no password for the vault: there is no terminal to ask on, and no other source is set
    hint: Give one of: --vault-password-command CMD, --vault-password-file FILE, --vault-key-file FILE.
    hint: Or set one of: PIRUN_VAULT_PASSWORD_COMMAND, PIRUN_VAULT_PASSWORD_FILE, PIRUN_VAULT_KEY_FILE, PIRUN_VAULT_PASSWORD (the weakest: other processes of yours can read it).
    exit code 4
    ");
}

#[test]
fn sources_come_in_their_order_and_errors_name_them() {
    let project = Project::new();
    project.write_private("wrong", &[9; 32]);
    let run = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = project.command(&[&["get", "cloudflare_key"], arguments].concat());
        let output = command.envs(variables.iter().copied()).output().unwrap();
        project.shown(&output)
    };
    insta::assert_snapshot!(run(&["--vault-key-file", "wrong"], &[]), @"
    error: vault.enc: wrong key file wrong: it opens none of the slots (ci); the file itself is undamaged
    hint: Is this another vault's password? `pirun vault status` shows this vault's slots without one.
    exit code 4
    ");
    insta::assert_snapshot!(run(&["--vault-key-file", "key", "--vault-password-file", "wrong"], &[]), @"
    error: the argument '--vault-key-file <FILE>' cannot be used with '--vault-password-file <FILE>'

    Usage: pirun vault get --vault-key-file <FILE> <NAME>

    For more information, try '--help'.
    exit code 2
    ");
    insta::assert_snapshot!(run(&[], &[("PIRUN_VAULT_PASSWORD_COMMAND", "echo no; exit 3")]), @"
    error: the password command failed: `echo no; exit 3` ended with exit status: 3
    exit code 4
    ");
    insta::assert_snapshot!(run(&["--vault-key-file", "key"], &[("PIRUN_VAULT_PASSWORD_COMMAND", "exit 3")]), @"apikey");
    insta::assert_snapshot!(run(&["--vault-slot", "CI"], &[]), @r#"
    error: vault.enc: there is no slot `CI`
    hint: The slots are: main, ci.
    exit code 2
    "#);
    fs::set_permissions(project.path("key"), fs::Permissions::from_mode(0o644)).unwrap();
    insta::assert_snapshot!(run(&[], &[]), @"
    error: key can be read by others (mode 0644)
    hint: Run `chmod 600 key`.
    exit code 4
    ");
}

#[test]
fn a_password_file_is_never_run() {
    let project = Project::new();
    let script = project.write_private("pass.sh", b"#!/bin/sh\ntouch ran\n");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).unwrap();
    insta::assert_snapshot!(project.run(&["list", "--long", "--vault-password-file", "pass.sh"]), @"
    error: pass.sh is a script: pirun reads password files and never runs them
    hint: Run it with `--vault-password-command pass.sh`.
    exit code 4
    ");
    assert!(!project.path("ran").exists());
}

#[test]
fn a_password_comes_from_each_source() {
    let project = Project::empty();
    project.write_private("password", b"correct horse\n");
    project.run(&["create", "--kdf", "small", "--vault-password-file", "password"]);
    let verify = |arguments: &[&str], variable: (&str, &str)| {
        let mut command = project.command(&[&["verify"], arguments].concat());
        let output = command
            .env_remove("PIRUN_VAULT_KEY_FILE")
            .env(variable.0, variable.1)
            .output()
            .unwrap();
        assert_eq!(
            project.shown(&output),
            "vault.enc: genuine, 1 slot (main), 0 secrets ()\n",
            "{arguments:?} {variable:?}"
        );
    };
    verify(&["--vault-password-command", "cat password"], ("A", ""));
    verify(&["--vault-password-file", "password"], ("A", ""));
    verify(&[], ("PIRUN_VAULT_PASSWORD_COMMAND", "cat password"));
    verify(&[], ("PIRUN_VAULT_PASSWORD_FILE", "password"));
    verify(&[], ("PIRUN_VAULT_PASSWORD", "correct horse"));
}

#[test]
fn a_pipe_can_be_a_password_file() {
    let project = Project::new();
    let mut command = std::process::Command::new("bash");
    let script = format!(
        "{} vault get cloudflare_key --vault-key-file <(cat key)",
        env!("CARGO_BIN_EXE_pirun")
    );
    let output =
        command.args(["-c", &script]).current_dir(project.directory.path()).output().unwrap();
    assert_eq!(project.shown(&output), "apikey");
}

#[test]
fn the_vault_is_found_from_below() {
    let project = Project::new();
    fs::create_dir_all(project.path("playbooks/files")).unwrap();
    let mut command = project.command(&["get", "cloudflare_key"]);
    let output = command
        .current_dir(project.path("playbooks/files"))
        .env("PIRUN_VAULT_KEY_FILE", "../../key")
        .output()
        .unwrap();
    assert_eq!(project.shown(&output), "apikey");
}

#[test]
fn git_conflicts_and_damage_have_their_line() {
    let project = Project::new();
    let text = project.vault();
    fs::write(project.path("vault.enc"), text.replace("mac ", "<<<<<<< HEAD\nmac ")).unwrap();
    insta::assert_snapshot!(project.run(&["get", "k3s_token"]), @"
    error: vault.enc: line 8 is a git conflict marker
    hint: Run `pirun vault merge`: it merges both sides secret by secret. `pirun vault git-setup` makes git do so by itself.
    exit code 4
    ");
    fs::write(project.path("vault.enc"), &text[..200]).unwrap();
    insta::assert_snapshot!(project.run(&["get", "k3s_token"]), @"
    error: vault.enc: line 3 is damaged: the slot has no sum
    hint: Take the file from git or a backup, for example with `git checkout vault.enc`.
    exit code 4
    ");
}
