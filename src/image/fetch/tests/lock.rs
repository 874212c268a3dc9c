//! The lock file's text.

use proptest::prelude::*;

use crate::error::Error;
use crate::image::Alpine;
use crate::image::apk::{Freshness, Index};
use crate::image::fetch::{Chosen, Lock, LockedIndex};

fn chosen(repository: &str, name: &str, size: u64) -> Chosen {
    let entry =
        format!("C:Q1KZXO0l8XKbgqYMdY0sCLLRlLDFs=\nP:{name}\nV:1.2-r3\nA:aarch64\nS:{size}\n");
    Chosen { repository: repository.into(), package: Index::parse(&entry).unwrap()[0].clone() }
}

fn lock() -> Lock {
    Lock {
        branch: "v3.23".into(),
        arch: "aarch64".into(),
        date: 1_790_000_000,
        indexes: vec![LockedIndex {
            repository: "main".into(),
            freshness: Freshness {
                description: "v3.23.6-12-gab34cd".into(),
                newest: 1_790_000_000,
            },
        }],
        wants: vec!["alpine-base".into(), "k3s>=1.34".into()],
        packages: vec![chosen("main", "alpine-base", 1200), chosen("community", "k3s", 60_000_000)],
    }
}

fn shown(error: &Error) -> String {
    let place = error.site().map(|site| format!("{site}: ")).unwrap_or_default();
    let hints = error.hints().join("\n");
    format!("{place}{}\n{hints}", error.message())
}

#[test]
fn says_what_the_image_is_made_of() {
    insta::assert_snapshot!(lock().print(), @r"
    # The packages that the image is made of. Written by pirun: `--update` chooses anew.
    version 1
    branch v3.23
    arch aarch64
    date 1790000000
    index main 1790000000 v3.23.6-12-gab34cd
    want alpine-base
    want k3s>=1.34
    package alpine-base 1.2-r3 aarch64 Q1KZXO0l8XKbgqYMdY0sCLLRlLDFs= 1200 main
    package k3s 1.2-r3 aarch64 Q1KZXO0l8XKbgqYMdY0sCLLRlLDFs= 60000000 community
    ");
    assert_eq!(Lock::parse(&lock().print(), "image.lock").unwrap(), lock());
}

#[test]
fn is_written_in_one_step_and_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("image.lock");
    assert_eq!(Lock::read(&path).unwrap(), None);
    lock().write(&path).unwrap();
    assert_eq!(Lock::read(&path).unwrap(), Some(lock()));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn refuses_damage_with_the_line() {
    let text = lock().print();
    for (from, to) in [
        ("package alpine-base 1.2-r3", "package alpine-base 1..2"),
        ("Q1KZXO0l8XKbgqYMdY0sCLLRlLDFs=", "Q2KZXO"),
        ("60000000 community", "60000000 ../community"),
        ("want alpine-base", "wants alpine-base"),
        ("version 1\n", ""),
    ] {
        let error = Lock::parse(&text.replacen(from, to, 1), "image.lock").unwrap_err();
        assert!(error.message().starts_with("image.lock is damaged: "), "{error}");
        assert!(error.site().is_some(), "{error}");
    }
    let error = Lock::parse(&text.replace("60000000", "many"), "image.lock").unwrap_err();
    insta::assert_snapshot!(shown(&error), @r"
    image.lock:10:1: image.lock is damaged: `many` is not a number, or too large a one
    Remove the lock file, or take it back from version control, and build again.
    ");
    let error = Lock::parse("", "image.lock").unwrap_err();
    insta::assert_snapshot!(shown(&error), @r"
    image.lock is damaged: it ends before it has said what it is for
    ");
    let error = Lock::parse(&text.replace("version 1", "version 2"), "image.lock").unwrap_err();
    insta::assert_snapshot!(shown(&error), @r"
    image.lock is of version 2, and this pirun knows version 1 only
    A newer pirun wrote it: take that one. `--update` writes it anew in this one's version.
    ");
}

#[test]
fn is_refused_for_other_wishes() {
    let alpine = Alpine::default();
    let wants = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    lock().check(&alpine, &wants(&["k3s>=1.34", "alpine-base"])).unwrap();
    let alpine = Alpine { arch: "armv7".into(), ..alpine };
    let error = lock().check(&alpine, &wants(&["alpine-base", "chrony"])).unwrap_err();
    insta::assert_snapshot!(shown(&error), @r"
    image.lock was made for something else: its architecture is aarch64, not armv7; it lacks chrony; nobody asks for k3s>=1.34
    `--update` chooses anew, and writes it.
    ");
}

proptest! {
    #[test]
    fn any_text_is_a_lock_file_or_an_error(text in "(version 1\n)?(?s).{0,200}") {
        if let Ok(lock) = Lock::parse(&text, "x") {
            prop_assert_eq!(Lock::parse(&lock.print(), "x").unwrap(), lock);
        }
    }

    #[test]
    fn any_choice_comes_back(names in prop::collection::btree_set("[a-z][a-z0-9+-]{0,8}", 0..8), size in any::<u32>()) {
        let packages = names.iter().map(|name| chosen("main", name, size.into())).collect();
        let lock = Lock { packages, ..lock() };
        prop_assert_eq!(Lock::parse(&lock.print(), "x").unwrap(), lock);
    }
}
