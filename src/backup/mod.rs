//! Backups: sealed containers, what they hold, and which of them to keep.
//!
//! Nothing in here knows of Rhai. `docs/backup-format.md` describes the container and what is in it.

pub mod container;
pub mod retention;
pub mod unit;
