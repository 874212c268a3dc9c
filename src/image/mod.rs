//! Images without Docker: Alpine packages become a root file system in memory ([`Tree`]), the tree becomes ext4 and
//! FAT, and these become a card image and an update image.
//!
//! Nothing in here knows of Rhai, and nothing needs root.

pub mod alpine;
pub mod apk;
pub mod assemble;
mod collect;
pub mod ext4;
pub mod extract;
pub mod fat32;
pub mod fetch;
pub mod install;
pub mod layout;
pub mod manifest;
pub mod mbr;
pub mod output;
pub mod pack;
pub mod rootfs;
pub mod sbom;
pub mod seed;
pub mod sign;
pub mod tree;
pub mod uboot;
pub mod uboot_env;
pub mod volume;

pub use alpine::{Alpine, UnknownScripts};
pub use rootfs::Rootfs;
pub use seed::Seed;
pub use tree::{Content, Entry, Kind, Spool, Tree};
pub use volume::{ReadAt, Volume};
