//! Downloads from a real server, which fails on demand.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use pirun_lab::{Fault, MirrorServer};
use sha2::{Digest as _, Sha256};

use crate::cancel::Cancel;
use crate::error::{Error, ErrorKind, Result};
use crate::image::Alpine;
use crate::image::apk::testing::{KEY, SIGNER, tar};
use crate::image::apk::{Archive, Index, Keys};
use crate::image::fetch::{
    Cache, Chosen, Fetcher, Lock, LockedIndex, Patience, Progress, Repository,
};

const MAIN: &str = "v3.23/main/x86_64";

/// A mirror with two packages, a small one and one of 300 kB, and a place for caches.
struct Setup {
    dir: tempfile::TempDir,
    server: MirrorServer,
    chosen: Vec<Chosen>,
}

impl Setup {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let server = MirrorServer::start(&dir.path().join("mirror")).unwrap();
        let mut setup = Self { dir, server, chosen: Vec::new() };
        // As good as random: it stays as large when it is compressed.
        let noise = (0..10_000_u32).flat_map(|n| Sha256::digest(n.to_le_bytes()));
        let noise: Vec<u8> = noise.collect();
        setup.put_packages(&[("small", b"s"), ("large", &noise)], 100);
        setup
    }

    /// Puts packages on the mirror, and an index that was made at `time`.
    fn put_packages(&mut self, packages: &[(&str, &[u8])], time: i64) {
        let place = self.dir.path().join("mirror").join(MAIN);
        fs::create_dir_all(&place).unwrap();
        let mut text = String::new();
        self.chosen.clear();
        for (name, content) in packages {
            let data = tar(|tar| tar.file("file", 0o644, content));
            let info =
                format!("pkgname = {name}\npkgver = 1-r0\narch = x86_64\nbuilddate = {time}\n");
            let (bytes, package) = SIGNER.package(&info, &[], &data);
            fs::write(place.join(package.file_name()), bytes).unwrap();
            text += &format!(
                "C:{}\nP:{name}\nV:1-r0\nA:x86_64\nS:{}\nt:{time}\n\n",
                package.checksum, package.size
            );
            self.chosen.push(Chosen { repository: "main".into(), package: package.into() });
        }
        fs::write(place.join("APKINDEX.tar.gz"), SIGNER.index(&text)).unwrap();
    }

    fn alpine(&self) -> Alpine {
        self.alpine_of(&[&self.server.url()])
    }

    fn alpine_of(&self, mirrors: &[&str]) -> Alpine {
        Alpine {
            arch: "x86_64".into(),
            mirrors: mirrors.iter().map(|&mirror| mirror.into()).collect(),
            repositories: vec!["main".into()],
            ..Alpine::default()
        }
    }

    fn cache(&self) -> Cache {
        Cache::at(&self.dir.path().join("cache")).unwrap()
    }

    /// All that is in the cache, by name and size.
    fn cached(&self) -> Vec<(String, u64)> {
        let mut found = Vec::new();
        for dir in ["cache", "cache/index"] {
            for entry in fs::read_dir(self.dir.path().join(dir)).unwrap().flatten() {
                let meta = entry.metadata().unwrap();
                if meta.is_file() {
                    found.push((entry.file_name().into_string().unwrap(), meta.len()));
                }
            }
        }
        found
    }

    fn packages(&self, alpine: &Alpine) -> Result<Vec<std::path::PathBuf>> {
        fetcher(alpine, &self.cache(), &Cancel::default()).packages(&self.chosen, &mut |_| {})
    }

    fn indexes(&self, alpine: &Alpine, lock: Option<&Lock>) -> Result<Vec<Repository>> {
        fetcher(alpine, &self.cache(), &Cancel::default()).indexes(&SIGNER.keys(), lock)
    }

    fn total(&self) -> u64 {
        self.chosen.iter().map(|chosen| chosen.package.size).sum()
    }
}

fn fetcher<'a>(alpine: &'a Alpine, cache: &Cache, cancel: &Cancel) -> Fetcher<'a> {
    let patience =
        Patience { connect: Duration::from_secs(5), silence: Duration::from_millis(300) };
    Fetcher::new(alpine, cache.clone(), cancel.clone()).with_patience(patience)
}

/// The error's message and hints, without what changes from run to run.
fn shown(error: &Error, setup: &Setup) -> String {
    let lines: Vec<&str> =
        std::iter::once(error.message()).chain(error.hints().iter().map(String::as_str)).collect();
    let cache = setup.dir.path().join("cache").display().to_string();
    lines.join("\n").replace(&setup.server.url(), "http://mirror").replace(&cache, "CACHE")
}

fn opens(path: &Path, chosen: &Chosen) {
    Archive::verify(&fs::File::open(path).unwrap(), &chosen.package).unwrap();
}

#[test]
fn downloads_once_and_tells_how_far_it_is() {
    let setup = Setup::new();
    let alpine = setup.alpine();
    let mut told = Vec::new();
    let fetcher = fetcher(&alpine, &setup.cache(), &Cancel::default());
    let paths = fetcher.packages(&setup.chosen, &mut |progress| told.push(progress)).unwrap();
    paths.iter().zip(&setup.chosen).for_each(|(path, chosen)| opens(path, chosen));
    assert!(told.is_sorted_by_key(|progress| progress.done));
    assert_eq!(told.last(), Some(&Progress { done: setup.total(), total: setup.total() }));
    assert_eq!((setup.server.requests(), setup.server.bytes()), (2, setup.total()));
    assert_eq!(setup.packages(&alpine).unwrap(), paths);
    assert_eq!(setup.server.requests(), 2);
}

#[test]
fn a_cut_connection_goes_on_where_it_was() {
    let setup = Setup::new();
    setup.server.fail_times("large-1-r0.apk", Fault::Truncate(100_000), 2);
    setup.packages(&setup.alpine()).unwrap();
    assert_eq!(setup.server.bytes(), setup.total());
    assert_eq!(setup.server.requests(), 4);
}

#[test]
fn a_build_that_was_stopped_goes_on_where_it_was() {
    let setup = Setup::new();
    let (alpine, cancel) = (setup.alpine(), Cancel::default());
    let patience = Patience { silence: Duration::from_secs(600), ..Patience::default() };
    let fetcher = Fetcher::new(&alpine, setup.cache(), cancel.clone()).with_patience(patience);
    setup.server.fail("large-1-r0.apk", Fault::Stall(64 << 10));
    let arrived =
        || setup.cached().iter().any(|(name, size)| name.ends_with("part") && *size == 64 << 10);
    let error = thread::scope(|scope| {
        scope.spawn(|| {
            while !arrived() {
                thread::sleep(Duration::from_millis(5));
            }
            cancel.cancel();
        });
        fetcher.packages(&setup.chosen, &mut |_| {}).unwrap_err()
    });
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert!(arrived(), "{:?}", setup.cached());
    setup.server.mend();
    let paths = setup.packages(&setup.alpine()).unwrap();
    opens(&paths[1], &setup.chosen[1]);
}

#[test]
fn what_a_dead_build_left_is_taken_up() {
    let setup = Setup::new();
    let large = &setup.chosen[1].package;
    setup.packages(&setup.alpine()).unwrap();
    let whole = setup.cache().package(large).unwrap();
    let bytes = fs::read(&whole).unwrap();
    fs::remove_file(&whole).unwrap();
    fs::write(whole.with_extension("apk.part"), &bytes[..200_000]).unwrap();
    setup.server.forget();
    setup.packages(&setup.alpine()).unwrap();
    assert_eq!(setup.server.bytes(), large.size - 200_000);

    // And what it left wrong is thrown away.
    fs::remove_file(&whole).unwrap();
    fs::write(whole.with_extension("apk.part"), vec![b'x'; 200_000]).unwrap();
    setup.packages(&setup.alpine()).unwrap();
    opens(&whole, &setup.chosen[1]);
}

#[test]
fn a_server_that_cannot_resume_sends_it_all_again() {
    let setup = Setup::new();
    setup.server.fail_times("large-1-r0.apk", Fault::Truncate(100_000), 1);
    setup.server.fail("large-1-r0.apk", Fault::WithoutRanges);
    let paths = setup.packages(&setup.alpine()).unwrap();
    opens(&paths[1], &setup.chosen[1]);
    assert_eq!(setup.server.bytes(), setup.total() + 100_000);
}

#[test]
fn a_package_with_another_byte_is_refused_and_not_kept() {
    let setup = Setup::new();
    setup.server.fail("large-1-r0.apk", Fault::Alter(150_000));
    let error = setup.packages(&setup.alpine()).unwrap_err();
    insta::assert_snapshot!(shown(&error, &setup), @r#"
    the package large-1-r0 from http://mirror/v3.23 is refused: its files are not those it was signed with: it was changed, or damaged
    Try another mirror: `mirrors: ["https://…/alpine"]` of `rootfs`.
    "#);
    assert!(
        !setup.cached().iter().any(|(name, _)| name.starts_with("large")),
        "{:?}",
        setup.cached()
    );
}

#[test]
fn a_package_that_is_another_one_is_refused() {
    let setup = Setup::new();
    let place = setup.dir.path().join("mirror").join(MAIN);
    let small = fs::read(place.join("small-1-r0.apk")).unwrap();
    let longer = [&*fs::read(place.join("large-1-r0.apk")).unwrap(), b"x"].concat();
    for (other, why) in [(small, "cut"), (longer, "it has more than")] {
        setup.server.fail("large-1-r0.apk", Fault::Replace(other));
        let error = setup.packages(&setup.alpine()).unwrap_err();
        assert!(error.message().contains(why), "{error}");
        setup.server.mend();
        assert!(setup.cache().package(&setup.chosen[1].package).is_none());
    }
}

#[test]
fn says_that_a_package_is_gone_and_what_helps() {
    let setup = Setup::new();
    setup.server.fail("large-1-r0.apk", Fault::Status(404));
    let error = setup.packages(&setup.alpine()).unwrap_err();
    insta::assert_snapshot!(shown(&error, &setup), @r#"
    the package large-1-r0 is no longer on http://mirror/v3.23
    Alpine removes a package when there is a newer one: `--update` chooses anew, and writes the lock file.
    A mirror that keeps old packages has it: `mirrors: ["https://…/alpine"]` of `rootfs`.
    "#);
}

#[test]
fn a_mirror_that_falls_silent_is_given_up_in_time() {
    let setup = Setup::new();
    setup.server.fail("large-1-r0.apk", Fault::Stall(1000));
    let error = setup.packages(&setup.alpine()).unwrap_err();
    insta::assert_snapshot!(shown(&error, &setup), @r#"
    the package large-1-r0 cannot be had from http://mirror/v3.23: it fell silent
    What has arrived is kept: the next build goes on from there.
    "#);
}

#[test]
fn asks_the_next_mirror() {
    let mut setup = Setup::new();
    let (gone, broken) = (Setup::new(), Setup::new());
    gone.server.fail("apk", Fault::Status(404));
    broken.server.fail("apk", Fault::Status(503));
    let nobody = "http://127.0.0.1:9/alpine";
    let files = format!("file://{}", setup.dir.path().join("mirror").display());
    for good in [&setup.server.url(), &files] {
        let (gone, broken) = (gone.server.url(), broken.server.url());
        let alpine = setup.alpine_of(&[nobody, &gone, &broken, good]);
        let cache = tempfile::tempdir().unwrap();
        let cache = Cache::at(cache.path()).unwrap();
        fetcher(&alpine, &cache, &Cancel::default()).packages(&setup.chosen, &mut |_| {}).unwrap();
    }
    setup.chosen.truncate(1);
    let error = setup.packages(&setup.alpine_of(&[nobody, &gone.server.url()])).unwrap_err();
    assert_eq!(error.message(), "the package small-1-r0 cannot be had from any mirror");
    let detail = error.explanation().unwrap_or_default();
    assert!(
        detail.contains("connection refused") && detail.contains("it is not there"),
        "{detail}"
    );
}

#[test]
fn without_a_network_takes_what_the_cache_has() {
    let setup = Setup::new();
    let offline = Alpine { offline: true, ..setup.alpine_of(&["http://127.0.0.1:9"]) };
    let error = setup.packages(&offline).unwrap_err();
    insta::assert_snapshot!(shown(&error, &setup), @r#"
    2 packages are not in the cache, and the build is offline: small-1-r0, large-1-r0
    Build once without `offline`: what is downloaded then is kept.
    "#);
    let error = setup.indexes(&offline, None).unwrap_err();
    insta::assert_snapshot!(shown(&error, &setup), @r#"
    the package index of `main` is not in the cache, and the build is offline
    Build once without `offline`: what is downloaded then is kept.
    "#);
    setup.packages(&setup.alpine()).unwrap();
    let online = setup.indexes(&setup.alpine(), None).unwrap();
    setup.packages(&offline).unwrap();
    let cached = setup.indexes(&offline, None).unwrap();
    assert_eq!(cached[0].index.packages, online[0].index.packages);
}

#[test]
fn an_index_that_is_not_trusted_is_refused_and_not_kept() {
    let setup = Setup::new();
    let good =
        fs::read(setup.dir.path().join("mirror").join(MAIN).join("APKINDEX.tar.gz")).unwrap();
    let end = good.len() - 9;
    let faults = [
        (Fault::Alter(end), "changed, or damaged"),
        (Fault::Replace(good[..end].to_vec()), "changed, or damaged"),
        (Fault::Replace(b"<html>log in first</html>".to_vec()), "refused"),
    ];
    for (fault, why) in faults {
        setup.server.fail("APKINDEX.tar.gz", fault);
        let error = setup.indexes(&setup.alpine(), None).unwrap_err();
        assert!(error.message().contains(why), "{error}");
        setup.server.mend();
    }
    let alpine = setup.alpine();
    let fetcher = fetcher(&alpine, &setup.cache(), &Cancel::default());
    let mut strangers = Keys::default();
    strangers.add("x.pub", &fs::read_to_string(key_of_somebody()).unwrap()).unwrap();
    let error = fetcher.indexes(&strangers, None).unwrap_err();
    assert!(error.message().contains(KEY), "{error}");
    assert_eq!(setup.cached(), []);
}

/// A key that signed nothing here: one of Alpine's own.
fn key_of_somebody() -> std::path::PathBuf {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/image/apk/keys/aarch64");
    fs::read_dir(dir).unwrap().next().unwrap().unwrap().path()
}

#[test]
fn an_index_older_than_the_cached_or_the_locked_one_is_refused() {
    let mut setup = Setup::new();
    let old = setup.dir.path().join("mirror").join(MAIN).join("APKINDEX.tar.gz");
    let old = fs::read(old).unwrap();
    setup.put_packages(&[("small", b"t")], 200);
    let new = setup.indexes(&setup.alpine(), None).unwrap();
    setup.server.fail("APKINDEX.tar.gz", Fault::Replace(old));
    let error = setup.indexes(&setup.alpine(), None).unwrap_err();
    insta::assert_snapshot!(shown(&error, &setup), @r#"
    the package index of http://mirror/v3.23/main/x86_64/APKINDEX.tar.gz is refused: it is older than the one that was used before (test-1, built at 100 is older than test-1, built at 200)
    The mirror may be behind: try another one, or wait.
    If the repository was really set back, remove the lock file and build again.
    Without a lock file, what counts is the cache: CACHE/index/v3.23-main-x86_64.tar.gz.
    "#);
    let offline = Alpine { offline: true, ..setup.alpine() };
    let cached = setup.indexes(&offline, None).unwrap();
    assert_eq!(cached[0].index.packages, new[0].index.packages);

    // Another machine's cache is empty, but the lock file came with the project.
    fs::remove_dir_all(setup.dir.path().join("cache")).unwrap();
    let freshness = new[0].index.freshness();
    let mut lock = Lock::new(&setup.alpine(), &[], &new, Vec::new());
    assert_eq!(lock.indexes, [LockedIndex { repository: "main".into(), freshness }]);
    assert!(setup.indexes(&setup.alpine(), Some(&lock)).is_err());
    lock.indexes[0].freshness.newest = 100;
    setup.indexes(&setup.alpine(), Some(&lock)).unwrap();
}

#[test]
fn builds_that_share_a_cache_download_each_package_once() {
    let setup = Setup::new();
    thread::scope(|scope| {
        let builds: Vec<_> =
            (0..4).map(|_| scope.spawn(|| setup.packages(&setup.alpine()).unwrap())).collect();
        for build in builds {
            build.join().unwrap().iter().zip(&setup.chosen).for_each(|(path, c)| opens(path, c));
        }
    });
    assert_eq!((setup.server.requests(), setup.server.bytes()), (2, setup.total()));
    assert!(setup.cached().iter().all(|(name, _)| name.ends_with(".apk")), "{:?}", setup.cached());
}

#[test]
fn reads_the_labs_whole_mirror() {
    let mirror = pirun_lab::Mirror::obtain().unwrap();
    let mut keys = Keys::default();
    keys.add(mirror.key_name(), &mirror.public_key().unwrap()).unwrap();
    let url = format!("file://{}", mirror.dir().display());
    let cache = tempfile::tempdir().unwrap();
    let cache = Cache::at(cache.path()).unwrap();
    for arch in pirun_lab::Arch::ALL {
        let alpine =
            Alpine { arch: arch.name().into(), mirrors: vec![url.clone()], ..Alpine::default() };
        let fetcher = fetcher(&alpine, &cache, &Cancel::default());
        let repositories = fetcher.indexes(&keys, None).unwrap();
        let packages = |repository: &Repository| {
            let name = repository.name.clone();
            let chosen = move |package| Chosen { repository: name.clone(), package };
            repository.index.packages.clone().into_iter().map(chosen).collect::<Vec<_>>()
        };
        let chosen: Vec<Chosen> = repositories.iter().flat_map(packages).collect();
        assert!(chosen.len() > 150, "{} packages", chosen.len());
        let paths = fetcher.packages(&chosen, &mut |_| {}).unwrap();
        assert_eq!(paths.len(), chosen.len());
        let lock = Lock::new(&alpine, &["alpine-base".into()], &repositories, chosen);
        assert_eq!(Lock::parse(&lock.print(), "image.lock").unwrap().print(), lock.print());
        assert!(Index::parse("").unwrap().is_empty());
    }
}
