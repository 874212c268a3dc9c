//! What today's ansible-vault writes can be imported.

use std::fs;
use std::process::Command;

use crate::support::{Project, python};

const VARIABLES: &str = "\
---
k3s_token: \"thek3stoken: generated\"
pin: 0644
cloudflared:
  AccountTag: abc
  port: 7844
  enabled: yes
certificate: |
  -----BEGIN-----
  abc
  -----END-----
";

/// Runs ansible-vault in the project. `false`: there is no network.
fn ansible_vault(project: &Project, arguments: &[&str]) -> Option<String> {
    let output = Command::new(python()?.join("ansible-vault"))
        .args(arguments)
        .current_dir(project.directory.path())
        .env("HOME", project.directory.path())
        .env("ANSIBLE_LOCAL_TEMP", project.path("tmp"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

fn project() -> Project {
    let project = Project::new();
    project.write_private("main.pass", b"ansible password\n");
    project.write_private("prod.pass", b"prod password\n");
    project.write_private("dev.pass", b"dev password\n");
    project
}

#[test]
fn whole_files_of_both_formats() {
    let project = project();
    fs::write(project.path("vars.yml"), VARIABLES).unwrap();
    fs::copy(project.path("vars.yml"), project.path("prod.yml")).unwrap();
    let encrypt = |arguments: &[&str]| ansible_vault(&project, &[&["encrypt"], arguments].concat());
    if encrypt(&["--vault-password-file", "main.pass", "vars.yml"]).is_none() {
        return;
    }
    encrypt(&["--vault-id", "prod@prod.pass", "--encrypt-vault-id", "prod", "prod.yml"]);
    assert!(
        fs::read_to_string(project.path("vars.yml"))
            .unwrap()
            .starts_with("$ANSIBLE_VAULT;1.1;AES256\n")
    );
    assert!(
        fs::read_to_string(project.path("prod.yml"))
            .unwrap()
            .starts_with("$ANSIBLE_VAULT;1.2;AES256;prod\n")
    );

    insta::assert_snapshot!(project.run(&["import-ansible", "vars.yml", "--ansible-password-file", "prod.pass"]), @"
    error: vars.yml: none of the passwords opens it, or it was altered
    hint: ansible-vault cannot tell a wrong password from a damaged file. Give several passwords as `--ansible-vault-id ID@FILE`.
    exit code 4
    ");
    insta::assert_snapshot!(project.run(&["import-ansible", "vars.yml", "--ansible-password-file", "main.pass"]), @"
    error: the vault has other values for k3s_token
    hint: Take the imported ones with `--replace`, or keep both with `--prefix`.
    hint: Nothing was changed.
    exit code 4
    ");
    insta::assert_snapshot!(project.run(&["import-ansible", "vars.yml", "--ansible-password-file", "main.pass", "--replace"]), @"
    k3s_token
    pin
    cloudflared
    certificate
    imported: 4, already there: 0
    ");
    insta::assert_snapshot!(project.run(&["import-ansible", "prod.yml", "--ansible-vault-id", "prod@prod.pass", "--prefix", "prod."]), @"
    prod.k3s_token
    prod.pin
    prod.cloudflared
    prod.certificate
    imported: 4, already there: 0
    ");
    insta::assert_snapshot!(project.run(&["get", "k3s_token"]), @"thek3stoken: generated");
    insta::assert_snapshot!(project.run(&["get", "prod.pin"]), @"0644");
    insta::assert_snapshot!(project.run(&["get", "cloudflared"]), @r#"{"AccountTag":"abc","port":7844,"enabled":true}"#);
    insta::assert_snapshot!(project.run(&["get", "certificate"]), @"
    -----BEGIN-----
    abc
    -----END-----
    ");
}

#[test]
fn inline_values_under_several_vault_ids() {
    let project = project();
    let string = |id: &str, name: &str, value: &str| {
        let source = format!("{id}@{id}.pass");
        ansible_vault(
            &project,
            &[
                "encrypt_string",
                "--vault-id",
                &source,
                "--encrypt-vault-id",
                id,
                "--name",
                name,
                value,
            ],
        )
    };
    let Some(token) = string("prod", "token", "from prod") else { return };
    let password = string("dev", "password", "from dev\nin two lines").unwrap();
    let indented: String = password.lines().map(|line| format!("    {line}\n")).collect();
    let text = format!("# mixed\nplain: 1\n{token}\ndb:\n  - user: pi\n{indented}");
    fs::write(project.path("group_vars.yml"), text).unwrap();

    let import = |ids: &[&str]| {
        let ids = ids.iter().flat_map(|id| ["--ansible-vault-id", id]);
        project
            .run(&["import-ansible", "group_vars.yml"].into_iter().chain(ids).collect::<Vec<_>>())
    };
    insta::assert_snapshot!(import(&["prod@prod.pass"]), @"
    error: group_vars.yml: `db.0.password`: none of the passwords opens it (vault id `dev`), or it was altered
    hint: ansible-vault cannot tell a wrong password from a damaged file. Give several passwords as `--ansible-vault-id ID@FILE`.
    exit code 4
    ");
    insta::assert_snapshot!(import(&["dev@dev.pass", "prod@prod.pass"]), @"
    token
    db.0.password
    imported: 2, already there: 0
    ");
    insta::assert_snapshot!(project.run(&["get", "token"]), @"from prod");
    insta::assert_snapshot!(project.run(&["get", "db.0.password"]), @"
    from dev
    in two lines
    ");
}

#[test]
fn a_file_that_is_no_mapping_is_one_secret() {
    let project = project();
    fs::write(project.path("tls.key"), [0_u8, 159, 146, 150]).unwrap();
    if ansible_vault(&project, &["encrypt", "--vault-password-file", "main.pass", "tls.key"])
        .is_none()
    {
        return;
    }
    insta::assert_snapshot!(project.run(&["import-ansible", "tls.key", "--ansible-password-file", "main.pass"]), @"
    tls
    imported: 1, already there: 0
    ");
    assert_eq!(project.command(&["get", "tls"]).output().unwrap().stdout, [0, 159, 146, 150]);
}

#[test]
fn files_that_cannot_be_imported_say_why() {
    let project = project();
    let import = |text: &str| {
        fs::write(project.path("f.yml"), text).unwrap();
        project.run(&["import-ansible", "f.yml", "--ansible-password-file", "main.pass"])
    };
    insta::assert_snapshot!(import("a: 1\n"), @"
    error: f.yml: there is nothing of ansible-vault in it
    hint: A sealed file begins with `$ANSIBLE_VAULT;`; in a YAML file, sealed values have the tag `!vault`.
    exit code 4
    ");
    insta::assert_snapshot!(import("$ANSIBLE_VAULT;1.0;AES\n6161\n"), @"
    error: f.yml: format 1.0 of ansible-vault is not read
    hint: Run `ansible-vault rekey` on it first: that writes format 1.1 or 1.2.
    exit code 4
    ");
    insta::assert_snapshot!(import("$ANSIBLE_VAULT;1.1;AES256\n61zz\n"), @"
    error: f.yml: damaged: there is something else than hexadecimal digits
    exit code 4
    ");
    insta::assert_snapshot!(import("$ANSIBLE_VAULT;1.1;AES256\n6161\n"), @"
    error: f.yml: damaged: it is cut off
    exit code 4
    ");
    insta::assert_snapshot!(import("a: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  <<<<<<< HEAD\n"), @"
    error: f.yml: `a`: damaged: there is something else than hexadecimal digits
    exit code 4
    ");
    insta::assert_snapshot!(import("a: 's3cret\n"), @"
    error: f.yml: line 1, column 4: this is not valid YAML
    exit code 4
    ");
}
