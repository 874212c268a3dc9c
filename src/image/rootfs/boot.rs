//! The boot partition: its two text files, and U-Boot's script.

use super::{BOOT, Rootfs};
use crate::error::Result;
use crate::image::uboot;
use crate::state::{Change, ConfigTxt, File, KernelArgs};

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

    /// Lays out U-Boot's script, made of its text.
    ///
    /// # Errors
    /// When the text is empty.
    pub fn boot_script(&mut self, path: &str, text: &str) -> Result<Change> {
        let arch = match &*self.alpine.arch {
            "aarch64" => uboot::Arch::Arm64,
            _ => uboot::Arch::Arm,
        };
        let time = u32::try_from(self.date).unwrap_or_default();
        let content = uboot::boot_script(text, arch, "", time)?;
        let path = path.to_owned();
        self.bring(&File { verb: "boot_script", path, content, ..File::default() })
    }
}
