//! Cards and disks of the operator's machine: which there are, which may be written, and how an image gets onto one.
//!
//! | file | what |
//! |---|---|
//! | `list` | disks as the kernel describes them in sysfs |
//! | `usage` | who uses a disk: mounts, swap, holders |
//! | `probe` | what lies in a partition, by its first bytes |
//! | `guard` | what speaks against writing to a disk |
//! | `source` | an image, unpacked as a stream |
//! | `allocation` | which of an image's zeros need not be written |
//! | `open` | a disk that nobody else can use meanwhile |
//! | `write` | the image onto the disk, read back, bootable last |
//! | `table` | partition tables in words |
//! | `host_key`, `personalize` | what makes a card that of one host |
//! | `card` | all of it together |
//!
//! Everything is read through [`System`], whose root need not be `/`: tests have their own.

mod allocation;
mod buffer;
mod card;
mod guard;
mod host_key;
mod list;
mod open;
mod personalize;
mod probe;
mod source;
mod table;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod usage;
mod write;

pub use allocation::Allocation;
pub use card::{Card, Plan, Progress};
pub use guard::{Objection, Reason, objections, permit};
pub use host_key::HostKey;
pub use list::{Bus, Disk, Partition, System, gigabytes};
pub use open::{OpenDisk, Target};
pub use personalize::Personal;
pub use probe::{Member, Signature};
pub use source::{Image, ImageFile, Packing, Unpacking};
pub use usage::{Use, UseKind};
pub use write::{Job, Phase, Writing, table_end};
