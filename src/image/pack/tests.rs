use std::process::{Command, Stdio};

use super::*;
use crate::image::volume::Holds;

/// 9.3 MiB: content that compresses and content that does not, zeros that matter and free space.
fn volume() -> Volume {
    let mut volume = Volume::default();
    let mut state = 1u32;
    let noise = |len: usize| {
        (0..len)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect()
    };
    let mut noise = noise;
    volume.push_bytes(noise(3 << 20));
    volume.push(MEMBER as u64, Holds::Zeros);
    volume.push_bytes(b"text\n".repeat(40_000));
    volume.push((5 << 20) + 77, Holds::Free);
    volume.push_bytes(noise(70_000));
    volume
}

fn raw(volume: &Volume) -> Vec<u8> {
    let mut raw = vec![0; volume.size() as usize];
    volume.read_exact_at(&mut raw, 0).unwrap();
    raw
}

fn save(path: &Path) -> Saved {
    let cancel = Cancel::default();
    let dir = path.parent().unwrap();
    let packed = pack(&volume(), Codec::of(path).unwrap(), dir, &cancel).unwrap();
    let mut archive = Archive::create(path, &cancel).unwrap();
    archive.bytes(b"table").unwrap();
    archive.volume(&packed).unwrap();
    archive.zeros(MEMBER as u64 + 1000, true).unwrap();
    archive.volume(&packed).unwrap();
    archive.finish().unwrap()
}

fn expected() -> Vec<u8> {
    let raw = raw(&volume());
    [b"table", &*raw, &vec![0; MEMBER + 1000], &raw].concat()
}

fn decoded(program: &[&str], path: &Path) -> Vec<u8> {
    let input = File::open(path).unwrap();
    let ran = Command::new(program[0])
        .args(&program[1..])
        .stdin(input)
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(ran.status.success(), "{program:?}");
    ran.stdout
}

#[test]
fn is_read_by_every_gunzip() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.img.gz");
    save(&path);
    for program in [&["gunzip", "-c"][..], &["pigz", "-dc"], &["busybox", "gunzip", "-c"]] {
        assert!(decoded(program, &path) == expected(), "{program:?}");
    }
}

#[test]
fn is_read_by_zstd() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.img.zst");
    save(&path);
    let mut raw = Vec::new();
    let file = File::open(&path).unwrap();
    zstd::stream::copy_decode(file, &mut raw).unwrap();
    assert!(raw == expected());
}

#[test]
fn is_read_at_any_place() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["x.img.gz", "x.img.zst"] {
        let path = dir.path().join(name);
        save(&path);
        let image = PackedImage::open(&path).unwrap();
        assert_eq!(image.size(), expected().len() as u64);
        for (offset, len) in [(0, 5), (3, 100_000), (4_190_000, 4_200_000), (10_000_000, 1)] {
            let mut bytes = vec![1; len];
            image.read_exact_at(&mut bytes, offset as u64).unwrap();
            assert!(bytes == expected()[offset..offset + len], "{name} {offset}");
        }
        assert!(image.read_exact_at(&mut [0; 2], image.size() - 1).is_err());
    }
}

#[test]
fn says_which_blocks_are_free() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.img.gz");
    save(&path);
    let masks: Vec<u16> =
        PackedImage::open(&path).unwrap().members().iter().map(|member| member.note.free).collect();
    // The table; noise; zeros; text in its first four blocks; free space; its rest and noise.
    let volume = [0, 0, 0, 0, 0xFFF0, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF, 0x7];
    assert_eq!(masks, [&[0], &volume[..], &[0xFFFF, 1], &volume].concat());
}

#[test]
fn hashes_what_it_packs() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.img.gz");
    let packed = pack(&volume(), Codec::Gzip, dir.path(), &Cancel::default()).unwrap();
    let raw = raw(&volume());
    assert_eq!(packed.sha256, *Sha256::digest(&raw));
    let chunks: Vec<Chunk> = raw
        .chunks(CHUNK)
        .map(|chunk| Chunk {
            sha256: Sha256::digest(chunk).into(),
            blocks: chunk.chunks(BLOCK).map(block_hash).collect(),
        })
        .collect();
    assert_eq!(packed.chunks, chunks);

    let saved = save(&path);
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(saved, Saved { bytes: bytes.len() as u64, sha256: Sha256::digest(&bytes).into() });
    let checked = Command::new("sha256sum")
        .args(["--check", "--strict", "x.img.gz.sha256"])
        .current_dir(dir.path())
        .status()
        .unwrap();
    assert!(checked.success());
}

#[test]
fn has_the_same_bytes_every_time() {
    let dir = tempfile::tempdir().unwrap();
    let (one, other) = (dir.path().join("one.img.gz"), dir.path().join("two.img.gz"));
    assert_eq!(save(&one), save(&other));
}

#[test]
fn leaves_nothing_when_cancelled() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.img.gz");
    let cancel = Cancel::default();
    let packed = pack(&volume(), Codec::Gzip, dir.path(), &cancel).unwrap();
    let mut archive = Archive::create(&path, &cancel).unwrap();
    archive.volume(&packed).unwrap();
    cancel.cancel();
    let errors = [
        archive.volume(&packed).unwrap_err(),
        pack(&volume(), Codec::Gzip, dir.path(), &cancel).unwrap_err(),
    ];
    assert!(errors.iter().all(|error| error.kind() == ErrorKind::Cancelled));
    drop((archive, packed));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn refuses_images_that_are_foreign_or_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.img.gz");
    save(&path);
    let whole = std::fs::read(&path).unwrap();
    for bytes in
        [&whole[..whole.len() - 1], &[&*whole, b"x"].concat(), b"", &[0x1F, 0x8B, 8, 0, 0, 0]]
    {
        std::fs::write(&path, bytes).unwrap();
        assert!(PackedImage::open(&path).is_err());
    }
    assert!(Codec::of(Path::new("x.img")).is_err());
}
