//! Packages laid out on a [`Tree`](super::Tree) so that the node's own `apk` accepts the result: without root, without
//! qemu, without running anything.

pub mod scripts;
pub mod services;
pub mod triggers;
pub mod users;
