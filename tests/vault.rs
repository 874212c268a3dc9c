//! The vault as its users and its attackers meet it.
#![allow(clippy::unwrap_used)]

#[path = "vault/support.rs"]
mod support;

#[path = "vault/ansible.rs"]
mod ansible;
#[path = "vault/commands.rs"]
mod commands;
#[path = "vault/crash.rs"]
mod crash;
#[path = "vault/edit.rs"]
mod edit;
#[path = "vault/git.rs"]
mod git;
#[path = "vault/peers.rs"]
mod peers;
#[path = "vault/project.rs"]
mod project;
#[path = "vault/properties.rs"]
mod properties;
#[path = "vault/slots.rs"]
mod slots;
#[path = "vault/terminal.rs"]
mod terminal;
#[path = "vault/told_apart.rs"]
mod told_apart;
#[path = "vault/vectors.rs"]
mod vectors;
