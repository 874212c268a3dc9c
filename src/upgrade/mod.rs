//! A/B upgrades: an image goes into the slot that does not run, is compared there, and has one boot to prove itself.
//!
//! Nothing in here knows of Rhai, and nothing decides an order or what counts as healthy: that is for playbooks.
//! `docs/upgrade.md` tells what happens on a node, step by step.

mod boot_files;
mod check;
pub mod datastore;
mod delta;
mod image;
mod packages;
mod slots;
mod stream;
mod survey;
mod trial;
mod write;

pub use boot_files::BootFiles;
pub use check::check;
pub use image::UpdateImage;
pub use slots::{Slots, State};
pub use trial::{arm, arm_other, confirm, must_run};
pub use write::SlotWrite;

use crate::error::{Error, ErrorKind};

/// An error of a node or an image that an upgrade cannot go on with.
fn wrong(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Upgrade, message)
}
