//! Reads all packages of the lab's mirror, and refuses them when a byte is another.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use pirun::image::apk::{Archive, Index, Keys, Package};
use pirun::image::{Kind, Spool};
use pirun_lab::{Arch, Mirror};
use sha1::{Digest as _, Sha1};

fn keys(mirror: &Mirror) -> Keys {
    let mut keys = Keys::default();
    keys.add(mirror.key_name(), &mirror.public_key().unwrap()).unwrap();
    keys
}

/// All packages of the mirror, and their files.
fn packages(mirror: &Mirror) -> Vec<(Arc<Package>, PathBuf)> {
    let keys = keys(mirror);
    let places = mirror.repositories().into_iter();
    let places = places.flat_map(|place| Arch::ALL.map(|arch| place.join(arch.name())));
    places
        .flat_map(|place| {
            let bytes = fs::read(place.join("APKINDEX.tar.gz")).unwrap();
            let packages = Index::open(&bytes, &keys, "the mirror").unwrap().packages;
            packages.into_iter().map(move |package| {
                let path = place.join(package.file_name());
                (package, path)
            })
        })
        .collect()
}

fn package(mirror: &Mirror, name: &str) -> (Arc<Package>, PathBuf) {
    packages(mirror).into_iter().find(|(package, _)| package.name == name).unwrap()
}

#[test]
fn reads_every_package_as_it_was_built() {
    let mirror = Mirror::obtain().unwrap();
    let dir = tempfile::tempdir().unwrap();
    for (package, path) in packages(&mirror) {
        let spool = Spool::create_in(dir.path()).unwrap();
        let archive = Archive::open(&path, &package, &spool).unwrap();
        assert_eq!(archive.info.package.depends, package.depends, "{}", package.full_name());
        let mut bytes = 0;
        for file in &archive.files {
            match &file.entry.kind {
                Kind::File(content) => {
                    bytes += content.len();
                    let hash: [u8; 20] = Sha1::digest(content.bytes().unwrap()).into();
                    assert_eq!(file.sha1, Some(hash), "{} of {}", file.path, package.full_name());
                }
                Kind::Link(target) => {
                    let hash: [u8; 20] = Sha1::digest(target).into();
                    assert_eq!(file.sha1, Some(hash), "{} of {}", file.path, package.full_name());
                }
                _ => {}
            }
        }
        assert_eq!(bytes, package.installed_size, "{}", package.full_name());
    }
}

#[test]
fn refuses_a_real_package_with_another_byte_anywhere() {
    let mirror = Mirror::obtain().unwrap();
    let (package, path) = package(&mirror, "busybox");
    let dir = tempfile::tempdir().unwrap();
    let changed = dir.path().join("changed.apk");
    let original = fs::read(path).unwrap();
    let spool = Spool::create_in(dir.path()).unwrap();
    fs::write(&changed, &original).unwrap();
    let first = Archive::open(&changed, &package, &spool).unwrap().files.len();
    assert!(first > 5);
    // The signature in front is not looked at: the index vouches for the package.
    for at in (1024..original.len()).step_by(original.len() / 40) {
        let mut bytes = original.clone();
        bytes[at] ^= 1;
        fs::write(&changed, bytes).unwrap();
        assert!(Archive::open(&changed, &package, &spool).is_err(), "byte {at}");
    }
    fs::write(&changed, &original[..original.len() / 2]).unwrap();
    let error = Archive::open(&changed, &package, &spool).unwrap_err();
    assert!(error.message().contains("the download was cut"), "{error}");
}

#[test]
fn refuses_a_real_index_of_another_key_or_with_another_byte() {
    let mirror = Mirror::obtain().unwrap();
    let [main, _] = mirror.repositories();
    let mut bytes = fs::read(main.join("aarch64/APKINDEX.tar.gz")).unwrap();
    let alpine = Keys::alpine("aarch64").unwrap();
    let error = Index::open(&bytes, &alpine, "the mirror").unwrap_err();
    assert!(error.message().contains("which is not trusted"), "{error}");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let error = Index::open(&bytes, &keys(&mirror), "the mirror").unwrap_err();
    assert!(error.message().contains("it was changed, or damaged"), "{error}");
}
