//! Cards and disks of the operator's machine: which there are, which may be written, and how an image gets onto one.
//!
//! | file | what |
//! |---|---|
//! | `list` | disks as the kernel describes them in sysfs |
//! | `usage` | who uses a disk: mounts, swap, holders |
//! | `probe` | what lies in a partition, by its first bytes |
//! | `guard` | what speaks against writing to a disk |
//!
//! Everything is read through [`System`], whose root need not be `/`: tests have their own.

mod guard;
mod list;
mod probe;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod usage;

pub use guard::{Objection, Reason, objections, permit};
pub use list::{Bus, Disk, Partition, System, gigabytes};
pub use probe::{Member, Signature};
pub use usage::{Use, UseKind};
