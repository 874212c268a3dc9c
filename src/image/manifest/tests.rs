use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::*;
use crate::image::pack::BLOCK;
use crate::image::sign::SigningKey;

pub(super) fn about() -> About {
    About {
        id: "20261127-k3s".into(),
        version: 7,
        floor: 3,
        arch: "aarch64".into(),
        boards: ["3B", "3B+", "4B"].map(String::from).to_vec(),
        created: 1_700_000_000,
        alpine: "3.23.6".into(),
        k3s: Some("v1.34.2+k3s1".into()),
    }
}

fn entry(name: &str) -> FileEntry {
    FileEntry { name: name.into(), bytes: 1234, sha256: [0xAB; 32] }
}

/// A root of one chunk of zeros and one that has a block of zeros and a short one.
fn update() -> Manifest {
    let zeros = vec![0; CHUNK];
    let zero_chunk = Chunk {
        sha256: Sha256::digest(&zeros).into(),
        blocks: zeros.chunks(BLOCK).map(crate::image::pack::block_hash).collect(),
    };
    let blocks = vec![[1; 8], zero_chunk.blocks[0], [2; 8]];
    Manifest {
        about: about(),
        file: entry("sdcard_update.img.gz"),
        content: Content::Update {
            bytes: (CHUNK + 2 * BLOCK + 4096) as u64,
            sha256: [9; 32],
            chunks: vec![zero_chunk, Chunk { sha256: [3; 32], blocks }],
            boot: entry("sdcard_update.boot.img.gz"),
            packages: entry("sdcard_update.img.gz.spdx.json"),
        },
        boot: BTreeMap::from([
            ("overlays/a b.dtbo".into(), [4; 32]),
            ("config.txt".into(), [5; 32]),
        ]),
    }
}

fn card() -> Manifest {
    let partition = |start, bytes| PartitionEntry { start, bytes, used: bytes, sha256: [6; 32] };
    Manifest {
        file: entry("sdcard.img.gz"),
        content: Content::Card {
            bytes: 300,
            partitions: vec![partition(100, 100), partition(200, 100)],
        },
        ..update()
    }
}

#[test]
fn reads_what_it_wrote() {
    for manifest in [update(), card(), Manifest { boot: BTreeMap::new(), ..card() }] {
        assert_eq!(Manifest::parse(manifest.print().as_bytes()).unwrap(), manifest);
    }
    insta::assert_snapshot!(update().print(), @r"
    pirun-image 1
    id 20261127-k3s
    version 7
    floor 3
    arch aarch64
    boards 3B 3B+ 4B
    created 1700000000
    alpine 3.23.6
    k3s v1.34.2+k3s1
    file 1234 abababababababababababababababababababababababababababababababab sdcard_update.img.gz
    root 4329472 0909090909090909090909090909090909090909090909090909090909090909
    boot-image 1234 abababababababababababababababababababababababababababababababab sdcard_update.boot.img.gz
    packages 1234 abababababababababababababababababababababababababababababababab sdcard_update.img.gz.spdx.json
    chunk -
    chunk 0303030303030303030303030303030303030303030303030303030303030303 0101010101010101 - 0202020202020202
    boot 0505050505050505050505050505050505050505050505050505050505050505 config.txt
    boot 0404040404040404040404040404040404040404040404040404040404040404 overlays/a b.dtbo
    ");
}

#[test]
fn says_what_is_wrong_and_where() {
    let text = update().print();
    let said = |text: &str| Manifest::parse(text.as_bytes()).unwrap_err().message().to_owned();
    let said = [
        said(""),
        said("MZ\n"),
        said(&text.replace("pirun-image 1", "pirun-image 2")),
        said(&text.replace("floor 3", "floor three")),
        said(&text.replace("floor 3", "floor 03")),
        said(&text.replace("arch aarch64\n", "")),
        said(&text.replace("sdcard_update.boot", "../sdcard_update")),
        said(&text.replace("config.txt", "../config.txt")),
        said(&text.replace(" 0202020202020202", "")),
        said(&text[..text.len() - 4]),
        said(&text.replace("root 4329472", "root 999999999999")),
        said(&format!("{text}more 1\n")),
        said(&text.replace('\n', "\r\n")),
    ];
    insta::assert_snapshot!(said.join("\n"), @r"
    the image's manifest is not usable: line 1: it is no manifest of an image
    the image's manifest is not usable: line 1: it is no manifest of an image
    the image's manifest is not usable: line 1: it is of a newer version of pirun
    the image's manifest is not usable: line 4: it is not a number
    the image's manifest is not usable: line 4: it is not written the way pirun writes it
    the image's manifest is not usable: line 5: another field belongs here
    the image's manifest is not usable: line 12: it is not the plain name of a file
    the image's manifest is not usable: line 16: it is not the path of a file
    the image's manifest is not usable: line 15: the chunk has another number of blocks
    the image's manifest is not usable: line 17: nothing belongs here any more
    the image's manifest is not usable: line 13: there are fewer chunks than the root has
    the image's manifest is not usable: line 18: nothing belongs here any more
    the image's manifest is not usable: line 1: it is no manifest of an image
    ");
}

#[test]
fn notices_any_cut() {
    let text = update().print();
    for at in 0..text.len() {
        // Without the last lines of boot files it is another whole manifest; the signature notices that.
        if !text[..at].ends_with('\n') || !text[at..].starts_with("boot ") {
            assert!(Manifest::parse(&text.as_bytes()[..at]).is_err(), "{at}");
        }
    }
}

#[test]
fn is_opened_only_when_signed_and_beside_its_image() {
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("sdcard_update.img.gz");
    let path = output::beside(&image, SUFFIX);
    let key = SigningKey::generate().unwrap();
    let public = key.verifying().unwrap();
    let save = |manifest: &Manifest, comment: &str| {
        std::fs::write(&path, manifest.print()).unwrap();
        let signature = key.sign(manifest.print().as_bytes(), comment).unwrap();
        std::fs::write(output::beside(&path, SIGNATURE_SUFFIX), signature).unwrap();
    };
    let said = |key: &VerifyingKey| {
        let error = Manifest::open(&image, key).unwrap_err();
        error.message().replace(&*dir.path().to_string_lossy(), "DIR")
    };

    let missing = said(&public);
    save(&update(), &update().comment());
    assert_eq!(Manifest::open(&image, &public).unwrap(), update());
    let other_key = said(&SigningKey::generate().unwrap().verifying().unwrap());
    std::fs::write(&path, card().print()).unwrap();
    let changed = said(&public);
    save(&card(), &card().comment());
    let other_image = said(&public);
    save(&update(), "another comment");
    let other_comment = said(&public);
    insta::assert_snapshot!([missing, other_key, changed, other_image, other_comment].join("\n"), @r"
    DIR/sdcard_update.img.gz.manifest: no such file or directory
    the image is signed with another key than the expected one
    the signature does not fit: manifest or signature were changed
    DIR/sdcard_update.img.gz.manifest is the manifest of sdcard.img.gz
    the signature's comment is not this image's
    ");
}

proptest! {
    #[test]
    fn never_panics_on_a_changed_manifest(at in 0usize..2000, byte: u8, is_card: bool) {
        let manifest = if is_card { card() } else { update() };
        let mut bytes = manifest.print().into_bytes();
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(read) = Manifest::parse(&bytes) {
            prop_assert_eq!(read.print().into_bytes(), bytes);
        }
    }
}
