//! The vault in git: readable diffs, merges secret by secret, conflicts that are said so.

use std::fs;
use std::process::Command;

use crate::support::Project;

struct Repository {
    project: Project,
}

impl Repository {
    fn new() -> Self {
        let repository = Self { project: Project::new() };
        fs::write(repository.project.path(".gitignore"), "key\nbin\n").unwrap();
        // git calls `pirun`.
        fs::create_dir(repository.project.path("bin")).unwrap();
        std::os::unix::fs::symlink(
            env!("CARGO_BIN_EXE_pirun"),
            repository.project.path("bin/pirun"),
        )
        .unwrap();
        repository.git(&["init", "-q", "-b", "main"]);
        repository.git(&["add", "."]);
        repository.git(&["commit", "-qm", "start"]);
        repository
    }

    fn git(&self, arguments: &[&str]) -> String {
        let path = std::env::var("PATH").unwrap();
        let output = Command::new("git")
            .args(["-c", "user.name=t", "-c", "user.email=t@example.org"])
            .args(arguments)
            .current_dir(self.project.directory.path())
            .env("PATH", format!("{}:{path}", self.project.path("bin").display()))
            .env("HOME", self.project.directory.path())
            .env("XDG_STATE_HOME", self.project.states.path())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("PIRUN_VAULT_KEY_FILE", "key")
            .output()
            .unwrap();
        self.project.shown(&output)
    }

    fn set(&self, name: &str, value: &str) {
        self.project.run_with_stdin(&["set", name], value.as_bytes());
    }

    fn commit(&self) {
        self.git(&["commit", "-qam", "change"]);
    }

    /// Two branches that went apart: `main` and `other`.
    fn apart(&self, ours: &[(&str, &str)], theirs: &[(&str, &str)]) {
        self.git(&["checkout", "-qb", "other"]);
        theirs.iter().for_each(|(name, value)| self.set(name, value));
        self.commit();
        self.git(&["checkout", "-q", "main"]);
        ours.iter().for_each(|(name, value)| self.set(name, value));
        self.commit();
    }
}

#[test]
fn a_diff_shows_which_secrets_changed_and_needs_no_password() {
    let repository = Repository::new();
    insta::assert_snapshot!(repository.project.run(&["git-setup"]), @"
    added `vault.enc -text diff=pirun-vault merge=pirun-vault` to .gitattributes: commit it
    this clone's git now shows and merges the vault secret by secret
    ");
    insta::assert_snapshot!(repository.project.run(&["git-setup"]), @"
    .gitattributes is set up already
    this clone's git now shows and merges the vault secret by secret
    ");
    insta::assert_snapshot!(fs::read_to_string(repository.project.path(".gitattributes")).unwrap(), @"vault.enc -text diff=pirun-vault merge=pirun-vault");
    repository.set("k3s_token", "new");
    repository.set("added", "new");
    repository.project.run(&["rm", "tunnel"]);
    let diff = repository.git(&["diff", "-U0", "vault.enc"]);
    let lines: Vec<&str> = diff
        .lines()
        .filter(|line| line.starts_with(['+', '-', ' ']) && !line.contains("/vault.enc"))
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @"
    +secret added  RANDOM
    -secret k3s_token  RANDOM
    -secret tunnel  RANDOM
    +secret k3s_token  RANDOM
    ");
    insta::assert_snapshot!(repository.project.run(&["diff"]), @"
    + secret added
    ~ secret k3s_token
    - secret tunnel
    ");
    insta::assert_snapshot!(repository.project.run(&["status"]), @"
    vault.enc  version 1, id RANDOM
    secrets   3
    slot      main  password, Argon2id with 64 KiB, 1 pass, 1 lane
    slot      ci    key file
    git       changed since the last commit
    ");
}

#[test]
fn git_merges_secret_by_secret() {
    let repository = Repository::new();
    repository.project.run(&["git-setup"]);
    repository.git(&["add", "."]);
    repository.commit();
    repository.apart(&[("k3s_token", "ours"), ("a", "1")], &[("tunnel", "theirs"), ("b", "2")]);
    let merged = repository.git(&["merge", "-q", "--no-edit", "other"]);
    assert!(!merged.contains("exit code"), "{merged}");
    insta::assert_snapshot!(repository.project.run(&["verify"]), @"vault.enc: genuine, 2 slots (main, ci), 5 secrets (a, b, cloudflare_key, k3s_token, tunnel)");
    for (name, value) in [("k3s_token", "ours"), ("a", "1"), ("tunnel", "theirs"), ("b", "2")] {
        assert_eq!(repository.project.run(&["get", name]), value);
    }
}

#[test]
fn a_secret_that_both_sides_changed_is_a_conflict() {
    let repository = Repository::new();
    repository.apart(&[("k3s_token", "ours")], &[("k3s_token", "theirs"), ("b", "2")]);
    repository.git(&["merge", "-q", "other"]);
    let shown = repository.project.run(&["get", "k3s_token"]);
    insta::assert_snapshot!(shown, @"
    error: vault.enc: line 7 is a git conflict marker
    hint: Run `pirun vault merge`: it merges both sides secret by secret. `pirun vault git-setup` makes git do so by itself.
    exit code 4
    ");
    insta::assert_snapshot!(repository.project.run(&["merge"]), @"
    error: vault.enc: both sides changed: k3s_token
    hint: Choose with `--take ours` or `--take theirs`, and set what is missing then.
    exit code 4
    ");
    insta::assert_snapshot!(repository.project.run(&["merge", "--take", "theirs"]), @"merged; run `git add vault.enc`");
    assert_eq!(repository.project.run(&["get", "k3s_token"]), "theirs");
    insta::assert_snapshot!(repository.project.run(&["verify"]), @"vault.enc: genuine, 2 slots (main, ci), 4 secrets (b, cloudflare_key, k3s_token, tunnel)");
}

#[test]
fn a_rotated_side_is_not_merged() {
    let repository = Repository::new();
    repository.git(&["checkout", "-qb", "other"]);
    repository.project.run(&["rotate", "--drop", "main"]);
    repository.commit();
    repository.git(&["checkout", "-q", "main"]);
    repository.set("a", "1");
    repository.commit();
    repository.git(&["merge", "-q", "other"]);
    insta::assert_snapshot!(repository.project.run(&["merge"]), @"
    error: vault.enc: the versions are not of one vault under one key, or one of them is not genuine
    hint: Was the key rotated on one side? Take that side, for example with `git checkout --theirs vault.enc`, and set the other side's secrets again.
    exit code 4
    ");
}

#[test]
fn a_merge_without_a_conflict_says_so() {
    insta::assert_snapshot!(Repository::new().project.run(&["merge"]), @"
    error: git has no conflict in vault.enc
    hint: `git status` shows the files that have one.
    exit code 2
    ");
}
