//! Backups: taken on a node, sealed, verified, and kept for as long as they are worth it.
//!
//! [`make`] puts it together: a [`snapshot`] streams a [`unit`] into a sealed [`container`], [`verify`] looks into it, and a
//! [`store`] gives it a name; [`retention`] says which of them stay. Nothing in here knows of Rhai. `docs/backup-format.md`
//! describes the container and what is in it.

pub mod access;
pub mod container;
pub mod foresee;
pub mod make;
pub mod prune;
pub mod restore;
pub mod retention;
pub mod snapshot;
mod stoppable;
pub mod store;
pub mod token;
pub mod unit;
pub mod verify;
