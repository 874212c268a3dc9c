//! SD cards as files: made once, copied for each node.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use rustix::fs::{MemfdFlags, memfd_create};

use crate::cache::{Cache, Key};
use crate::fetch::{require, run};
use crate::mbr::{self, Partition};
use crate::tree;
use crate::userland::{Layout, Userland, path_with_sbin};

const MIB: u64 = 1 << 20;

/// Boot, root A, root B, data: aligned to 4 MiB, small where real cards are large. The boot partition has FAT's type
/// but holds ext4, as not every kernel has FAT.
pub const PARTITIONS: [Partition; 4] = [
    Partition { start: 4 * MIB, length: 16 * MIB, kind: 0x0c },
    Partition { start: 20 * MIB, length: 128 * MIB, kind: 0x83 },
    Partition { start: 148 * MIB, length: 128 * MIB, kind: 0x83 },
    Partition { start: 276 * MIB, length: 128 * MIB, kind: 0x83 },
];

/// What a slot's file system is made with; smaller than the slot, as real ones are.
const ROOT_SIZE: u64 = 96 * MIB;

/// The image of a card with both slots written, and an empty data partition.
pub fn template(cache: &Cache, userland: &Userland, layout: Layout) -> Result<PathBuf> {
    require("mkfs.ext4", "e2fsprogs")?;
    let mut key = Key::new("card 1");
    key.add(userland.id());
    key.add(format!("{layout:?} {PARTITIONS:?} {ROOT_SIZE}"));
    let dir = cache.entry("card", key, |dir| {
        let scratch = tempfile::tempdir()?;
        let root = scratch.path().join("root.ext4");
        root_image(userland, layout, &root, |_| Ok(()))?;
        let (boot, data) = (scratch.path().join("boot.ext4"), scratch.path().join("data.ext4"));
        make_ext4(&boot, PARTITIONS[0].length, "BOOT", None)?;
        make_ext4(&data, PARTITIONS[3].length, "data", None)?;
        let card = File::create(dir.join("sdcard.img"))?;
        card.set_len(PARTITIONS[3].start + PARTITIONS[3].length)?;
        card.write_all_at(&mbr::record(&PARTITIONS), 0)?;
        for (partition, content) in PARTITIONS.iter().zip([&boot, &root, &root, &data]) {
            copy_sparse(&File::open(content)?, &card, partition.start)?;
        }
        Ok(())
    })?;
    Ok(dir.join("sdcard.img"))
}

/// A slot's file system as a file at `path`: the userland, after `change` has been at a copy of it.
pub fn root_image(
    userland: &Userland,
    layout: Layout,
    path: &Path,
    change: impl FnOnce(&Path) -> Result<()>,
) -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let root = scratch.path().join("root");
    tree::copy(&userland.root(), &root)?;
    if layout == Layout::Seed {
        tree::overlay(&userland.seed(), &root)?;
    }
    change(&root)?;
    make_ext4(path, ROOT_SIZE, "rootfs", Some(&root))
}

pub fn make_ext4(path: &Path, size: u64, label: &str, content: Option<&Path>) -> Result<()> {
    File::create(path).with_context(|| format!("create {}", path.display()))?.set_len(size)?;
    let mut mkfs = Command::new("mkfs.ext4");
    // Nothing is left for the kernel to do in the background when it is mounted.
    mkfs.env("PATH", path_with_sbin()).args([
        "-q",
        "-F",
        "-L",
        label,
        "-E",
        "lazy_itable_init=0,lazy_journal_init=0,root_owner=0:0",
    ]);
    if let Some(content) = content {
        mkfs.arg("-d").arg(content);
    }
    run(mkfs.arg(path))
}

/// A card in memory with the content of `template`.
pub fn in_memory(template: &Path) -> Result<OwnedFd> {
    let card = memfd_create("sdcard", MemfdFlags::CLOEXEC).context("make a card in memory")?;
    let template = File::open(template).with_context(|| format!("open {}", template.display()))?;
    let file = File::from(card);
    file.set_len(template.metadata()?.len())?;
    copy_sparse(&template, &file, 0)?;
    Ok(file.into())
}

/// A card in memory with the content of a card image of pirun's, and its partitions. The boot partition is made anew, as
/// ext4: not every kernel has FAT.
pub fn with_ext4_boot(image: &Path) -> Result<(OwnedFd, [Partition; 4])> {
    let card = File::from(in_memory(image)?);
    let mut record = [0; 512];
    card.read_exact_at(&mut record, 0)?;
    let partition = |number| {
        mbr::partition(&record, number)
            .with_context(|| format!("{} has no partition {}", image.display(), number + 1))
    };
    let partitions = [partition(0)?, partition(1)?, partition(2)?, partition(3)?];
    let scratch = tempfile::tempdir()?;
    let boot = scratch.path().join("boot.ext4");
    make_ext4(&boot, partitions[0].length, "BOOT", None)?;
    copy_sparse(&File::open(&boot)?, &card, partitions[0].start)?;
    Ok((card.into(), partitions))
}

/// Copies what is not a hole in `from` to the same place behind `offset` in `to`.
pub fn copy_sparse(mut from: &File, mut to: &File, offset: u64) -> Result<()> {
    let mut at = 0;
    while let Ok(start) = rustix::fs::seek(from, rustix::fs::SeekFrom::Data(at)) {
        let end = rustix::fs::seek(from, rustix::fs::SeekFrom::Hole(start))?;
        from.seek(SeekFrom::Start(start))?;
        to.seek(SeekFrom::Start(offset + start))?;
        std::io::copy(&mut std::io::Read::take(from, end - start), &mut to)?;
        at = end;
    }
    Ok(to.flush()?)
}

/// A file that programs can open by path while it is open here.
pub fn path_of(file: &OwnedFd) -> PathBuf {
    use std::os::fd::AsRawFd;
    PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd()))
}
