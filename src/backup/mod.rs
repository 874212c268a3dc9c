//! Backups: sealed containers, and which of them to keep.
//!
//! Nothing in here knows of Rhai. `docs/backup-format.md` describes the container.

pub mod container;
pub mod retention;
