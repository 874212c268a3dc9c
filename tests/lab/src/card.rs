//! The medium of a card node: an SD card with a boot partition, two slots and a data partition, and the boot loader
//! that picks a slot.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, unmount,
};

use crate::blockdev::{Disk, shut_down_ext4, wait_unused};
use crate::bootloader;
use crate::card_image::{PARTITIONS, in_memory, path_of, with_ext4_boot};
use crate::mbr::Partition;
use crate::medium::{Kernel, Medium};
use crate::namespaces::{New, in_thread, unshare};
use crate::uboot_env::ByteOrder;

/// As U-Boot's script and the Pi's firmware put it together.
const CMDLINE: &str = "console=serial0,115200 console=tty1 rootfstype=ext4 fsck.repair=yes cgroup_enable=memory \
                       swapaccount=1 ro rootwait quiet";

pub struct Card {
    image: OwnedFd,
    disk: Disk,
    /// Where its device nodes are, and a place to mount: on the hub's disks.
    dir: PathBuf,
    order: ByteOrder,
    /// Whether a slot must hold a kernel, as for U-Boot. The lab's own slots have none.
    wants_kernel: bool,
}

impl Card {
    /// A new card with the content of `template`; `dir` is the node's own place on the hub's disks.
    pub fn create(template: &Path, dir: &Path, order: ByteOrder) -> Result<Self> {
        Self::insert(in_memory(template)?, &PARTITIONS, dir, order, false)
    }

    /// A new card with the content of a card image of pirun's, but for the boot partition, which is empty.
    pub fn of_image(image: &Path, dir: &Path, order: ByteOrder) -> Result<Self> {
        let (image, partitions) = with_ext4_boot(image)?;
        Self::insert(image, &partitions, dir, order, true)
    }

    fn insert(
        image: OwnedFd,
        partitions: &[Partition; 4],
        dir: &Path,
        order: ByteOrder,
        wants_kernel: bool,
    ) -> Result<Self> {
        let disk = Disk::attach(&image, partitions)?;
        fs::create_dir(dir.join("card"))?;
        let card = Self { image, disk, dir: dir.to_owned(), order, wants_kernel };
        for (name, number) in card.devices() {
            mknodat(
                CWD,
                card.device(&name),
                FileType::BlockDevice,
                Mode::from_raw_mode(0o600),
                number,
            )?;
        }
        Ok(card)
    }

    /// Runs `work` on the mounted data partition, in a mount namespace that ends with it.
    pub fn with_data<T: Send>(&self, work: impl FnOnce(&Path) -> Result<T> + Send) -> Result<T> {
        in_thread(|| {
            unshare(New::FS | New::NEWNS)?;
            mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
            self.with_partition(4, work)
        })
    }

    fn with_partition<T>(&self, number: usize, work: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
        let device = self.device(&partition(number));
        let place = self.dir.join("partition");
        fs::create_dir_all(&place)?;
        mount(&device, &place, "ext4", MountFlags::empty(), c"")
            .with_context(|| format!("mount partition {number}"))?;
        let done = work(&place);
        unmount(&place, UnmountFlags::empty())
            .with_context(|| format!("unmount partition {number}"))?;
        done
    }

    fn device(&self, name: &str) -> PathBuf {
        self.dir.join("card").join(name)
    }
}

impl Medium for Card {
    fn boot_loader(&self) -> Result<Kernel> {
        // The last boot's file systems must be closed: a second mount would share their state.
        (1..=PARTITIONS.len())
            .try_for_each(|number| wait_unused(&self.device(&partition(number))))?;
        let record = self.with_partition(1, |boot| {
            let path = boot.join("uboot.dat");
            let record = bootloader::turn(&fs::read(&path).unwrap_or_default(), self.order);
            fs::write(&path, record.bytes(self.order)).context("write uboot.dat")?;
            Ok(record)
        })?;
        let root = partition(record.partition().into());
        Ok(Kernel { cmdline: format!("{CMDLINE} root=/dev/{root}"), root })
    }

    fn devices(&self) -> Vec<(String, u64)> {
        let name = |number| {
            if number == 0 { "mmcblk0".to_owned() } else { partition(number) }
        };
        self.disk
            .numbers
            .iter()
            .enumerate()
            .map(|(number, device)| (name(number), *device))
            .collect()
    }

    fn mount(&self, kernel: &Kernel, root: &Path) -> Result<()> {
        let device = format!("/dev/{}", kernel.root);
        mount(&device, root, "ext4", MountFlags::RDONLY, c"")
            .with_context(|| format!("kernel panic: cannot mount root from {device}"))?;
        if self.wants_kernel && !root.join("boot/vmlinuz-rpi").exists() {
            unmount(root, UnmountFlags::empty())?;
            bail!("there is no kernel in {device}");
        }
        Ok(())
    }

    fn is_warm(&self) -> bool {
        false
    }

    fn lose_unwritten(&self, root: &Path) -> Result<()> {
        // Data first: it is what is being written. What is not mounted yet, or not any more, has nothing to lose.
        ["data", "uboot", ""].iter().try_for_each(|path| shut_down_ext4(&root.join(path)))
    }

    fn image(&self) -> Option<PathBuf> {
        Some(path_of(&self.image))
    }
}

fn partition(number: usize) -> String {
    format!("mmcblk0p{number}")
}
