//! The smallest card that boots: U-Boot and its script on the boot partition, busybox and dropbear in the slots.

use std::fs::{self, File};
use std::io::{Cursor, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::board::parts::Parts;
use crate::card_image::{copy_sparse, make_ext4};
use crate::fetch::{require, run};
use crate::mbr::{self, Partition};
use crate::tree;

const MIB: u64 = 1 << 20;
/// Boot, root A, root B, data. The first is as large as FAT32 must be.
const PARTITIONS: [Partition; 4] = [
    Partition { start: 4 * MIB, length: 40 * MIB, kind: 0x0c },
    Partition { start: 44 * MIB, length: 40 * MIB, kind: 0x83 },
    Partition { start: 84 * MIB, length: 40 * MIB, kind: 0x83 },
    Partition { start: 124 * MIB, length: 16 * MIB, kind: 0x83 },
];
const INIT: &str = include_str!("../../image/board-init.sh");
const CONFIG: &str = "arm_64bit=1\nenable_uart=1\nkernel=u-boot.bin\n";
const CMDLINE: &str = "console=serial0,115200 console=tty1 root=/dev/mmcblk0p2 rootfstype=ext4 rootwait ro panic=10\n";

/// A root file system of a slot.
pub struct MinimalRoot {
    /// What its `/etc/pirun/image` says.
    pub image: String,
    /// Further files: path, mode, content.
    pub files: Vec<(String, u32, String)>,
}

/// A card to be.
pub struct MinimalCard {
    /// The text of U-Boot's script.
    pub boot_script: String,
    /// What the slots hold, if anything.
    pub slots: [Option<MinimalRoot>; 2],
}

impl MinimalCard {
    /// Makes the card in `dir`; the card, and the private key that may log in.
    pub fn make(&self, dir: &Path) -> Result<(PathBuf, PathBuf)> {
        require("mkfs.ext4", "e2fsprogs")?;
        let parts = Parts::obtain()?;
        let key = dir.join("id_ed25519");
        run(std::process::Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", "board", "-f"])
            .arg(&key))?;
        let public = fs::read_to_string(key.with_extension("pub"))?;

        let path = dir.join("sdcard.img");
        let card = File::create(&path)?;
        card.set_len(PARTITIONS[3].start + PARTITIONS[3].length)?;
        card.write_all_at(&mbr::record(&PARTITIONS), 0)?;
        card.write_all_at(&self.boot_partition(&parts)?, PARTITIONS[0].start)?;
        let scratch = tempfile::tempdir()?;
        for (slot, partition) in self.slots.iter().zip(&PARTITIONS[1..3]) {
            let Some(slot) = slot else { continue };
            let tree = scratch.path().join(&slot.image);
            slot.lay_out(&parts, &public, &tree)?;
            let image = tree.with_extension("ext4");
            make_ext4(&image, partition.length, "rootfs", Some(&tree))?;
            copy_sparse(&File::open(&image)?, &card, partition.start)?;
        }
        let data = scratch.path().join("data.ext4");
        make_ext4(&data, PARTITIONS[3].length, "data", None)?;
        copy_sparse(&File::open(&data)?, &card, PARTITIONS[3].start)?;
        Ok((path, key))
    }

    fn boot_partition(&self, parts: &Parts) -> Result<Vec<u8>> {
        let mut bytes = Cursor::new(vec![0; usize::try_from(PARTITIONS[0].length)?]);
        let options = fatfs::FormatVolumeOptions::new()
            .fat_type(fatfs::FatType::Fat32)
            .bytes_per_cluster(512)
            .volume_label(*b"BOOT       ");
        fatfs::format_volume(&mut bytes, options).context("format the boot partition")?;
        let fat = fatfs::FileSystem::new(&mut bytes, fatfs::FsOptions::new())?;
        ensure!(fat.fat_type() == fatfs::FatType::Fat32, "the boot partition is no FAT32");
        for (name, content) in [
            ("config.txt", CONFIG.as_bytes()),
            ("cmdline.txt", CMDLINE.as_bytes()),
            ("u-boot.bin", &fs::read(parts.u_boot())?),
            ("boot.scr", &super::boot_script(&self.boot_script)),
        ] {
            fat.root_dir().create_file(name)?.write_all(content)?;
        }
        fat.unmount()?;
        Ok(bytes.into_inner())
    }
}

impl MinimalRoot {
    fn lay_out(&self, parts: &Parts, key: &str, root: &Path) -> Result<()> {
        for dir in ["boot", "data", "dev", "mnt", "proc", "run", "sys", "tmp", "uboot"] {
            fs::create_dir_all(root.join(dir))?;
        }
        tree::copy(&parts.userland(), root)?;
        fs::copy(parts.kernel(), root.join("boot/vmlinuz-rpi"))?;
        for (path, mode, text) in [
            ("sbin/init", 0o755, INIT),
            ("etc/pirun/image", 0o644, &format!("{}\n", self.image)),
            ("etc/passwd", 0o644, "root:x:0:0:root:/root:/bin/sh\n"),
            ("etc/group", 0o644, "root:x:0:\n"),
            ("etc/shadow", 0o600, "root:*:19000:0:::::\n"),
            ("etc/shells", 0o644, "/bin/sh\n"),
            ("root/.ssh/authorized_keys", 0o600, key),
        ] {
            tree::write(&root.join(path), text, mode)?;
        }
        for dir in ["root", "root/.ssh"] {
            fs::set_permissions(
                root.join(dir),
                std::os::unix::fs::PermissionsExt::from_mode(0o700),
            )?;
        }
        self.files
            .iter()
            .try_for_each(|(path, mode, text)| tree::write(&root.join(path), text, *mode))
    }
}
