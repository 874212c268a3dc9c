use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use super::*;
use crate::image::tree::{Content, Entry, Kind, Spool};
use crate::image::volume::ReadAt;

const TIME: i64 = 1_700_000_000;

fn root(size: Size) -> Ext4 {
    Ext4::root(size, "rootA", &Seed::new("tests"), TIME)
}

/// One of everything that a root file system has.
fn tree() -> Tree {
    let mut tree = Tree::new();
    let mut put = |path: &str, entry: Entry| tree.insert(path, entry.at(TIME)).unwrap();
    put("etc/passwd", Entry::file(*b"root:x:0:0\n", 0o644));
    put("etc/shadow", Entry::file(*b"root:!::0\n", 0o640).owned_by(0, 42));
    put("var/empty", Entry::directory(0o555));
    put("tmp", Entry::directory(0o1777));
    put("bin/busybox", Entry::file(vec![7; 800_001], 0o4755));
    put("bin/sh", Entry::link("/bin/busybox"));
    put("etc/far", Entry::link(format!("/{}", "x".repeat(200))));
    put(
        "dev/console",
        Entry { kind: Kind::Character { major: 5, minor: 1 }, ..Entry::file(*b"", 0o600) },
    );
    put(
        "dev/mmcblk0",
        Entry {
            kind: Kind::Block { major: 179, minor: 300 },
            ..Entry::file(*b"", 0o660).owned_by(0, 6)
        },
    );
    put("run/fifo", Entry { kind: Kind::Fifo, ..Entry::file(*b"", 0o622) });
    // A name that sorts before what it names.
    put("bin/again", Entry { kind: Kind::Hard("bin/busybox".into()), ..Entry::file(*b"", 0o4755) });
    put("zeros", Entry::file(vec![0; 300_000], 0o600).owned_by(70_000, 1_000_000));
    put("empty", Entry::file(*b"", 0o644));
    for index in 0..400 {
        put(
            &format!("usr/share/many/a rather long name for a file, number {index:04}"),
            Entry::file(format!("{index}\n").into_bytes(), 0o644),
        );
    }
    let ping = Entry {
        xattrs: BTreeMap::from([
            (
                "security.capability".into(),
                vec![1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            ),
            ("user.note".into(), vec![b'n'; 900]),
        ]),
        ..Entry::file(*b"ping", 0o755)
    };
    put("bin/ping", ping);
    tree
}

/// The volume as an image file, with `filler` wherever it is free.
fn image(volume: &Volume, filler: u8) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(volume.size()).unwrap();
    if filler != 0 {
        let filling = vec![filler; 1 << 20];
        for at in (0..volume.size()).step_by(filling.len()) {
            let len = filling.len().min((volume.size() - at) as usize);
            file.as_file().write_all_at(&filling[..len], at).unwrap();
        }
    }
    let mut bytes = Vec::new();
    for (start, len) in volume.written() {
        for at in (start..start + len).step_by(1 << 20) {
            bytes.resize((start + len - at).min(1 << 20) as usize, 0);
            volume.read_exact_at(&mut bytes, at).unwrap();
            file.as_file().write_all_at(&bytes, at).unwrap();
        }
    }
    file
}

fn assert_clean(image: &Path) {
    let ran = Command::new("/usr/sbin/e2fsck").args(["-f", "-n"]).arg(image).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(ran.status.success(), "{said}{}", String::from_utf8_lossy(&ran.stderr));
}

fn assert_same(one: &Tree, other: &Tree) {
    let paths = |tree: &Tree| tree.iter().map(|(path, _)| path.to_owned()).collect::<Vec<_>>();
    assert_eq!(paths(one), paths(other));
    for (path, entry) in one.iter() {
        let found = other.get(path).unwrap();
        assert_eq!(one.content(path), other.content(path), "{path}");
        // Which of two names is the file, and which the other name, is nobody's concern.
        if !matches!(entry.kind, Kind::Hard(_) | Kind::File(_)) {
            assert_eq!(entry, found, "{path}");
        }
        let owner = |entry: &Entry| (entry.mode, entry.uid, entry.gid, entry.mtime);
        assert_eq!(owner(entry), owner(found), "{path}");
    }
}

#[test]
fn is_clean_whatever_is_in_its_free_space() {
    let volume = root(Size::Fixed(160 << 20)).volume(&tree()).unwrap();
    assert_eq!(volume.size(), 160 << 20);
    for filler in [0, 0xA5] {
        assert_clean(image(&volume, filler).path());
    }
    let written: u64 = volume.written().iter().map(|(_, len)| len).sum();
    assert!(written < 16 << 20, "{written} bytes are to be written");
}

#[test]
fn gives_back_what_was_put_in() {
    let volume = root(Size::Fixed(64 << 20)).volume(&tree()).unwrap();
    assert_same(&tree(), &read(&volume).unwrap());
    let ping = |tree: &Tree| tree.get("bin/ping").unwrap().xattrs.clone();
    assert_eq!(ping(&read(&volume).unwrap()), ping(&tree()));
}

#[test]
fn has_the_same_bytes_every_time() {
    let volume = || root(Size::Shrink { free: 1 << 20 }).volume(&tree()).unwrap();
    let (one, other) = (volume(), volume());
    let mut bytes = [vec![0; one.size() as usize], vec![0; other.size() as usize]];
    one.read_exact_at(&mut bytes[0], 0).unwrap();
    other.read_exact_at(&mut bytes[1], 0).unwrap();
    assert!(bytes[0] == bytes[1]);
}

#[test]
fn shrinks_to_what_is_in_it_and_the_free_space_asked_for() {
    let mut tree = tree();
    let spool = Spool::create_in(&std::env::temp_dir()).unwrap();
    let large = vec![0x5A; 40 << 20];
    let offset = spool.append(&large).unwrap();
    let content = Content::Spooled { spool, offset, len: large.len() as u64 };
    tree.insert("large", Entry { kind: Kind::File(content), ..Entry::file(*b"", 0o644) }).unwrap();
    let sizes: Vec<u64> = [0, 20]
        .iter()
        .map(|free| {
            let volume = root(Size::Shrink { free: free << 20 }).volume(&tree).unwrap();
            assert_clean(image(&volume, 0).path());
            volume.size() >> 20
        })
        .collect();
    // 42 MiB of files, 4 of journal, directories and tables.
    assert!((47..=52).contains(&sizes[0]), "{sizes:?}");
    assert!((20..=21).contains(&(sizes[1] - sizes[0])), "{sizes:?}");
}

#[test]
fn says_how_much_room_is_missing() {
    let mut tree = tree();
    tree.insert("large", Entry::file(vec![1; 40 << 20], 0o644)).unwrap();
    let error = root(Size::Fixed(32 << 20)).volume(&tree).unwrap_err();
    insta::assert_snapshot!(error.message(), @"the files of `rootA` do not fit into 32 MiB: they take 47 MiB");
    let mut tree = Tree::new();
    tree.insert("a/hard", Entry { kind: Kind::Hard("none".into()), ..Entry::file(*b"", 0o644) })
        .unwrap();
    let error = root(Size::Fixed(32 << 20)).volume(&tree).unwrap_err();
    insta::assert_snapshot!(error.message(), @"/a/hard is another name of /none, which is not there");
    let error = root(Size::Fixed(1000)).volume(&Tree::new()).unwrap_err();
    insta::assert_snapshot!(error.message(), @"1000 bytes cannot be the size of an ext4 file system");
}

#[test]
fn lays_a_large_data_partition_out_without_writing_much() {
    let volume = Ext4::data(29 << 30, &Seed::new("tests"), TIME).volume(&tree()).unwrap();
    let written: u64 = volume.written().iter().map(|(_, len)| len).sum();
    // 64 MiB of journal, 2 MiB of bitmaps and the files.
    assert!(written < 72 << 20, "{written} bytes are to be written");
    // Sparse, so the checker's reading costs little; the garbage goes where an inode table is left to the kernel.
    let image = image(&volume, 0);
    let garbage = volume.written().windows(2).map(|pair| pair[0].0 + pair[0].1).nth(1).unwrap();
    assert!(volume.is_free(garbage, BLOCK));
    image.as_file().write_all_at(&[0xA5; BLOCK as usize], garbage).unwrap();
    assert_clean(image.path());
    assert_same(&tree(), &read(&File::open(image.path()).unwrap()).unwrap());
}

#[test]
fn reads_what_mke2fs_and_a_user_made() {
    let dir = tempfile::tempdir().unwrap();
    let files = dir.path().join("files");
    std::fs::create_dir_all(files.join("etc")).unwrap();
    std::fs::write(files.join("etc/hostname"), "rpi41\n").unwrap();
    let image = dir.path().join("image");
    let ran = Command::new("/usr/sbin/mke2fs")
        .args([
            "-q",
            "-t",
            "ext4",
            "-b",
            "4096",
            "-O",
            "^64bit,^orphan_file,^metadata_csum_seed",
            "-d",
        ])
        .args([&files, &image])
        .arg("32M")
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let tree = read(&File::open(&image).unwrap()).unwrap();
    assert_eq!(tree.read("etc/hostname").unwrap().unwrap(), b"rpi41\n");
}

#[test]
fn refuses_to_read_what_is_not_ext4() {
    for bytes in [vec![], vec![0; 4096], vec![0xA5; 1 << 20]] {
        assert!(read(&Volume::of_bytes(bytes)).is_err());
    }
}

#[test]
fn survives_damage_anywhere_in_the_metadata() {
    let volume = root(Size::Fixed(16 << 20)).volume(&tree()).unwrap();
    let mut bytes = vec![0; volume.size() as usize];
    volume.read_exact_at(&mut bytes, 0).unwrap();
    for (start, len) in volume.written().into_iter().take(4) {
        for at in (start..start + len.min(200_000)).step_by(997) {
            let kept = std::mem::replace(&mut bytes[at as usize], 0xFF);
            let _ = read(&&*bytes);
            bytes[at as usize] = kept;
        }
    }
    assert!(read(&&*bytes).is_ok());
}
