//! The boot partition's two text files.

use super::{BOOT, Rootfs};
use crate::error::Result;
use crate::state::{Change, ConfigTxt, KernelArgs};

impl Rootfs {
    /// Sets lines of `config.txt`.
    ///
    /// # Errors
    /// When it is no text file.
    pub fn config_txt(&mut self, config: &ConfigTxt) -> Result<Change> {
        self.edit("config_txt", &format!("/{BOOT}/config.txt"), |text| config.edit(text))
    }

    /// Sets arguments of the kernel in `cmdline.txt`.
    ///
    /// # Errors
    /// When it is no text file.
    pub fn kernel_args(&mut self, args: &KernelArgs) -> Result<Change> {
        self.edit("kernel_args", &format!("/{BOOT}/cmdline.txt"), |text| args.edit(text))
    }
}
