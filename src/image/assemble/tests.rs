use std::fs;
use std::process::Command;

use super::*;
use crate::error::ErrorKind;
use crate::image::volume::Window;
use crate::image::{Entry, ext4, fat32};

const TIME: i64 = 1_700_000_000;

fn options(key: Option<SigningKey>) -> Options {
    Options {
        about: About {
            id: "test-1".into(),
            version: 1,
            floor: 0,
            arch: "aarch64".into(),
            boards: vec!["3B".into()],
            created: TIME,
            alpine: "3.23.6".into(),
            k3s: None,
        },
        sizes: Sizes {
            boot: 40 << 20,
            root: ext4::Size::Shrink { free: 1 << 20 },
            root_partition: 32 << 20,
            data: 16 << 20,
        },
        seed: Seed::new("tests"),
        packages: vec![],
        key,
        previous: None,
        cancel: Cancel::default(),
    }
}

fn tree(files: &[(&str, usize)]) -> Tree {
    let mut tree = Tree::new();
    for (path, len) in files {
        let bytes: Vec<u8> = (0..*len).map(|at| (at * at / 7 % 251) as u8).collect();
        tree.insert(path, Entry::file(bytes, 0o640).at(TIME).owned_by(0, 42)).unwrap();
    }
    tree
}

fn image(options: Options) -> Image {
    let root = tree(&[("boot/vmlinuz-rpi", 5_000_000), ("etc/pirun/image", 7)]);
    let boot = tree(&[("config.txt", 100), ("overlays/miniuart-bt.dtbo", 2000)]);
    Image::new(&root, &boot, &tree(&[("etc/hostname", 6)]), options).unwrap()
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn assert_passes(program: &str, arguments: &[&str], file: &Path) {
    let ran = Command::new(program).args(arguments).arg(file).output().unwrap();
    let said = [ran.stdout, ran.stderr].concat();
    assert!(ran.status.success(), "{program}: {}", String::from_utf8_lossy(&said));
}

#[test]
fn makes_a_card_whose_parts_all_checkers_find_clean() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sdcard.img.gz");
    let image = image(options(None));
    image.save(&path).unwrap();
    let card = PackedImage::open(&path).unwrap();
    let mut bytes = vec![0; card.size() as usize];
    card.read_exact_at(&mut bytes, 0).unwrap();
    let mut unsaved = vec![0; image.card().size() as usize];
    image.card().read_exact_at(&mut unsaved, 0).unwrap();
    assert!(bytes == unsaved, "the card differs from what is saved of it");
    let raw = dir.path().join("raw");
    fs::write(&raw, &bytes).unwrap();
    assert_passes("/usr/sbin/sfdisk", &["--verify"], &raw);

    let partitions: Vec<Partition> =
        Mbr::parse(&bytes).unwrap().partitions.into_iter().flatten().collect();
    assert_eq!(partitions.len(), 4);
    let range = |part: &Partition| part.offset() as usize..(part.offset() + part.bytes()) as usize;
    assert!(bytes[range(&partitions[1])] == bytes[range(&partitions[2])], "A and B differ");
    for (index, part) in partitions.iter().enumerate() {
        let file = dir.path().join("part");
        fs::write(&file, &bytes[range(part)]).unwrap();
        match index {
            0 => assert_passes("/usr/sbin/fsck.vfat", &["-n"], &file),
            _ => assert_passes("/usr/sbin/e2fsck", &["-f", "-n"], &file),
        }
    }

    let window = |part: &Partition| Window::new(&card, part.offset(), part.bytes());
    let boot = fat32::read(&window(&partitions[0])).unwrap();
    assert!(fat32::file(&boot, "overlays/miniuart-bt.dtbo").is_ok());
    let root = ext4::read(&window(&partitions[1])).unwrap();
    assert_eq!(root.content("boot/vmlinuz-rpi").unwrap().len(), 5_000_000);
    assert!(ext4::read(&window(&partitions[3])).unwrap().get("etc/hostname").is_some());
}

#[test]
fn signs_an_update_that_unpacks_to_what_its_manifest_says() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sdcard_update.img.gz");
    let key = SigningKey::generate().unwrap();
    let public = key.verifying().unwrap();
    let saved = image(options(Some(key))).save_update(&path).unwrap();
    insta::assert_snapshot!(names(dir.path()).join("\n"), @r"
    sdcard_update.boot.img.gz
    sdcard_update.boot.img.gz.sha256
    sdcard_update.img.gz
    sdcard_update.img.gz.manifest
    sdcard_update.img.gz.manifest.minisig
    sdcard_update.img.gz.sha256
    sdcard_update.img.gz.spdx.json
    ");

    let manifest = Manifest::open(&path, &public).unwrap();
    assert!(manifest.file.fits(saved.bytes, &saved.sha256));
    assert_eq!(manifest.boot.len(), 2);
    let Content::Update { bytes, sha256, chunks, boot, packages } = manifest.content else {
        panic!("not an update");
    };
    let gunzipped = Command::new("gunzip").arg("-c").arg(&path).output().unwrap().stdout;
    assert_eq!(gunzipped.len() as u64, bytes);
    assert_eq!(sha256, *Sha256::digest(&gunzipped));
    assert_eq!(chunks.len() as u64, bytes.div_ceil(4 << 20));
    for file in [boot, packages] {
        let found = fs::read(dir.path().join(&file.name)).unwrap();
        assert!(file.fits(found.len() as u64, &Sha256::digest(&found).into()), "{}", file.name);
    }
    let boot = PackedImage::open(&boot_image(&path).unwrap()).unwrap();
    assert!(fat32::read(&boot).unwrap().get("config.txt").is_some());
}

#[test]
fn makes_the_same_files_in_two_directories() {
    let made = |order: [bool; 2]| {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("output");
        let image = image(options(None));
        for is_card in order {
            match is_card {
                true => image.save(&out.join("sdcard.img.gz")).unwrap(),
                false => image.save_update(&out.join("sdcard_update.img.gz")).unwrap(),
            };
        }
        let read = |name: String| (fs::read(out.join(&name)).unwrap(), name);
        names(&out).into_iter().map(read).collect::<Vec<_>>()
    };
    assert!(made([true, false]) == made([false, true]));
}

#[test]
fn leaves_no_manifest_that_does_not_fit_when_it_is_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sdcard.img.gz");
    let options = options(None);
    let cancel = options.cancel.clone();
    let image = image(options);
    image.save(&path).unwrap();
    cancel.cancel();
    let error = image.save(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert_eq!(names(dir.path()), ["sdcard.img.gz", "sdcard.img.gz.sha256"]);
    assert_passes("gunzip", &["-t"], &path);
}

#[test]
fn says_which_names_an_image_can_have() {
    let dir = tempfile::tempdir().unwrap();
    let image = image(options(None));
    assert!(image.save(&dir.path().join("sdcard.img")).is_err());
    assert!(image.save_update(&dir.path().join("sdcard.zip")).is_err());
    assert!(names(dir.path()).is_empty());
}

#[test]
fn keeps_files_where_the_older_image_has_them() {
    // 300 small files, one that grows, and a large one behind it.
    let root = |grown: usize, added: bool| {
        let mut tree = tree(&[("b-grows", 300_000 + grown), ("c-large", 20_000_000)]);
        for index in 0..300 {
            let file = Entry::file(format!("{index}").repeat(700).into_bytes(), 0o644);
            tree.insert(&format!("d/{index:03}"), file).unwrap();
        }
        if added {
            tree.insert("a-new", Entry::file(vec![9; 50_000], 0o644)).unwrap();
        }
        tree
    };
    let dir = tempfile::tempdir().unwrap();
    let chunks = |name: &str, root: &Tree, previous: Option<Placement>| {
        let path = dir.path().join(name);
        let options = Options { previous, ..options(None) };
        let image = Image::new(root, &Tree::new(), &Tree::new(), options).unwrap();
        image.save_update(&path).unwrap();
        let raw = PackedImage::open(&path).unwrap();
        assert!(ext4::read(&raw).is_ok());
        let packed = image.packed(ROOT, Codec::Gzip, &path).unwrap();
        let blocks: Vec<_> = packed.chunks.iter().flat_map(|chunk| chunk.blocks.clone()).collect();
        (path, blocks)
    };
    let (older, before) = chunks("1.img.gz", &root(0, false), None);
    let differing =
        |after: &[_]| before.iter().zip(after).filter(|(one, other)| one != other).count();
    let (_, unplaced) = chunks("2.img.gz", &root(9000, true), None);
    let (_, placed) = chunks("3.img.gz", &root(9000, true), Some(previous(&older).unwrap()));
    assert_eq!(before.len(), placed.len(), "the size stays");
    assert!(differing(&unplaced) > 300, "{}", differing(&unplaced));
    // Twice the file that grew, the new one, the small ones that fill its hole, and metadata.
    assert!(differing(&placed) < 30, "{}", differing(&placed));
}
