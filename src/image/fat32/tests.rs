use std::process::Command;

use super::*;
use crate::image::tree::Kind;

fn fat() -> Fat32 {
    Fat32 { size: 100 << 20, label: "BOOT".into(), volume_id: 0x1234_5678 }
}

fn tree() -> Tree {
    let mut tree = Tree::new();
    let mut put = |path: &str, bytes: Vec<u8>| {
        tree.insert(path, Entry::file(bytes, 0o644).at(1_700_000_000)).unwrap();
    };
    put("config.txt", b"arm_64bit=1\n".to_vec());
    put("overlays/a long name with blanks.dtbo", vec![7; 70_000]);
    put("zeros.bin", vec![0; 9_000]);
    put("empty", vec![]);
    for index in 0..120 {
        put(&format!("overlays/overlay-{index:03}.dtbo"), vec![index; 2000]);
    }
    tree.insert(
        "overlays/twin.dtbo",
        Entry { kind: Kind::Hard("config.txt".into()), ..Entry::file(*b"", 0o644) },
    )
    .unwrap();
    tree
}

fn bytes(volume: &Volume) -> Vec<u8> {
    let mut bytes = vec![0; volume.size() as usize];
    volume.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

/// What a checker says of an image that had `filler` where the volume is free.
fn fsck(volume: &Volume, filler: u8) -> String {
    let mut image = vec![filler; volume.size() as usize];
    for (start, len) in volume.written() {
        let range = start as usize..(start + len) as usize;
        volume.read_exact_at(&mut image[range], start).unwrap();
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), image).unwrap();
    let ran =
        Command::new("/usr/sbin/fsck.vfat").args(["-n", "-v"]).arg(file.path()).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(ran.status.success(), "{said}");
    said
}

#[test]
fn is_fat32_and_clean_whatever_is_in_its_free_space() {
    let volume = fat().volume(&tree()).unwrap();
    for filler in [0, 0xA5] {
        let said = fsck(&volume, filler);
        let clusters = said.lines().find(|line| line.contains(" data clusters ")).unwrap();
        let clusters: u32 = clusters.trim().split(' ').next().unwrap().parse().unwrap();
        assert!(clusters >= 65_525, "{said}");
    }
    let written: u64 = volume.written().iter().map(|(_, len)| len).sum();
    assert!(written < 4 << 20, "{written} bytes are to be written");
}

#[test]
fn gives_back_what_was_put_in() {
    let read = read(&fat().volume(&tree()).unwrap()).unwrap();
    for (path, entry) in tree().iter() {
        let found = read.get(path).unwrap_or_else(|| panic!("{path}"));
        assert_eq!(tree().content(path), read.content(path), "{path}");
        if matches!(entry.kind, Kind::File(_)) {
            assert_eq!(found.mtime, entry.mtime, "{path}");
        }
    }
    assert_eq!(read.iter().count(), tree().iter().count());
    assert!(file(&read, "config.txt").is_ok() && file(&read, "no").is_err());
}

#[test]
fn has_the_same_bytes_every_time() {
    let bytes_of = |tree: &Tree| bytes(&fat().volume(tree).unwrap());
    assert!(bytes_of(&tree()) == bytes_of(&tree()));
}

#[test]
fn refuses_what_fat_cannot_hold() {
    let message = |fat: Fat32, path: &str, entry: Entry| {
        let mut tree = tree();
        tree.insert(path, entry).unwrap();
        fat.volume(&tree).unwrap_err().message().to_owned()
    };
    let empty = || Entry::file(*b"", 0o644);
    let said = [
        message(fat(), "CONFIG.TXT", empty()),
        message(fat(), "link", Entry::link("x")),
        message(fat(), "a:b", empty()),
        message(fat(), "large", Entry::file(vec![1; 100 << 20], 0o644)),
        message(Fat32 { size: 10 << 20, ..fat() }, "x", empty()),
        message(Fat32 { label: "boot".into(), ..fat() }, "x", empty()),
    ];
    insta::assert_snapshot!(said.join("\n"), @r"
    /CONFIG.TXT and /config.txt are the same name for the boot partition: FAT does not tell case apart
    /link cannot be put into the boot partition: FAT has no symbolic links
    /a:b cannot be put into the boot partition: its name has a character that FAT does not allow
    the boot files do not fit into 100 MiB: they take 101 MiB
    10485760 bytes cannot be the size of a FAT32 file system
    `boot` cannot be the label of a FAT file system
    ");
}

#[test]
fn refuses_to_read_what_is_not_fat() {
    for bytes in [vec![], vec![0; 4096], vec![0xA5; 1 << 20]] {
        assert!(read(&Volume::of_bytes(bytes)).is_err());
    }
}
