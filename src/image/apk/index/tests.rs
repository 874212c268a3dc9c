use super::*;
use crate::image::apk::Dependency;
use crate::image::apk::testing::{SIGNER, gzip, tar};
use proptest::prelude::*;

const TEXT: &str = "C:Q1KZXO0l8XKbgqYMdY0sCLLRlLDFs=\nP:busybox\nV:1.37.0-r30\nA:aarch64\nS:500000\nI:900000\n\
                    T:Size optimized toolbox\nU:https://busybox.net/\nL:GPL-2.0-only\no:busybox\nm:A <a@example.org>\n\
                    t:1700000000\nc:abcdef\nk:10\nD:so:libc.musl-aarch64.so.1 !mdev\np:/bin/sh cmd:sh=1.37.0-r30\n\
                    i:a=1 b\n\nC:Q1AAAAAAAAAAAAAAAAAAAAAAAAAAA=\nP:b\nV:1\nD:x~new\n";

fn open(bytes: &[u8]) -> Result<Index> {
    Index::open(bytes, &SIGNER.keys(), "main")
}

fn refusal(bytes: &[u8]) -> String {
    open(bytes).unwrap_err().message().to_owned()
}

#[test]
fn reads_all_fields_of_a_signed_index() {
    let index = open(&SIGNER.index(TEXT)).unwrap();
    assert_eq!(index.description, "test-1");
    let [busybox, b] = &*index.packages else { panic!("{index:?}") };
    assert_eq!((busybox.file_name().as_str(), busybox.size), ("busybox-1.37.0-r30.apk", 500_000));
    assert_eq!((busybox.installed_size, busybox.build_time), (900_000, 1_700_000_000));
    assert_eq!(
        (&*busybox.arch, &*busybox.origin, &*busybox.commit),
        ("aarch64", "busybox", "abcdef")
    );
    assert_eq!((&*busybox.license, busybox.provider_priority), ("GPL-2.0-only", 10));
    assert_eq!(busybox.checksum.to_string(), "Q1KZXO0l8XKbgqYMdY0sCLLRlLDFs=");
    let words = |list: &[Dependency]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(words(&busybox.depends), ["so:libc.musl-aarch64.so.1", "!mdev"]);
    assert_eq!(words(&busybox.install_if), ["a=1", "b"]);
    let names: Vec<_> = busybox.provides.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["/bin/sh", "cmd:sh=1.37.0-r30"]);
    insta::assert_snapshot!(b.unusable.as_deref().unwrap(), @"`x~new` does not name a package: `new` is not a version: `new` cannot stand there");
}

#[test]
fn all_three_kinds_of_rsa_signatures_are_verified() {
    let archive = gzip(&tar(|tar| tar.file("APKINDEX", 0o644, TEXT.as_bytes())));
    for kind in ["RSA", "RSA256", "RSA512"] {
        let signed = SIGNER.signed(&archive, kind);
        assert_eq!(open(&signed).unwrap().packages.len(), 2, "{kind}");
        let mut changed = signed.clone();
        *changed.last_mut().unwrap() ^= 1;
        assert!(refusal(&changed).contains("it was changed, or damaged"), "{kind}");
    }
    insta::assert_snapshot!(refusal(&SIGNER.signed(&archive, "DSA")), @"the package index of main is refused: its signature is of the kind DSA, which is not RSA");
}

#[test]
fn an_index_of_a_stranger_is_refused() {
    let error =
        Index::open(&SIGNER.index(TEXT), &Keys::alpine("armv7").unwrap(), "main").unwrap_err();
    insta::assert_snapshot!(error.message(), @"the package index of main is refused: it is signed with test@example.org-1.rsa.pub, which is not trusted");
    insta::assert_snapshot!(error.hints()[0], @"Trusted are alpine-devel@lists.alpinelinux.org-524d27bb.rsa.pub, alpine-devel@lists.alpinelinux.org-616adfeb.rsa.pub.");
}

#[test]
fn an_index_without_a_signature_is_refused() {
    let archive = gzip(&tar(|tar| tar.file("APKINDEX", 0o644, TEXT.as_bytes())));
    insta::assert_snapshot!(refusal(&archive), @"the package index of main is refused: it is not signed");
}

#[test]
fn a_cut_index_is_refused_wherever_it_is_cut() {
    let bytes = SIGNER.index(TEXT);
    for len in 0..bytes.len() {
        assert!(open(&bytes[..len]).is_err(), "{len}");
    }
}

#[test]
fn other_files_are_refused_with_what_they_are() {
    insta::assert_snapshot!(refusal(b"ADBd...."), @"the package index of main is refused: it is of Alpine's package format 3, and only format 2 can be read");
    insta::assert_snapshot!(refusal(b"<!doctype html>"), @"the package index of main is refused: it is a web page, so the mirror sent an error or a login page");
    insta::assert_snapshot!(refusal(b"404"), @"the package index of main is refused: it is not compressed with gzip");
    let unrelated = SIGNER.signed(&gzip(&tar(|tar| tar.file("README", 0o644, b"hello"))), "RSA256");
    insta::assert_snapshot!(refusal(&unrelated), @"the package index of main is refused: there is no APKINDEX in it");
}

#[test]
fn says_which_line_is_wrong() {
    let message = |text: &str| refusal(&SIGNER.index(text));
    insta::assert_snapshot!(message("C:Q1KZXO0l8XKbgqYMdY0sCLLRlLDFs=\nP:a\n"), @"the package index of main is refused: line 3: a package has no version");
    insta::assert_snapshot!(message("\nP:../../etc/passwd\nV:1\n"), @"the package index of main is refused: line 2: `../../etc/passwd` cannot be the name of a package");
    insta::assert_snapshot!(message("P:a\nV:new\n"), @"the package index of main is refused: line 2: `new` is not a version: `new` cannot stand there");
    insta::assert_snapshot!(message("P:a\nhello\n"), @"the package index of main is refused: line 2: `hello` is not a field");
    insta::assert_snapshot!(message("P:a\nS:-1\n"), @"the package index of main is refused: line 2: `-1` is not a number, or too large a one");
    insta::assert_snapshot!(message("C:Q2abc\n"), @"the package index of main is refused: line 1: `Q2abc` is not a checksum that begins with Q1");
}

#[test]
fn an_older_index_is_refused() {
    let at = |time: i64| {
        let text = format!("C:Q1KZXO0l8XKbgqYMdY0sCLLRlLDFs=\nP:a\nV:1\nt:{time}\n");
        open(&SIGNER.index(&text)).unwrap()
    };
    let known = at(200).freshness();
    assert!(at(200).refuse_if_older(&known, "main").is_ok());
    assert!(at(201).refuse_if_older(&known, "main").is_ok());
    let error = at(199).refuse_if_older(&known, "main").unwrap_err();
    insta::assert_snapshot!(error.message(), @"the package index of main is refused: it is older than the one that was used before (test-1, built at 199 is older than test-1, built at 200)");
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "([A-Za-z]:?[ -~]{0,8}\n{0,2}){0,8}") {
        let _ = Index::parse(&text);
    }
}
