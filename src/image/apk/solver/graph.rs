//! All names that packages have, provide or need, and who has to do with which.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Repository, hash_order};
use crate::image::apk::checksum::Checksum;
use crate::image::apk::dependency::Dependency;
use crate::image::apk::package::Package;
use crate::image::apk::version::Version;

/// A name's place in the graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct NameId(u32);

/// A package's place in the graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct PackageId(u32);

/// A set of repositories, one bit each.
pub(super) type Repositories = u32;
/// A set of tags, one bit each. Bit 0 is having no tag.
pub(super) type Tags = u64;

/// The set of tags with which packages of untagged repositories are taken.
pub(super) const UNTAGGED: Tags = 1;

pub(super) struct Graph<'a> {
    names: Vec<Name<'a>>,
    packages: Vec<Node<'a>>,
    /// The tags, the one without name first, and the repositories that have them.
    tags: Vec<(Option<&'a str>, Repositories)>,
    /// The user's wishes.
    pub world: Vec<Need<'a>>,
}

/// A name, whether it is a package's own or not.
pub(super) struct Name<'a> {
    pub text: &'a str,
    pub providers: Vec<Provider<'a>>,
    /// Names whose providers depend on this one.
    pub needed_by: Vec<NameId>,
    /// Names whose providers are installed if this one is.
    pub triggers: Vec<NameId>,
}

/// A package as one that has a certain name.
#[derive(Clone, Copy)]
pub(super) struct Provider<'a> {
    pub package: PackageId,
    /// The version of the name, which is that of the package only for its own. None if it is one of many with that name.
    pub version: Option<&'a Version>,
}

pub(super) struct Node<'a> {
    pub package: &'a Arc<Package>,
    pub name: NameId,
    pub repositories: Repositories,
    /// Whether it can be installed on such a machine at all.
    pub usable: bool,
    pub depends: Vec<Need<'a>>,
    pub install_if: Vec<Need<'a>>,
    pub provides: Vec<(NameId, Option<&'a Version>)>,
}

/// A dependency, its name looked up.
#[derive(Clone, Copy)]
pub(super) struct Need<'a> {
    pub name: NameId,
    /// A bit of [`Tags`].
    pub tag: Tags,
    pub dependency: &'a Dependency,
}

impl NameId {
    pub fn new(at: usize) -> Self {
        Self(at as u32)
    }

    pub fn at(self) -> usize {
        self.0 as usize
    }
}

impl PackageId {
    pub fn at(self) -> usize {
        self.0 as usize
    }
}

impl<'a> Graph<'a> {
    pub fn build(world: &'a [Dependency], repositories: &'a [Repository], arch: &str) -> Self {
        let mut builder = Builder {
            ids: HashMap::new(),
            known: HashMap::new(),
            graph: Self {
                names: Vec::new(),
                packages: Vec::new(),
                tags: vec![(None, 0)],
                world: Vec::new(),
            },
        };
        for (repository, bit) in repositories.iter().zip(0..) {
            let tag = builder.tag(repository.tag.as_deref());
            builder.graph.tags[tag].1 |= 1 << bit;
            for package in &repository.index.packages {
                builder.add(package, 1 << bit, arch);
            }
        }
        builder.graph.world = world
            .iter()
            .map(|wish| {
                let tag = builder.tag(wish.tag.as_deref());
                Need { tag: 1 << tag, ..builder.need(wish) }
            })
            .collect();
        builder.graph.connect();
        builder.graph
    }

    /// Notes for each name who needs it.
    fn connect(&mut self) {
        let texts: Vec<&str> = self.names.iter().map(|name| name.text).collect();
        for id in hash_order::sorted(&texts) {
            for at in 0..self.names[id.at()].providers.len() {
                let package = self.names[id.at()].providers[at].package;
                let node = &self.packages[package.at()];
                for need in &node.depends {
                    note(&mut self.names[need.name.at()].needed_by, id);
                }
                for need in &node.install_if {
                    note(&mut self.names[need.name.at()].triggers, id);
                }
            }
        }
    }

    pub fn name(&self, id: NameId) -> &Name<'a> {
        &self.names[id.at()]
    }

    pub fn package(&self, id: PackageId) -> &Node<'a> {
        &self.packages[id.at()]
    }

    pub fn names(&self) -> &[Name<'a>] {
        &self.names
    }

    pub fn packages(&self) -> &[Node<'a>] {
        &self.packages
    }

    /// The names that a package has, its own first, with their versions.
    pub fn names_of(&self, id: PackageId) -> impl Iterator<Item = (NameId, Option<&'a Version>)> {
        let node = self.package(id);
        let own = (node.name, Some(&node.package.version));
        std::iter::once(own).chain(node.provides.iter().copied())
    }

    /// The repositories whose packages may be taken with any of these tags.
    pub fn repositories_with(&self, tags: Tags) -> Repositories {
        let wanted = self.tags.iter().enumerate().filter(|(at, _)| tags & 1 << at != 0);
        wanted.fold(0, |all, (_, (_, repositories))| all | repositories)
    }

    /// The first of `tags` that a repository of `repositories` has.
    pub fn first_tag(&self, tags: Tags, repositories: Repositories) -> Option<&'a str> {
        let mut candidates = self.tags.iter().enumerate();
        candidates
            .find(|(at, (_, has))| tags & 1 << at != 0 && has & repositories != 0)
            .and_then(|(_, (tag, _))| *tag)
    }

    /// The names of the tags that let packages of these repositories in; none if they need none.
    pub fn tags_of(&self, repositories: Repositories) -> Vec<&'a str> {
        if self.tags[0].1 & repositories != 0 {
            return Vec::new();
        }
        let with = self.tags.iter().filter(|(_, has)| has & repositories != 0);
        with.filter_map(|(tag, _)| *tag).collect()
    }
}

/// Most packages have a need once, and its name is then the last of the list.
fn note(list: &mut Vec<NameId>, id: NameId) {
    if list.last() != Some(&id) {
        list.push(id);
    }
}

struct Builder<'a> {
    ids: HashMap<&'a str, NameId>,
    known: HashMap<Checksum, PackageId>,
    graph: Graph<'a>,
}

impl<'a> Builder<'a> {
    /// A package that several repositories have is one package.
    fn add(&mut self, package: &'a Arc<Package>, repository: Repositories, arch: &str) {
        if let Some(known) = self.known.get(&package.checksum) {
            self.graph.packages[known.at()].repositories |= repository;
            return;
        }
        let id = PackageId(self.graph.packages.len() as u32);
        let name = self.name(&package.name);
        let depends = package.depends.iter().map(|need| self.need(need)).collect();
        let provides: Vec<_> = package
            .provides
            .iter()
            .map(|provide| (self.name(&provide.name), provide.version.as_ref()))
            .collect();
        let install_if = package.install_if.iter().map(|need| self.need(need)).collect();
        let own = (name, Some(&package.version));
        for (name, version) in std::iter::once(own).chain(provides.iter().copied()) {
            self.graph.names[name.at()].providers.push(Provider { package: id, version });
        }
        let fits = package.arch.is_empty() || package.arch == arch || package.arch == "noarch";
        self.known.insert(package.checksum, id);
        self.graph.packages.push(Node {
            package,
            name,
            repositories: repository,
            usable: fits && package.unusable.is_none(),
            depends,
            install_if,
            provides,
        });
    }

    fn need(&mut self, dependency: &'a Dependency) -> Need<'a> {
        Need { name: self.name(&dependency.name), tag: UNTAGGED, dependency }
    }

    fn name(&mut self, text: &'a str) -> NameId {
        let names = &mut self.graph.names;
        *self.ids.entry(text).or_insert_with(|| {
            names.push(Name {
                text,
                providers: Vec::new(),
                needed_by: Vec::new(),
                triggers: Vec::new(),
            });
            NameId::new(names.len() - 1)
        })
    }

    /// The tag's place in the list. Those beyond what the set can hold are let in with the last one.
    fn tag(&mut self, tag: Option<&'a str>) -> usize {
        let tags = &mut self.graph.tags;
        match tags.iter().position(|(known, _)| *known == tag) {
            Some(at) => at,
            None if tags.len() == Tags::BITS as usize => tags.len() - 1,
            None => {
                tags.push((tag, 0));
                tags.len() - 1
            }
        }
    }
}

impl Provider<'_> {
    /// Whether this provider, or having none, is what `dependency` of the package `of` asks for. A package's conflicts
    /// do not concern itself.
    pub fn satisfies(
        found: Option<&Self>,
        graph: &Graph<'_>,
        need: &Need<'_>,
        of: Option<PackageId>,
    ) -> bool {
        let dependency = need.dependency;
        let Some(found) = found else { return dependency.conflict };
        if dependency.conflict && of == Some(found.package) {
            return true;
        }
        let package = graph.package(found.package).package;
        let matches = dependency.constraint.accepts(found.version, &package.checksum);
        matches != dependency.conflict
    }
}
