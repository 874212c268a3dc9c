//! Volumes as the kernel sees them (mounting needs root), and what packing them takes.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use pirun::cancel::Cancel;
use pirun::image::ext4::{Ext4, Size};
use pirun::image::fat32::Fat32;
use pirun::image::pack::{Codec, pack};
use pirun::image::{Content, Entry, Kind, ReadAt, Seed, Spool, Tree, Volume};

const TIME: i64 = 1_700_000_000;

fn write(volume: &Volume, path: &Path) {
    let image = fs::File::create(path).unwrap();
    image.set_len(volume.size()).unwrap();
    for (start, len) in volume.written() {
        let mut bytes = vec![0; len as usize];
        volume.read_exact_at(&mut bytes, start).unwrap();
        image.write_all_at(&bytes, start).unwrap();
    }
}

fn run(program: &str, options: &[&str], paths: &[&Path]) -> String {
    let ran = Command::new(program).args(options).args(paths).output().unwrap();
    assert!(ran.status.success(), "{program}: {}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8_lossy(&ran.stdout).into_owned()
}

/// A volume in a file, mounted read-only on a loop device.
struct Mounted(tempfile::TempDir);

impl Mounted {
    fn new(volume: &Volume, kind: &str) -> Self {
        let mounted = Self(tempfile::tempdir().unwrap());
        let image = mounted.0.path().join("image");
        write(volume, &image);
        fs::create_dir(mounted.root()).unwrap();
        run("mount", &["-t", kind, "-o", "ro,loop"], &[&image, &mounted.root()]);
        mounted
    }

    fn root(&self) -> PathBuf {
        self.0.path().join("mnt")
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.root()).status();
    }
}

fn node(kind: Kind, mode: u16) -> Entry {
    Entry { kind, ..Entry::file(*b"", mode) }
}

#[test]
fn the_kernel_finds_what_was_laid_out_as_ext4() {
    let mut tree = Tree::new();
    let capability = vec![1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let xattrs = BTreeMap::from([("security.capability".to_owned(), capability.clone())]);
    let large: Vec<u8> = (0..9_000_000u32).map(|at| (at % 251) as u8).collect();
    let entries = [
        ("bin/busybox", Entry::file(large, 0o4755)),
        ("bin/ping", Entry { xattrs, ..Entry::file(*b"ping", 0o755) }),
        ("bin/sh", Entry::link("/bin/busybox")),
        ("bin/other", node(Kind::Hard("bin/busybox".into()), 0o4755)),
        ("etc/shadow", Entry::file(*b"root:!::0\n", 0o640).owned_by(0, 42)),
        ("tmp", Entry::directory(0o1777)),
        ("home/user", Entry::directory(0o700).owned_by(100_000, 70_000)),
        ("dev/console", node(Kind::Character { major: 5, minor: 1 }, 0o600)),
        ("dev/loop300", node(Kind::Block { major: 7, minor: 300 }, 0o660)),
        ("run/fifo", node(Kind::Fifo, 0o622)),
    ];
    for (path, entry) in entries {
        tree.insert(path, entry.at(TIME)).unwrap();
    }
    let size = Size::Shrink { free: 1 << 20 };
    let volume = Ext4::root(size, "root", &Seed::new("tests"), TIME).volume(&tree).unwrap();
    let mounted = Mounted::new(&volume, "ext4");
    for (path, entry) in tree.iter() {
        let at = mounted.root().join(path);
        let found = fs::symlink_metadata(&at).unwrap();
        let owner = (found.uid(), found.gid(), found.mtime());
        assert_eq!(owner, (entry.uid, entry.gid, entry.mtime), "{path}");
        assert_eq!(found.mode() & 0o7777, u32::from(entry.mode), "{path}");
        let device = |major: u32, minor: u32| device_number(major, minor) == found.rdev();
        match &entry.kind {
            Kind::Directory => assert!(found.is_dir(), "{path}"),
            Kind::Link(target) => assert_eq!(fs::read_link(&at).unwrap(), Path::new(target)),
            Kind::Fifo => assert!(found.file_type().is_fifo()),
            Kind::Character { major, minor } => {
                assert!(found.file_type().is_char_device() && device(*major, *minor));
            }
            Kind::Block { major, minor } => {
                assert!(found.file_type().is_block_device() && device(*major, *minor));
            }
            Kind::File(_) | Kind::Hard(_) => {
                let content = tree.content(path).unwrap().bytes().unwrap();
                assert!(fs::read(&at).unwrap() == content, "{path}");
            }
        }
    }
    let inode = |path: &str| fs::metadata(mounted.root().join(path)).unwrap().ino();
    assert_eq!(inode("bin/busybox"), inode("bin/other"));
    let script = "import os, sys; print(os.getxattr(sys.argv[1], 'security.capability').hex())";
    let ping = mounted.root().join("bin/ping");
    let found = run("python3", &["-c", script], &[&ping]);
    let digits: String = capability.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(found.trim(), digits);
}

/// The number that `stat` gives for a device (glibc's `makedev`).
fn device_number(major: u32, minor: u32) -> u64 {
    let (major, minor) = (u64::from(major), u64::from(minor));
    (major & 0xFFF) << 8 | minor & 0xFF | (minor & !0xFF) << 12 | (major & !0xFFF) << 32
}

#[test]
fn mtools_finds_what_was_laid_out_as_fat() {
    let mut tree = Tree::new();
    for index in 0..300 {
        let path = format!("overlays/An overlay with a long name {index}.dtbo");
        tree.insert(&path, Entry::file(vec![index as u8; 3000 + index], 0o644).at(TIME)).unwrap();
    }
    tree.insert("CONFIG.TXT", Entry::file(*b"x", 0o644).at(TIME)).unwrap();
    let fat = Fat32 { size: 40 << 20, label: "BOOT".into(), volume_id: 7 };
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("image");
    write(&fat.volume(&tree).unwrap(), &image);
    let out = dir.path().join("out");
    fs::create_dir(&out).unwrap();
    run("mcopy", &["-s", "-n", "-i"], &[&image, Path::new("::/CONFIG.TXT"), &out]);
    run("mcopy", &["-s", "-n", "-i"], &[&image, Path::new("::/overlays"), &out]);
    for (path, entry) in tree.iter() {
        if let Kind::File(content) = &entry.kind {
            assert_eq!(fs::read(out.join(path)).unwrap(), content.bytes().unwrap(), "{path}");
        }
    }
}

#[test]
fn packs_a_large_root_in_little_memory() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::create_in(dir.path()).unwrap();
    let part = b"packages are full of text\n".repeat(40_000);
    let offset = spool.append(&part).unwrap();
    let mut tree = Tree::new();
    for index in 0..400 {
        let content = Content::Spooled { spool: spool.clone(), offset, len: part.len() as u64 };
        tree.insert(&format!("usr/lib/{index}"), node(Kind::File(content), 0o644)).unwrap();
    }
    let size = Size::Fixed(1 << 30);
    let volume = Ext4::root(size, "root", &Seed::new("tests"), TIME).volume(&tree).unwrap();
    let packed = pack(&volume, Codec::Gzip, dir.path(), &Cancel::default()).unwrap();
    assert_eq!(packed.raw, 1 << 30);
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < 200 << 10, "{peak} KiB");
}
