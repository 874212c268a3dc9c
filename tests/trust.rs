//! First contact: fingerprints, the operator's key, and logins that are refused.

mod common;

use common::{Cluster, said};
use pirun_lab::Lab;

/// A node that has only root's password, and a project that does not trust it yet.
fn bare() -> Cluster {
    let lab = Lab::start().expect("a lab");
    let node = lab.node("rpi40").without_key().fast().expect("a node");
    let cluster = Cluster::around(lab, vec![node]);
    std::fs::remove_file(cluster.path("known_hosts")).expect("removed");
    cluster
}

#[test]
fn a_node_with_only_a_password_is_trusted_and_takes_the_operators_key() {
    let cluster = bare();
    let unknown = cluster.pirun(&["exec", "rpi40", "--", "hostname"]).code(1);
    assert!(unknown.stderr.contains("pirun trust rpi40"), "{}", unknown.stderr);

    let trusted = cluster.pirun(&["trust", "rpi40", "--yes"]).ok();
    assert!(trusted.stdout.contains("ED25519 SHA256:"), "{}", trusted.stdout);
    let refused = cluster.pirun(&["exec", "rpi40", "--", "hostname"]).code(1);
    assert!(refused.stderr.contains("refuses the login as root"), "{}", refused.stderr);
    assert!(refused.stderr.contains("--install-key"), "{}", refused.stderr);

    // OpenSSH asks a program for the password where there is no terminal.
    cluster.write("askpass", "#!/bin/sh\necho alpine\n");
    let askpass = cluster.path("askpass");
    std::fs::set_permissions(&askpass, std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .expect("made executable");
    let installed = cluster
        .command(&["trust", "rpi40", "--install-key"])
        .env("SSH_ASKPASS", &askpass)
        .env("SSH_ASKPASS_REQUIRE", "force")
        .output();
    said(installed.expect("pirun runs")).ok();
    let answer = cluster.pirun(&["exec", "rpi40", "--", "hostname"]).ok();
    assert_eq!(answer.stdout, "rpi40  rpi40\n");
    let keys =
        cluster.node("rpi40").sh("stat -c %a /root/.ssh /root/.ssh/authorized_keys").expect("stat");
    assert_eq!(keys, "700\n600\n");
    cluster.pirun(&["ssh", "rpi40", "hostname"]).ok();
}

#[test]
fn a_key_is_not_trusted_without_an_answer() {
    let cluster = bare();
    let said = cluster.pirun(&["trust", "rpi40"]);
    assert_ne!(said.code, Some(0));
    assert!(said.stderr.contains("--yes"), "{}", said.stderr);
    assert!(!cluster.path("known_hosts").exists());
}

#[test]
fn a_node_is_found_at_the_address_that_is_given() {
    let cluster = bare();
    let address = cluster.node("rpi40").address().to_string();
    cluster.write_inventory(&[("rpi40".to_owned(), "10.99.250.250".to_owned())], "");
    cluster.pirun(&["trust", "rpi40", "--address", &address, "--yes"]).ok();
    let known = std::fs::read_to_string(cluster.path("known_hosts")).expect("written");
    assert!(known.starts_with("rpi40 ssh-ed25519 AAAA"), "{known}");
}
