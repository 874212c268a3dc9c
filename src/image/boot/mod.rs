//! The boot side of an image: U-Boot's script and what runs in the system to answer it. Texts, each documented in
//! itself; `boot.cmd` and `pirun-slot` together are the A/B protocol.
//!
//! U-Boot's record of which slot to boot and how often it was tried is raspi-alpine's `uboot.dat` version 1.

/// U-Boot's script, to be compiled to `boot.scr` on the boot partition.
pub const BOOT_CMD: &str = include_str!("boot.cmd");

/// A file of the root file system.
#[derive(Debug, Clone, Copy)]
pub struct BootFile {
    /// Without a leading slash.
    pub path: &'static str,
    pub mode: u32,
    pub text: &'static str,
}

/// What the root needs for [`BOOT_CMD`] to make sense. Services are to be enabled as [`SERVICES`] says.
pub const FILES: &[BootFile] = &[
    program("usr/sbin/pirun-slot", include_str!("pirun-slot")),
    program("usr/sbin/pirun-first-boot", include_str!("pirun-first-boot")),
    program("usr/sbin/pirun-clock", include_str!("pirun-clock")),
    program("etc/periodic/15min/pirun-clock", include_str!("pirun-clock.periodic")),
    program("etc/init.d/pirun-boot", include_str!("pirun-boot.initd")),
    program("etc/init.d/pirun-clock", include_str!("pirun-clock.initd")),
    program("etc/init.d/pirun-first-boot", include_str!("pirun-first-boot.initd")),
    program("etc/init.d/pirun-watchdog", include_str!("pirun-watchdog.initd")),
];

/// Run level and service. `pirun-clock` takes the place of `swclock`, `hwclock` and `osclock`.
pub const SERVICES: &[(&str, &str)] = &[
    ("sysinit", "pirun-watchdog"),
    ("boot", "pirun-clock"),
    ("boot", "pirun-first-boot"),
    ("boot", "pirun-boot"),
];

const fn program(path: &'static str, text: &'static str) -> BootFile {
    BootFile { path, mode: 0o755, text }
}
