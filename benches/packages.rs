//! Packages: what reading them costs beside what nobody can save, and what choosing them costs among many.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::hint::black_box;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use flate2::bufread::GzDecoder;
use pirun::image::Spool;
use pirun::image::apk::{Archive, Checksum, Dependency, Index, Keys, Package, Repository, solve};
use pirun_lab::{Arch, Mirror, Result, default_world};
use sha1::{Digest as _, Sha1};
use sha2::Sha256;

/// Packages in an index the size of Alpine's `main` and `community`.
const MANY: usize = 25_000;

fn repositories(arch: Arch) -> Result<Vec<(PathBuf, Repository)>> {
    let mirror = Mirror::obtain()?;
    let mut keys = Keys::default();
    keys.add(mirror.key_name(), &mirror.public_key()?)?;
    let open = |place: PathBuf| {
        let place = place.join(arch.name());
        let index = Index::open(&fs::read(place.join("APKINDEX.tar.gz"))?, &keys, "the mirror")?;
        Ok((place, Repository { name: "mirror".into(), tag: None, index }))
    };
    mirror.repositories().into_iter().map(open).collect()
}

/// The packages of a node's image, and their files.
fn image(arch: Arch) -> Result<Vec<(PathBuf, Arc<Package>)>> {
    let (places, repositories): (Vec<_>, Vec<_>) = repositories(arch)?.into_iter().unzip();
    let world: Vec<_> = default_world(arch).into_iter().map(Dependency::on).collect();
    let chosen = solve(&world, &repositories, arch.name())?.packages.into_iter();
    let with_path = |one: pirun::image::apk::Selected| {
        (places[one.repository].join(one.package.file_name()), one.package)
    };
    Ok(chosen.map(with_path).collect())
}

/// Reads, verifies, inflates and writes a package's bytes, and nothing else.
fn floor(path: &PathBuf, spool: &mut File) -> Result<()> {
    let bytes = fs::read(path)?;
    let control = behind_member(&bytes)?;
    let data = behind_member(control)?;
    black_box(Sha1::digest(&control[..control.len() - data.len()]));
    black_box(Sha256::digest(data));
    let size = data.last_chunk().map_or(0, |size| u32::from_le_bytes(*size));
    let mut tar = vec![0; size as usize];
    libdeflater::Decompressor::new().gzip_decompress(data, &mut tar)?;
    Ok(spool.write_all(&tar)?)
}

fn behind_member(bytes: &[u8]) -> Result<&[u8]> {
    let mut rest = bytes;
    GzDecoder::new(&mut rest).read_to_end(&mut Vec::new())?;
    Ok(rest)
}

fn reading(c: &mut Criterion) {
    let Ok(packages) = image(Arch::Aarch64) else { return };
    let dir = std::env::temp_dir();
    let mut group = c.benchmark_group("packages of an image");
    group.sample_size(10);
    group.bench_function("read", |b| {
        b.iter(|| -> Result<usize> {
            let spool = Spool::create_in(&dir)?;
            let open =
                |(path, package): &(PathBuf, Arc<Package>)| Archive::open(path, package, &spool);
            let archives = packages.iter().map(open).collect::<pirun::error::Result<Vec<_>>>()?;
            Ok(archives.iter().map(|archive| archive.files.len()).sum())
        });
    });
    group.bench_function("hash, inflate and write", |b| {
        b.iter(|| -> Result<()> {
            let mut spool = tempfile::tempfile_in(&dir)?;
            packages.iter().try_for_each(|(path, _)| floor(path, &mut spool))
        });
    });
    group.finish();
}

/// An index of many packages, each with some of those before it as its dependencies.
fn many() -> String {
    (0..MANY).fold(String::new(), |mut text, at| {
        let checksum = Checksum(Sha1::digest(at.to_le_bytes()).into());
        let needs = [at / 2, at / 3, at / 7].map(|at| format!("so:lib{at}.so.1"));
        let _ = write!(
            text,
            "C:{checksum}\nP:package-{at}\nV:1.{at}-r0\nA:aarch64\nS:1000\nI:4096\nT:A package\n\
             U:https://example.org/\nL:MIT\no:package-{at}\nt:1700000000\nD:{}\n\
             p:so:lib{at}.so.1=1.0 cmd:tool-{at}=1.{at}-r0\ni:package-{}=1.{}-r0 docs\n\n",
            needs.join(" "),
            at / 2,
            at / 2
        );
        text
    })
}

fn choosing(c: &mut Criterion) {
    let text = many();
    c.bench_function("parse an index of 25000 packages", |b| b.iter(|| Index::parse(&text)));
    let Ok(packages) = Index::parse(&text) else { return };
    let index = Index { packages, ..Index::default() };
    let repositories = [Repository { name: "many".into(), tag: None, index }];
    let world: Vec<_> = (0..40).map(|at| Dependency::on(format!("package-{}", at * 600))).collect();
    c.bench_function("choose 40 of 25000 packages", |b| {
        b.iter(|| solve(&world, &repositories, "aarch64"));
    });
}

criterion_group!(packages, reading, choosing);
criterion_main!(packages);
