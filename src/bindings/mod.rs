//! Every word that pirun adds to Rhai, one topic a file. A binding is thin: it converts its arguments,
//! calls the domain, and converts the result back.
//!
//! [`TOPICS`] is the table of contents: it registers everything, and the manual, the lint and the editors'
//! definitions are made from it. The file for a topic of host verbs looks like [`commands`].

// `#[export_module]` expands to `unwrap`s on the number of arguments, which Rhai has checked.
#![allow(clippy::unwrap_used)]

pub mod accounts;
pub mod boot;
pub mod cards;
pub mod commands;
pub mod control;
pub mod facts;
pub mod files;
pub mod hosts;
pub mod images;
pub mod kube;
pub mod local;
pub mod output;
pub mod params;
pub mod restores;
pub mod rootfs;
pub mod run;
pub mod scopes;
pub mod secrets;
pub mod services;
pub mod stores;
pub mod templates;
pub mod transfers;
pub mod upgrades;
pub mod values;

use rhai::{Engine, Module};

use crate::script::options::OptionList;

/// A file of this directory.
pub struct Topic {
    pub name: &'static str,
    /// One line for the manual.
    pub about: &'static str,
    pub module: fn() -> Module,
    /// The option maps that its functions take.
    pub options: &'static [OptionList],
}

/// All topics, in the order of the manual.
pub const TOPICS: &[Topic] = &[
    hosts::TOPIC,
    facts::TOPIC,
    files::TOPIC,
    templates::TOPIC,
    accounts::TOPIC,
    services::TOPIC,
    boot::TOPIC,
    commands::TOPIC,
    run::TOPIC,
    scopes::TOPIC,
    transfers::TOPIC,
    kube::TOPIC,
    upgrades::TOPIC,
    stores::TOPIC,
    restores::TOPIC,
    rootfs::TOPIC,
    images::TOPIC,
    cards::TOPIC,
    params::TOPIC,
    secrets::TOPIC,
    output::TOPIC,
    control::TOPIC,
    values::TOPIC,
    local::TOPIC,
];

/// Makes all bindings known to `engine`.
pub fn register(engine: &mut Engine) {
    for topic in TOPICS {
        engine.register_global_module((topic.module)().into());
    }
}

/// The option maps of all verbs.
pub fn option_lists() -> impl Iterator<Item = &'static OptionList> {
    TOPICS.iter().flat_map(|topic| topic.options)
}
