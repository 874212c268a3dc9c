//! The lab: Raspberry Pi nodes for tests, the demo and the benchmarks.
//!
//! A node is a real Alpine userland (busybox, OpenRC, apk) with an SSH server, in namespaces of its own, on a bridge
//! in a network namespace that only the lab knows. Two kinds: a *fast node* starts in about a tenth of a CPU second
//! from the state of one that has booted; a *card node* boots from its own SD-card image, so that reboots, A/B slots
//! and power cuts are real.
//!
//! ```no_run
//! # fn main() -> anyhow::Result<()> {
//! let lab = pirun_lab::Lab::start()?;
//! let node = lab.fast_node("rpi40")?;
//! let status = lab.command("pirun").arg("provision.rhai").status()?; // runs where the nodes can be reached
//! assert!(status.success() && node.read("/etc/hostname")? == b"rpi40\n");
//! # Ok(())
//! # }
//! ```
//!
//! Everything a lab is made of belongs to the process that started it: dropping the [`Lab`], a panic, or the end of
//! the process takes nodes, network and file systems away.
//!
//! How the files hang together: [`Lab`] (`lab`) owns the [`Hub`] (`hub`: network and mounts), starts a [`Node`]
//! (`node`; `supply` is its power) on a medium (`fast`, `card`), which `boot` turns into a running system. What nodes are
//! made of comes from `userland`, through `fetch` and `cache`.

mod apk;
mod blockdev;
mod board;
mod boot;
mod bootloader;
mod cache;
mod card;
mod card_image;
mod cgroup;
mod delay;
mod dropbear;
mod fast;
mod fetch;
mod files;
mod foreign;
mod hub;
mod lab;
mod lanes;
mod mbr;
mod medium;
mod mirror;
mod namespaces;
mod node;
mod openssh;
mod packages;
mod plan;
mod relay;
pub mod rootless;
mod rundir;
mod ssh;
mod supply;
mod tree;
mod uboot_env;
mod userland;
mod warm;

pub use anyhow::{Error, Result};
pub use board::{Board, BoardOptions, BootPartition, MinimalCard, MinimalRoot, Parts, boot_script};
pub use bootloader::turn as boot_loader_turn;
pub use cache::Cache;
pub use fetch::{cargo_program, debian_packages};
pub use hub::{Hub, Wire};
pub use lab::Lab;
pub use mirror::{Apk, Arch, Fault, Mirror, MirrorServer, default_world};
pub use namespaces::enter_namespace;
pub use node::Node;
pub use openssh::openssh;
pub use plan::NodePlan;
pub use relay::{Cut, Relay, Traffic};
pub use rundir::base as base_dir;
pub use uboot_env::{ByteOrder, Record};
pub use userland::Layout;
