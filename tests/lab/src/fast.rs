//! The medium of a fast node: an overlay on the shared userland, in memory. No card, no boot loader.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::mount::{MountFlags, mount, mount_bind, mount_remount};

use crate::medium::{Kernel, Medium};
use crate::tree;

const CMDLINE: &str = "console=serial0,115200 console=tty1 root=/dev/mmcblk0p2 rootfstype=ext4 fsck.repair=yes \
                       cgroup_enable=memory swapaccount=1 ro rootwait quiet";

pub struct Overlay {
    dir: PathBuf,
    layers: Vec<PathBuf>,
    run_state: Option<PathBuf>,
}

impl Overlay {
    /// `dir` is the node's own place on the hub's disks and holds `data` already; `layers` lie over each other, the
    /// topmost first; `run_state` is what a booted system's `/run` is filled with, for a warm start.
    pub fn create(dir: &Path, layers: Vec<PathBuf>, run_state: Option<PathBuf>) -> Result<Self> {
        for name in ["upper", "work", "boot"] {
            fs::create_dir(dir.join(name))?;
        }
        Ok(Self { dir: dir.to_owned(), layers, run_state })
    }

    fn options(&self) -> Result<std::ffi::CString> {
        let lower: Vec<_> = self.layers.iter().map(|layer| layer.display().to_string()).collect();
        let dir = self.dir.display();
        Ok(std::ffi::CString::new(format!(
            "lowerdir={},upperdir={dir}/upper,workdir={dir}/work",
            lower.join(":")
        ))?)
    }
}

impl Medium for Overlay {
    fn boot_loader(&self) -> Result<Kernel> {
        Ok(Kernel { cmdline: CMDLINE.to_owned(), root: "mmcblk0p2".to_owned() })
    }

    fn devices(&self) -> Vec<(String, u64)> {
        Vec::new()
    }

    fn mount(&self, _kernel: &Kernel, root: &Path) -> Result<()> {
        let options = self.options()?;
        mount("/dev/root", root, "overlay", MountFlags::RDONLY, options.as_c_str())
            .context("mount the overlay")?;
        let data = self.dir.join("data");
        for (from, to) in [
            (data.clone(), "data"),
            (data.join("root"), "root"),
            (data.join("var/lib"), "var/lib"),
            (data.join("var/log"), "var/log"),
        ] {
            mount_bind(&from, root.join(to)).with_context(|| format!("bind {}", from.display()))?;
        }
        mount_bind(self.dir.join("boot"), root.join("uboot"))?;
        mount_remount(root.join("uboot"), MountFlags::BIND | MountFlags::RDONLY, c"")?;
        for (path, options) in [("run", c"mode=755"), ("tmp", c"mode=1777")] {
            mount("tmpfs", root.join(path), "tmpfs", MountFlags::empty(), options)?;
        }
        match &self.run_state {
            Some(state) => tree::copy(state, &root.join("run")),
            None => Ok(()),
        }
    }

    fn is_warm(&self) -> bool {
        self.run_state.is_some()
    }

    /// Memory forgets nothing while the lab lives.
    fn lose_unwritten(&self, _root: &Path) -> Result<()> {
        Ok(())
    }

    fn image(&self) -> Option<PathBuf> {
        None
    }
}
