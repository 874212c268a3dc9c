//! Repositories and worlds made at random, of few names, so that they have much to do with each other.

use std::fmt;

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use sha1::{Digest as _, Sha1};

#[derive(Clone)]
pub struct Case {
    pub repos: Vec<Repo>,
    pub world: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct Repo {
    pub tag: Option<&'static str>,
    packages: Vec<String>,
}

impl Repo {
    /// The text of its APKINDEX.
    pub fn text(&self) -> String {
        let with_checksum = |entry: &String| {
            let hash = base64::Engine::encode(
                &base64::engine::general_purpose::STANDARD,
                Sha1::digest(entry),
            );
            format!("C:Q1{hash}\n{entry}\n")
        };
        self.packages.iter().map(with_checksum).collect()
    }
}

const NAMES: [&str; 10] =
    ["alpha", "beta", "gamma", "delta", "Epsilon", "zeta-openrc", "eta", "theta", "iota", "kappa"];
/// Names that nobody has as a package's own, most of the time.
const VIRTUAL: [&str; 5] = ["so:libv.so.1", "cmd:v", "pc:v", "v-mta", "/bin/v"];
const VERSIONS: [&str; 7] = ["1.0-r0", "1.0-r1", "1.1-r0", "2.0_rc1-r0", "2.0-r0", "1.0", "2"];
const OPS: [&str; 8] = ["<", "<=", "=", "~", ">=", ">", ">~", "<~"];

fn name() -> impl Strategy<Value = &'static str> {
    prop_oneof![6 => select(&NAMES[..]), 1 => select(&VIRTUAL[..])]
}

fn need() -> impl Strategy<Value = String> {
    let bound = weighted(0.1, (select(&OPS[..]), select(&VERSIONS[..])));
    (weighted(0.04, Just("!")), name(), bound).prop_map(|(not, name, bound)| {
        let bound = bound.map(|(op, version)| format!("{op}{version}")).unwrap_or_default();
        format!("{}{name}{bound}", not.unwrap_or_default())
    })
}

fn provide() -> impl Strategy<Value = String> {
    let name = prop_oneof![1 => select(&NAMES[..]), 8 => select(&VIRTUAL[..])];
    (name, weighted(0.5, select(&VERSIONS[..]))).prop_map(|(name, version)| match version {
        Some(version) => format!("{name}={version}"),
        None => name.to_owned(),
    })
}

/// A package of one of `names`.
fn package(names: &'static [&'static str]) -> impl Strategy<Value = String> {
    (
        select(names),
        select(&VERSIONS[..]),
        vec(need(), 0..3),
        vec(provide(), 0..3),
        weighted(0.25, vec(need(), 1..3)),
        weighted(0.5, 1..4_u8),
        prop_oneof![1 => Just(0), 6 => Just(4096)],
        prop_oneof![20 => Just("x86_64"), 4 => Just("noarch"), 1 => Just("armv7")],
    )
        .prop_map(|(name, version, needs, provides, install_if, priority, size, arch)| {
            let mut entry =
                format!("P:{name}\nV:{version}\nA:{arch}\nS:100\nI:{size}\nT:x\nt:1700000000\n");
            if let Some(priority) = priority {
                entry += &format!("k:{priority}\n");
            }
            let lists = [("D", needs), ("p", provides), ("i", install_if.unwrap_or_default())];
            for (letter, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
                entry += &format!("{letter}:{}\n", list.join(" "));
            }
            entry
        })
}

fn repos() -> impl Strategy<Value = Vec<Repo>> {
    // Each name once, so that most needs can be met, and some of them more often.
    let each: Vec<_> = (0..NAMES.len()).map(|at| package(&NAMES[at..=at])).collect();
    let all = (each, vec(package(&NAMES), 0..14)).prop_map(|(each, more)| [each, more].concat());
    let extra = (
        weighted(0.6, select(&["edge", "testing"][..])),
        vec(package(&NAMES), 0..8),
        vec(any::<Index>(), 0..3),
    );
    (all.prop_shuffle(), vec(extra, 0..3)).prop_map(|(packages, extra)| {
        let first = packages.clone();
        let mut repos = vec![Repo { tag: None, packages }];
        for (tag, mut packages, shared) in extra {
            packages.extend(shared.iter().map(|at| first[at.index(first.len())].clone()));
            repos.push(Repo { tag, packages });
        }
        repos
    })
}

/// A wish, perhaps with one of `tags`.
fn wish(tags: Vec<&'static str>) -> impl Strategy<Value = String> {
    let tag = weighted(0.3, any::<Index>());
    let bound = weighted(0.07, (select(&OPS[..]), select(&VERSIONS[..])));
    let name = prop_oneof![12 => select(&NAMES[..]), 1 => select(&VIRTUAL[..])];
    (weighted(0.05, Just("!")), name, tag, bound).prop_map(move |(not, name, tag, bound)| {
        let tag = tag.filter(|_| !tags.is_empty());
        let tag = tag.map(|at| format!("@{}", tags[at.index(tags.len())])).unwrap_or_default();
        let bound = bound.map(|(op, version)| format!("{op}{version}")).unwrap_or_default();
        format!("{}{name}{tag}{bound}", not.unwrap_or_default())
    })
}

pub fn case() -> impl Strategy<Value = Case> {
    repos().prop_flat_map(|repos| {
        let tags = repos.iter().filter_map(|repo| repo.tag).collect();
        vec(wish(tags), 1..4).prop_map(move |world| Case { repos: repos.clone(), world })
    })
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "world: {}", self.world.join(" "))?;
        for repo in &self.repos {
            writeln!(f, "--- repository {:?}\n{}", repo.tag, repo.text())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
