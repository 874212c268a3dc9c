//! `pirun vault edit`: the editor is a script here.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::Project;

/// Runs `edit` with an editor that is this shell script; `$1` is the file.
fn edit(project: &Project, script: &str) -> String {
    let editor = project.path("editor");
    fs::write(&editor, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&editor, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = project.command(&["edit"]);
    project.shown(&command.env("EDITOR", &editor).output().unwrap())
}

fn sealed(project: &Project, name: &str) -> String {
    let start = format!("secret {name} ");
    project.vault().lines().find(|line| line.starts_with(&start)).unwrap_or_default().to_owned()
}

#[test]
fn the_editor_sees_names_and_texts_in_memory_for_this_user_only() {
    let project = Project::new();
    let script = "cp $1 seen; stat -f -c %T $1 > where; stat -c %a $1 $(dirname $1) >> where; echo $1 > path";
    insta::assert_snapshot!(edit(&project, script), @"nothing was changed");
    insta::assert_snapshot!(fs::read_to_string(project.path("seen")).unwrap(), @r#"
    # One secret a line: `name: value`. Longer texts: `name: |` and indented lines.
    # Remove a line to remove the secret. Leave the editor without saving to change nothing.
    # Not shown, because they are no texts: tunnel.

    cloudflare_key: apikey
    k3s_token: "K10abcdef::server:0123456789"
    "#);
    assert_eq!(fs::read_to_string(project.path("where")).unwrap(), "tmpfs\n600\n700\n");
    let path = fs::read_to_string(project.path("path")).unwrap();
    assert!(!std::path::Path::new(path.trim()).parent().unwrap().exists(), "nothing is left");
}

#[test]
fn what_is_not_touched_keeps_its_bytes() {
    let project = Project::new();
    let (token, tunnel) = (sealed(&project, "k3s_token"), sealed(&project, "tunnel"));
    insta::assert_snapshot!(edit(&project, "sed -i -e 's/apikey/other/' $1; echo 'mode: 0644' >> $1"), @"changed cloudflare_key, mode");
    assert_eq!((sealed(&project, "k3s_token"), sealed(&project, "tunnel")), (token, tunnel));
    assert_eq!(project.run(&["get", "cloudflare_key"]), "other");
    assert_eq!(project.run(&["get", "mode"]), "0644");
    insta::assert_snapshot!(edit(&project, "sed -i -e /mode/d $1"), @"changed mode");
    insta::assert_snapshot!(project.run(&["get", "mode"]).lines().next().unwrap(), @"error: there is no secret `mode` in the vault");
}

#[test]
fn an_editor_that_fails_changes_nothing() {
    let project = Project::new();
    let before = project.vault();
    insta::assert_snapshot!(edit(&project, "echo 'a: b' >> $1; exit 1"), @"
    error: the editor ended with exit status: 1
    hint: Nothing was changed.
    exit code 2
    ");
    assert_eq!(project.vault(), before);
    insta::assert_snapshot!(edit(&project, ": > $1"), @"nothing was changed");
    assert_eq!(project.vault(), before, "an empty file is a way to give up");
}

#[test]
fn a_mistake_opens_the_editor_again_with_the_text_as_it_was_left() {
    let project = Project::new();
    let script = "if [ -e once ]; then cp $1 second; sed -i -e 's/^oops$/oops: 1/' $1; \
        else touch once; echo oops >> $1; echo 'a: b' >> $1; fi";
    insta::assert_snapshot!(edit(&project, script), @"
    line 8, column 1: this is not valid YAML: opening the editor again
    changed a, oops
    ");
    insta::assert_snapshot!(fs::read_to_string(project.path("second")).unwrap().lines().next().unwrap(), @"# pirun: line 8, column 1: this is not valid YAML");
    assert_eq!(project.run(&["get", "oops"]), "1");
}

#[test]
fn a_mistake_that_is_left_ends_it() {
    let project = Project::new();
    let before = project.vault();
    insta::assert_snapshot!(edit(&project, "grep -q oops $1 || echo oops >> $1"), @"
    line 8, column 1: this is not valid YAML: opening the editor again
    error: the text was left with a mistake in it
    hint: Nothing was changed.
    exit code 2
    ");
    assert_eq!(project.vault(), before);
}

#[test]
fn what_another_pirun_changed_meanwhile_is_not_overwritten_unseen() {
    let project = Project::new();
    let pirun = env!("CARGO_BIN_EXE_pirun");
    let script = format!(
        "if [ -e once ]; then cp $1 second; else touch once; sed -i -e s/apikey/mine/ $1; \
         echo theirs | {pirun} vault set cloudflare_key; echo more | {pirun} vault set other; fi"
    );
    insta::assert_snapshot!(edit(&project, &script), @"
    the secret is set
    the secret is set
    another pirun changed cloudflare_key meanwhile; saving again replaces that: opening the editor again
    changed cloudflare_key
    ");
    assert_eq!(project.run(&["get", "cloudflare_key"]), "mine");
    assert_eq!(project.run(&["get", "other"]), "more");
}

#[test]
fn a_signal_wipes_the_text() {
    let project = Project::new();
    let before = project.vault();
    let shown = edit(&project, "echo $1 > path; echo 'a: b' >> $1; kill -TERM $PPID; sleep 10");
    insta::assert_snapshot!(shown, @"
    error: cancelled
    exit code 130
    ");
    let path = fs::read_to_string(project.path("path")).unwrap();
    assert!(!std::path::Path::new(path.trim()).exists());
    assert_eq!(project.vault(), before);
}
