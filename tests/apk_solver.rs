//! pirun's choice of packages beside that of Alpine's own apk: the same packages, in the same order, by the same tags;
//! and where apk gives up, pirun does.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use pirun::image::apk::{Dependency, Index, Keys, Repository, Selected, Version, solve};
use pirun_lab::{Apk, Arch, Mirror, default_world};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

mod worlds;

use worlds::{Case, Repo};

/// Worlds that are tried; more by this variable.
const CASES: &str = "PIRUN_SOLVER_CASES";
/// Another series of worlds by this one.
const SEED: &str = "PIRUN_SOLVER_SEED";

fn number(variable: &str, default: u32) -> u32 {
    std::env::var(variable).map_or(default, |text| text.parse().expect(variable))
}

fn runner(cases: u32) -> TestRunner {
    let mut seed = [0; 32];
    seed[..4].copy_from_slice(&number(SEED, 1).to_le_bytes());
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed))
}

/// Alpine's apk with a root in which nothing is installed.
struct Oracle {
    apk: Apk,
    root: tempfile::TempDir,
    arguments: Vec<String>,
}

impl Oracle {
    fn new(arch: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        for name in ["lib/apk/db/installed", "lib/apk/db/triggers", "etc/apk/world"] {
            write(&root.path().join(name), b"");
        }
        let mut arguments = vec!["--simulate".to_owned(), "--arch".to_owned(), arch.to_owned()];
        if !rustix::process::geteuid().is_root() {
            arguments.push("--usermode".into());
        }
        Self { apk: Apk::obtain().unwrap(), root, arguments }
    }

    /// What apk would install: `name@tag version` each, in its order; none if it refuses.
    fn choice(&self, options: &[String], world: &[String]) -> Option<Vec<String>> {
        let mut command = self.apk.on(self.root.path());
        let output = command.args(&self.arguments).args(options).arg("add").args(world).output();
        let output = output.unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        output.status.success().then(|| {
            let lines = text.lines().filter_map(|line| line.split_once(" Installing "));
            lines.map(|(_, rest)| rest.replace(['(', ')'], "")).collect()
        })
    }
}

/// What pirun would install, in the same spelling, or why it refuses.
fn choice_of_pirun(
    repositories: &[Repository],
    arch: &str,
    world: &[String],
) -> Result<Vec<String>, String> {
    let world: Vec<_> = world.iter().map(|wish| Dependency::parse(wish).unwrap()).collect();
    let solution = solve(&world, repositories, arch)
        .map_err(|error| format!("{error}\n{}", error.explanation().unwrap_or_default()))?;
    let shown = |selected: &Selected| {
        let tag = selected.tag.as_ref().map(|tag| format!("@{tag}")).unwrap_or_default();
        format!("{}{tag} {}", selected.package.name, selected.package.version)
    };
    Ok(solution.packages.iter().map(shown).collect())
}

/// An index that nobody signed.
fn packed(text: &str) -> Vec<u8> {
    let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut archive = tar::Builder::new(gzip);
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_size(text.len() as u64);
    header.set_mode(0o644);
    archive.append_data(&mut header, "APKINDEX", text.as_bytes()).unwrap();
    archive.into_inner().unwrap().finish().unwrap()
}

fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// Writes the repositories of a made-up world, and gives the options by which apk uses them.
fn published(case: &Case, dir: &Path) -> Vec<String> {
    let mut options = vec!["--allow-untrusted".to_owned()];
    for (repo, at) in case.repos.iter().zip(0..) {
        let place = dir.join(format!("repo{at}"));
        write(&place.join("x86_64/APKINDEX.tar.gz"), &packed(&repo.text()));
        let tag = repo.tag.map(|tag| format!("@{tag} ")).unwrap_or_default();
        options.extend(["--repository".to_owned(), format!("{tag}{}", place.display())]);
    }
    options
}

fn compare(
    apk: Option<Vec<String>>,
    pirun: Result<Vec<String>, String>,
) -> Result<(), TestCaseError> {
    if apk.as_ref() == pirun.as_ref().ok() {
        return Ok(());
    }
    Err(TestCaseError::fail(format!("apk: {apk:?}\npirun: {pirun:?}")))
}

#[test]
fn chooses_what_apk_chooses_in_any_world() {
    let oracle = Oracle::new("x86_64");
    let dir = tempfile::tempdir().unwrap();
    let cases = number(CASES, 400);
    let solved = std::cell::Cell::new(0);
    let result = runner(cases).run(&worlds::case(), |case| {
        let apk = oracle.choice(&published(&case, dir.path()), &case.world);
        solved.set(solved.get() + u32::from(apk.is_some()));
        let repository = |repo: &Repo| Repository {
            name: String::new(),
            tag: repo.tag.map(str::to_owned),
            index: Index { packages: Index::parse(&repo.text()).unwrap(), ..Index::default() },
        };
        let repositories: Vec<_> = case.repos.iter().map(repository).collect();
        compare(apk, choice_of_pirun(&repositories, "x86_64", &case.world))
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    // Worlds that cannot be solved prove little.
    assert!(solved.get() * 2 > cases, "only {} of {cases} were solved", solved.get());
}

#[test]
fn chooses_what_apk_chooses_on_the_mirror() {
    let mirror = Mirror::obtain().unwrap();
    let mut keys = Keys::default();
    keys.add(mirror.key_name(), &mirror.public_key().unwrap()).unwrap();
    for arch in Arch::ALL {
        let oracle = Oracle::new(arch.name());
        let mut options = vec!["--keys-dir".to_owned(), mirror.keys().display().to_string()];
        let mut repositories = Vec::new();
        for place in mirror.repositories() {
            options.extend(["--repository".to_owned(), place.display().to_string()]);
            repositories.push(opened(&place, arch, &keys));
        }
        let check = |world: &[String]| {
            let pirun = choice_of_pirun(&repositories, arch.name(), world);
            compare(oracle.choice(&options, world), pirun)
        };
        let whole: Vec<String> = default_world(arch).into_iter().map(str::to_owned).collect();
        assert!(choice_of_pirun(&repositories, arch.name(), &whole).is_ok());
        check(&whole).unwrap();
        let packages = repositories.iter().flat_map(|repository| &repository.index.packages);
        let names: Vec<String> = packages.map(|package| package.name.clone()).collect();
        for name in &names {
            check(std::slice::from_ref(name)).unwrap();
        }
        let some = proptest::sample::subsequence(names.clone(), 2..12).prop_shuffle();
        if let Err(error) = runner(number(CASES, 400) / 8).run(&some, |world| check(&world)) {
            panic!("{error}");
        }
    }
}

fn opened(place: &Path, arch: Arch, keys: &Keys) -> Repository {
    let path: PathBuf = place.join(arch.name()).join("APKINDEX.tar.gz");
    let name = path.display().to_string();
    let index = Index::open(&fs::read(path).unwrap(), keys, &name).unwrap();
    Repository { name, tag: None, index }
}

#[test]
fn orders_versions_as_apk_does() {
    let apk = Apk::obtain().unwrap();
    let root = tempfile::tempdir().unwrap();
    let digits = "(0|[1-3]|0[0-2]|1[0-2])";
    let suffix = "(_(alpha|beta|pre|rc|cvs|svn|git|hg|p)[0-2]?){0,2}";
    let one = format!("{digits}(\\.{digits}){{0,2}}[ab]?{suffix}(~[0a])?(-r(0|1|01))?");
    let pair = (one.as_str(), one.as_str());
    let result = runner(number(CASES, 400) / 2).run(&pair, |(a, b)| {
        let output = apk.on(root.path()).args(["version", "--test", &a, &b]).output().unwrap();
        let parsed = |text: &str| Version::parse(text).unwrap();
        let sign = match parsed(&a).compare(&parsed(&b)) {
            std::cmp::Ordering::Less => "<",
            std::cmp::Ordering::Equal => "=",
            std::cmp::Ordering::Greater => ">",
        };
        let printed = String::from_utf8(output.stdout).unwrap();
        prop_assert_eq!(printed.trim(), sign, "{} {}", a, b);
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

#[test]
fn takes_for_a_version_what_apk_does() {
    let apk = Apk::obtain().unwrap();
    let root = tempfile::tempdir().unwrap();
    let text =
        "[0-9]{1,2}([.]?[0-9a]){0,2}(_(p|rc|new|alpha)?[0-9]?){0,2}(~[0-9a-g]?)?(-r?[0-9]?)?";
    let result = runner(number(CASES, 400) / 2).run(&text, |text| {
        let output = apk.on(root.path()).args(["version", "--check", &text]).output().unwrap();
        prop_assert_eq!(Version::parse(&text).is_ok(), output.status.success(), "{}", text);
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}
