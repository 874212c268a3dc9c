use super::*;
use crate::image::apk::testing::{SIGNER, Tar, tar, written};
use crate::image::tree::Kind;
use tar::EntryType;

const INFO: &str = "pkgname = demo\npkgver = 1.0-r0\n";

fn open(bytes: &[u8], package: &Package) -> Result<Archive> {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::create_in(dir.path()).unwrap();
    Archive::open(&written(dir.path(), package, bytes), package, &spool)
}

fn with_files(fill: impl FnOnce(&mut Tar)) -> Result<Archive> {
    let (bytes, package) = SIGNER.package(INFO, &[], &tar(fill));
    open(&bytes, &package)
}

fn refusal(fill: impl FnOnce(&mut Tar)) -> String {
    with_files(fill).unwrap_err().message().to_owned()
}

#[test]
fn reads_scripts_and_all_kinds_of_files() {
    let data = tar(|tar| {
        tar.directory("usr/");
        tar.directory("usr/bin/");
        tar.pax(&[
            ("APK-TOOLS.checksum.SHA1", b"0102030405060708090a0b0c0d0e0f1011121314"),
            ("SCHILY.xattr.security.capability", b"\x01\0\0\x02"),
        ]);
        tar.file("usr/bin/ping", 0o4755, b"program");
        tar.entry(EntryType::Link, "usr/bin/ping6", "usr/bin/ping", 0o755, b"");
        tar.link("bin", "usr/bin");
        tar.entry(EntryType::Char, "dev/console", "", 0o600, b"");
        tar.entry(EntryType::Fifo, "run/pipe", "", 0o600, b"");
        tar.file(".hidden", 0o644, b"not installed");
    });
    let scripts = [(".post-install", "#!/bin/sh\n"), (".unknown", "")];
    let (bytes, package) = SIGNER.package(INFO, &scripts, &data);
    let archive = open(&bytes, &package).unwrap();
    assert_eq!(
        archive.scripts,
        BTreeMap::from([(ScriptKind::PostInstall, b"#!/bin/sh\n".to_vec())])
    );
    let paths: Vec<&str> = archive.files.iter().map(|file| &*file.path).collect();
    assert_eq!(
        paths,
        ["usr", "usr/bin", "usr/bin/ping", "usr/bin/ping6", "bin", "dev/console", "run/pipe"]
    );
    let ping = &archive.files[2];
    let Kind::File(content) = &ping.entry.kind else { panic!("{ping:?}") };
    assert_eq!(content.bytes().unwrap(), b"program");
    assert_eq!((ping.entry.mode, ping.entry.gid, &*ping.group), (0o4755, 42, "shadow"));
    assert_eq!(ping.sha1.unwrap()[..3], [1, 2, 3]);
    assert_eq!(ping.entry.xattrs["security.capability"], [1, 0, 0, 2]);
    assert_eq!(archive.files[3].entry.kind, Kind::Hard("usr/bin/ping".into()));
    assert_eq!(archive.files[3].sha1, ping.sha1);
    let link = &archive.files[4];
    assert_eq!(link.entry.kind, Kind::Link("usr/bin".into()));
    assert_eq!(link.sha1.unwrap(), <[u8; 20]>::from(Sha1::digest("usr/bin")));
    assert_eq!(archive.files[5].entry.kind, Kind::Character { major: 5, minor: 1 });
}

#[test]
fn hashes_files_whose_hash_the_package_does_not_tell() {
    let archive = with_files(|tar| tar.file("a", 0o644, b"abc")).unwrap();
    assert_eq!(archive.files[0].sha1.unwrap(), <[u8; 20]>::from(Sha1::digest("abc")));
}

#[test]
fn a_large_package_is_decoded_piece_by_piece() {
    let content: Vec<u8> = (0..40_u32 << 20).map(|at| (at >> 12) as u8).collect();
    let archive = with_files(|tar| {
        tar.file("a", 0o644, b"before");
        tar.file("large", 0o644, &content);
        tar.file("z", 0o644, b"behind");
    })
    .unwrap();
    let bytes = |at: usize| match &archive.files[at].entry.kind {
        Kind::File(content) => content.bytes().unwrap(),
        other => panic!("{other:?}"),
    };
    assert!(bytes(1) == content && bytes(0) == b"before" && bytes(2) == b"behind");
}

#[test]
fn a_changed_byte_anywhere_is_noticed() {
    let (bytes, package) = SIGNER.package(INFO, &[], &tar(|tar| tar.file("a", 0o644, b"abc")));
    let control = bytes.len() - 200;
    for at in control..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 0x10;
        assert!(open(&changed, &package).is_err(), "byte {at}");
    }
    let mut changed = bytes;
    *changed.last_mut().unwrap() ^= 1;
    insta::assert_snapshot!(open(&changed, &package).unwrap_err().message(), @"the package demo-1.0-r0 is refused: its files are not those it was signed with: it was changed, or damaged");
}

#[test]
fn another_package_than_the_index_means_is_refused() {
    let (_, package) = SIGNER.package(INFO, &[], &tar(|_| {}));
    let (bytes, _) = SIGNER.package(INFO, &[(".post-install", "rm -rf /\n")], &tar(|_| {}));
    let same_size = Package { size: bytes.len() as u64, ..package };
    insta::assert_snapshot!(open(&bytes, &same_size).unwrap_err().message(), @"the package demo-1.0-r0 is refused: it is not the package that the index means: it was changed, or built anew");
    let (bytes, package) = SIGNER.package("pkgname = other\npkgver = 1\n", &[], &tar(|_| {}));
    let renamed = Package { name: "demo".into(), ..package };
    insta::assert_snapshot!(open(&bytes, &renamed).unwrap_err().message(), @"the package demo-1 is refused: it says of itself that it is other-1");
}

#[test]
fn a_cut_download_is_refused_wherever_it_is_cut() {
    let (bytes, package) = SIGNER.package(INFO, &[], &tar(|tar| tar.file("a", 0o644, b"abc")));
    let error = open(&bytes[..100], &package).unwrap_err();
    let message = error.message().replace(&bytes.len().to_string(), "N");
    insta::assert_snapshot!(message, @"the package demo-1.0-r0 is refused: it has 100 bytes, and should have N: the download was cut, or it is another file");
    for len in 0..bytes.len() {
        let short = Package { size: len as u64, ..package.clone() };
        assert!(open(&bytes[..len], &short).is_err(), "{len}");
    }
}

#[test]
fn a_newer_format_is_named() {
    let (_, package) = SIGNER.package(INFO, &[], &tar(|_| {}));
    let error = open(b"ADBd0000", &Package { size: 8, ..package }).unwrap_err();
    insta::assert_snapshot!(error.message(), @"the package demo-1.0-r0 is refused: it is of Alpine's package format 3, and only format 2 can be read");
}

#[test]
fn paths_that_lead_astray_are_refused() {
    insta::assert_snapshot!(refusal(|tar| tar.file("../etc/passwd", 0o644, b"")), @r#"the package demo-1.0-r0 is refused: the path "../etc/passwd" leads out of the image"#);
    insta::assert_snapshot!(refusal(|tar| tar.file("usr/../../a", 0o644, b"")), @r#"the package demo-1.0-r0 is refused: the path "usr/../../a" leads out of the image"#);
    insta::assert_snapshot!(refusal(|tar| tar.file("/etc/passwd", 0o644, b"")), @r#"the package demo-1.0-r0 is refused: the path "/etc/passwd" is absolute, or has an empty component, `.` or a NUL"#);
    insta::assert_snapshot!(refusal(|tar| tar.file("usr//a", 0o644, b"")), @r#"the package demo-1.0-r0 is refused: the path "usr//a" is absolute, or has an empty component, `.` or a NUL"#);
    insta::assert_snapshot!(refusal(|tar| { tar.link("tmp", "/etc"); tar.file("tmp/passwd", 0o644, b""); }), @"the package demo-1.0-r0 is refused: /tmp/passwd: it lies below /tmp, which is not a directory");
    insta::assert_snapshot!(refusal(|tar| { tar.file("a/b", 0o644, b""); tar.link("a", "/etc"); }), @"the package demo-1.0-r0 is refused: /a: other paths lie below it, but it is not a directory");
    insta::assert_snapshot!(refusal(|tar| { tar.file("a", 0o644, b"1"); tar.file("a", 0o644, b"2"); }), @"the package demo-1.0-r0 is refused: /a: the package has it twice");
    insta::assert_snapshot!(refusal(|tar| tar.entry(EntryType::Link, "a", "etc/shadow", 0o644, b"")), @"the package demo-1.0-r0 is refused: /a: it is a hard link to /etc/shadow, which is no file in front of it");
    insta::assert_snapshot!(refusal(|tar| tar.entry(EntryType::Symlink, "a", "", 0o644, b"")), @"the package demo-1.0-r0 is refused: /a: its target is empty, too long, or has a NUL");
    insta::assert_snapshot!(refusal(|tar| tar.entry(EntryType::new(b'V'), "a", "", 0o644, b"")), @"the package demo-1.0-r0 is refused: /a: it is of the unknown kind 'V'");
    insta::assert_snapshot!(refusal(|tar| {
        tar.pax(&[("path", &[b'a', 0xff, b'b'])]);
        tar.file("a", 0o644, b"");
    }), @r#"the package demo-1.0-r0 is refused: the path "a�b" is not UTF-8"#);
}

#[test]
fn sizes_that_are_not_there_are_refused() {
    let mut data = tar(|tar| tar.file("a", 0o644, b"abc"));
    // The size field of the first header, and its checksum.
    data[124..135].copy_from_slice(b"77777777777");
    let sum: u32 = data[..512]
        .iter()
        .enumerate()
        .map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u32::from(*byte) })
        .sum();
    data[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let (bytes, package) = SIGNER.package(INFO, &[], &data);
    insta::assert_snapshot!(open(&bytes, &package).unwrap_err().message(), @"the package demo-1.0-r0 is refused: /a: its 8589934591 bytes are not all there");
}
