//! The lab's own files in a node: services, stand-ins, and what the original's images set up.

/// A file as it will be in a node's root.
pub struct ImageFile {
    pub path: &'static str,
    pub mode: u32,
    pub text: &'static str,
}

const fn script(path: &'static str, text: &'static str) -> ImageFile {
    ImageFile { path, mode: 0o755, text }
}

const fn plain(path: &'static str, text: &'static str) -> ImageFile {
    ImageFile { path, mode: 0o644, text }
}

/// Everybody's root.
pub const ROOT: &[ImageFile] = &[
    script("etc/init.d/dropbear", include_str!("../image/dropbear.initd")),
    script("etc/init.d/k3s", include_str!("../image/k3s.initd")),
    script("etc/init.d/mdev", include_str!("../image/mdev.initd")),
    script("etc/init.d/rpcbind", include_str!("../image/rpcbind.initd")),
    script("usr/bin/k3s", include_str!("../image/k3s.sh")),
    script("usr/sbin/uboot_tool", include_str!("../image/uboot_tool.sh")),
    script("etc/local.d/99-uboot.start", include_str!("../image/99-uboot.start")),
    plain("etc/conf.d/dropbear", "DROPBEAR_OPTS=\"\"\n"),
    plain("etc/fstab", include_str!("../image/fstab")),
    plain("etc/inittab", include_str!("../image/inittab")),
    plain("etc/iscsi/iscsid.conf", include_str!("../image/iscsid.conf")),
];

/// What a node without a card has on top.
pub const OVERLAY: &[ImageFile] = &[plain("etc/fstab", include_str!("../image/fstab.overlay"))];

/// What a warm start lays over it.
pub const WARM: &[ImageFile] = &[
    script("sbin/warm-start", include_str!("../image/warm-start.sh")),
    plain("etc/inittab", include_str!("../image/inittab.warm")),
];

/// The default of the `k3s` package; where it lies is a matter of the node's [`Layout`](crate::Layout).
pub const K3S_CONF: &str = include_str!("../image/k3s.confd");

/// Root's password is `alpine`, as on the original's images: what `trust --install-key` logs in with.
pub const ROOT_PASSWORD_HASH: &str = "$6$pirunlab$1.wDCNcM2caz02n7ESpwWKtH.qTZnoiZsG2VlyPBxlUXcFYzjUqM2j7LTYfmGbI1MHX16Er1SzHQsUeBCdW9d0";

/// The services of each runlevel. k3s and rpcbind are installed, but provisioning is what enables them.
pub const RUNLEVELS: &[(&str, &[&str])] = &[
    ("sysinit", &["devfs", "mdev"]),
    ("boot", &["bootmisc", "hostname", "osclock", "syslog"]),
    ("default", &["dropbear", "local", "networking"]),
    ("shutdown", &["killprocs", "mount-ro", "savecache"]),
];
