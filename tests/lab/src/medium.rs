//! What a node boots from.

use std::path::{Path, PathBuf};

use anyhow::Result;

/// What the boot loader hands over to the system.
pub struct Kernel {
    /// The kernel's command line.
    pub cmdline: String,
    /// The device in `/dev` that holds the root file system.
    pub root: String,
}

/// Storage that outlives a boot. All calls come from the node's own thread, inside the hub's mount namespace.
pub trait Medium: Send + Sync {
    /// The boot loader's turn, before each boot. It may mount what it likes: the mount namespace is the boot's own.
    fn boot_loader(&self) -> Result<Kernel>;

    /// Block devices that are to appear in the node's `/dev`: name and device number.
    fn devices(&self) -> Vec<(String, u64)>;

    /// Mounts the root file system at `root` and what must be below it before the first process. The node's `/dev`
    /// lies at `/dev` while this runs.
    fn mount(&self, kernel: &Kernel, root: &Path) -> Result<()>;

    /// Whether the first process finds the state of a system that has booted: then the boot sets name and address.
    fn is_warm(&self) -> bool;

    /// Makes the file systems below `root`, a running node's, forget what has not been written.
    fn lose_unwritten(&self, root: &Path) -> Result<()>;

    /// The whole of it as a file, if that is what it is.
    fn image(&self) -> Option<PathBuf>;
}
