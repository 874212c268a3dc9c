//! Prompts: what a person at a terminal sees and types.

use std::process::Command;

use crate::support::{Project, here};

/// Runs `pirun vault …` on a terminal; `answers` are prompts and what is typed then.
fn on_a_terminal(project: &Project, answers: &[&str], arguments: &[&str]) -> String {
    let mut command = Command::new("python3");
    command.arg(here().join("terminal.py")).args(answers).args([
        "--",
        env!("CARGO_BIN_EXE_pirun"),
        "vault",
    ]);
    command
        .args(arguments)
        .current_dir(project.directory.path())
        .env("XDG_STATE_HOME", project.states.path())
        .env("TERM", "dumb")
        .env("NO_COLOR", "1");
    project.shown(&command.output().unwrap())
}

#[test]
fn a_new_vault_asks_twice_and_offers_recovery_words() {
    let project = Project::empty();
    let answers = [
        "New password",
        "correct horse battery\\n",
        "The same",
        "correct horse battery\\n",
        "[Y/n] ",
        "y\\n",
    ];
    let shown = on_a_terminal(&project, &answers, &["create", "--kdf", "small"]);
    let shown: Vec<&str> = shown.lines().filter(|line| !line.starts_with("    ")).collect();
    insta::assert_snapshot!(shown.join("\n"), @"
    New password for the vault: 
    The same again: 
    Add a recovery slot, with words to be printed or written down? [Y/n] y
    created vault.enc with slot `main`

    These words open the vault. Write them down, and keep the paper; they are not shown again:
    ");
    let set = ["Vault password", "correct horse battery\\n", "Secret", "hunter2hunter2\\n"];
    insta::assert_snapshot!(on_a_terminal(&project, &set, &["set", "wifi"]), @"
    Vault password: 
    Secret `wifi`: 
    the secret is set
    ");
    let get = ["Vault password", "wrong\\n", "not the password", "correct horse battery\\n"];
    insta::assert_snapshot!(on_a_terminal(&project, &get, &["get", "wifi"]), @"
    Vault password: 
    That is not the password. Vault password: 
    hunter2hunter2
    ");
}

#[test]
fn two_different_passwords_make_no_vault() {
    let project = Project::empty();
    let answers =
        ["New password", "correct horse battery\\n", "The same", "correct horse batery\\n"];
    insta::assert_snapshot!(on_a_terminal(&project, &answers, &["create"]), @"
    New password for the vault: 
    The same again: 
    error: the two passwords differ
    hint: Nothing was changed.
    exit code 2
    ");
    assert!(!project.path("vault.enc").exists());
}

#[test]
fn a_short_password_is_warned_about() {
    let project = Project::empty();
    let answers = ["New password", "short\\n", "The same", "short\\n"];
    let arguments = ["create", "--kdf", "small", "--no-recovery"];
    insta::assert_snapshot!(on_a_terminal(&project, &answers, &arguments), @"
    New password for the vault: 
    The same again: 
    warning: a password this short can be guessed by whoever gets the file
    created vault.enc with slot `main`
    hint: Whoever loses the password loses the secrets: `pirun vault passwd add recovery --words`.
    ");
}

#[test]
fn control_c_at_the_prompt_cancels() {
    let project = Project::new();
    insta::assert_snapshot!(on_a_terminal(&project, &["Vault password", "\\x03"], &["get", "k3s_token"]), @"
    Vault password: 
    error: cancelled
    exit code 130
    ");
}

#[test]
fn bytes_are_not_shown_on_a_terminal() {
    let project = Project::new();
    project.run_with_stdin(&["set", "blob"], b"\xff\x1b[2J");
    insta::assert_snapshot!(on_a_terminal(&project, &[], &["get", "blob", "--vault-key-file", "key"]), @"
    error: secret `blob` is bytes, which a terminal does not show
    hint: Send it to a file or a command.
    exit code 2
    ");
}
