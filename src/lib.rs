//! pirun runs Rhai playbooks against a cluster of Raspberry Pis.
//!
//! Arrows point one way: `cli → script → bindings → {state, …} → {remote, vault, template, diff}`;
//! everything may use `error`, and `ui` is reached through a handle.

pub mod backup;
pub mod bindings;
pub mod calendar;
pub mod cancel;
pub mod child;
pub mod cli;
pub mod device;
pub mod diff;
pub mod error;
pub mod image;
pub mod inventory;
pub mod kube;
pub mod remote;
pub mod report;
pub mod script;
pub mod state;
pub mod suggest;
pub mod template;
pub mod ui;
pub mod units;
pub mod upgrade;
pub mod vault;
pub mod visible;
