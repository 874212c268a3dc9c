//! What triggers bring about, natively: links to busybox' applets, the bundle of certificates, udev's hardware database,
//! indexes of kernel modules. Which trigger runs is up to its package's script; these are the programs that such scripts
//! call.

pub mod busybox;
pub mod certificates;
pub mod fire;
pub mod hwdb;
mod module_index;
pub mod modules;
mod subject_hash;
