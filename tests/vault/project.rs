//! The handle that a run shares: opened once, when the first secret is asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use pirun::error::ErrorKind;
use pirun::vault::{ProjectVault, Redactor, SecretValue, Sources};

use crate::support::Project;

/// The project's vault, opened by its key file.
fn handle(project: &Project, redactor: &Redactor, dry_run: bool) -> ProjectVault {
    let sources = Sources { key_file: Some(project.path("key")), ..Sources::default() };
    let nobody = Box::new(|_: &str| Err(std::io::ErrorKind::NotFound.into()));
    ProjectVault::new(project.path("vault.enc"), sources, nobody, redactor.clone(), dry_run, None)
}

#[test]
fn all_secrets_are_hidden_as_soon_as_one_is_used() {
    let (project, redactor) = (Project::new(), Redactor::new());
    let vault = handle(&project, &redactor, false);
    assert_eq!(vault.names().unwrap(), ["cloudflare_key", "k3s_token", "tunnel"]);
    let text = "token K10abcdef::server:0123456789, key apikey";
    assert_eq!(redactor.redact(text), text, "names need no password, so nothing is known yet");
    assert_eq!(vault.get("cloudflare_key").unwrap().expose_text(), Some("apikey"));
    assert_eq!(redactor.redact(text), "token <secret:k3s_token>, key <secret:cloudflare_key>");
}

#[test]
fn many_threads_ask_for_the_password_once() {
    let project = Project::empty();
    project.write_private("password", b"correct horse");
    project.run(&["create", "--kdf", "small", "--vault-password-file", "password"]);
    project.run(&["set", "a", "--random", "20", "--vault-password-file", "password"]);
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let ask = Box::new(move |_: &str| {
        counter.fetch_add(1, Ordering::Relaxed);
        Ok(String::from("correct horse").into())
    });
    let sources = Sources { ask: true, ..Sources::default() };
    let vault =
        ProjectVault::new(project.path("vault.enc"), sources, ask, Redactor::new(), false, None);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(vault.get("a").unwrap().len(), 20));
        }
    });
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

#[test]
fn a_dry_run_writes_nothing_and_sees_what_it_would_have_written() {
    let (project, redactor) = (Project::new(), Redactor::new());
    let before = project.vault();
    let vault = handle(&project, &redactor, true);
    assert!(vault.set("new", SecretValue::text("hunter2hunter2")).unwrap());
    assert_eq!(vault.get("new").unwrap().expose_text(), Some("hunter2hunter2"));
    vault.remove("tunnel").unwrap();
    assert!(vault.find("tunnel").unwrap().is_none());
    assert_eq!(redactor.redact("hunter2hunter2"), "<secret:new>");
    assert_eq!(project.vault(), before);
}

#[test]
fn changes_go_to_the_file_beside_those_of_others() {
    let project = Project::new();
    let vault = handle(&project, &Redactor::new(), false);
    vault.get("tunnel").unwrap();
    project.run_with_stdin(&["set", "theirs"], b"1");
    vault.set("ours", SecretValue::text("2")).unwrap();
    assert_eq!(vault.get("theirs").unwrap().expose_text(), Some("1"));
    assert_eq!(project.run(&["get", "theirs"]), "1");
    assert_eq!(project.run(&["get", "ours"]), "2");
}

#[test]
fn without_a_vault_a_fallback_can_be_used() {
    let project = Project::empty();
    let vault = handle(&project, &Redactor::new(), false);
    assert!(vault.find("a").unwrap().is_none());
    assert!(vault.names().unwrap().is_empty());
    let error = vault.get("a").unwrap_err();
    assert_eq!((error.kind(), error.kind().exit_code()), (ErrorKind::Vault, 4));
    assert!(error.message().ends_with("vault.enc: there is no vault here"), "{error}");
}
