//! Files of packages laid out on a tree, where they conflict as `apk` decides.
//!
//! Source: apk-tools 3.0, `src/database.c`, `apk_db_install_file` and `apk_db_migrate_files`.

use std::collections::HashMap;

use sha1::{Digest as _, Sha1};

use super::conflicts::{self, Claim};
use super::database::{Attributes, Record, Recorded};
use super::hard_links::unlink;
use crate::error::{Error, ErrorKind, Result};
use crate::image::apk::File;
use crate::image::tree::{Entry, Kind, Tree};

/// What `apk` adds to the name of a file that would take the place of the user's own.
const BESIDE: &str = ".apk-new";

/// All that has been laid out.
#[derive(Debug, Default)]
pub struct Layout {
    pub records: Vec<Record>,
    /// Which record a file belongs to.
    files: HashMap<String, usize>,
    directories: HashMap<String, Owner>,
    /// Sentences about files that were put beside the user's own.
    pub notes: Vec<String>,
}

/// Which record gives a directory its mode and owner.
#[derive(Debug)]
struct Owner {
    record: usize,
    attributes: Attributes,
    /// Whether the directory still is as packages want it: others' changes stay.
    ours: bool,
}

impl Layout {
    /// Lays out the files of a package, whose record has none yet.
    ///
    /// # Errors
    /// When another package has one of them and neither replaces the other, or a path leads through a file.
    pub fn add(
        &mut self,
        tree: &mut Tree,
        record: Record,
        files: &[File],
        date: i64,
    ) -> Result<()> {
        let names = Names::read(tree)?;
        let number = self.records.len();
        self.records.push(record);
        let mut laid = Vec::new();
        for file in files {
            let entry = names.owned(file, date);
            if entry.kind == Kind::Directory {
                self.directory(tree, number, &file.path, entry)?;
            } else if self.claim(tree, number, file)? {
                laid.push((file, entry));
            }
        }
        for (file, entry) in laid {
            self.put(tree, number, file, entry)?;
        }
        Ok(())
    }

    fn directory(
        &mut self,
        tree: &mut Tree,
        number: usize,
        path: &str,
        entry: Entry,
    ) -> Result<()> {
        let attributes = Attributes::of(&entry);
        let own = self.records[number].directories.entry(path.to_owned()).or_default();
        own.attributes = Some(attributes.clone());
        let place = place(tree, path)?;
        let Some(owner) = self.directories.get_mut(path) else {
            let ours = tree.get(&place).is_none();
            if ours {
                make_directory(tree, &place, entry)?;
            } else if !leads_to_directory(tree, &place)? {
                return Err(self.refused(number, path, "a file is there already"));
            }
            self.directories.insert(path.to_owned(), Owner { record: number, attributes, ours });
            return Ok(());
        };
        let earlier = &self.records[owner.record];
        if !conflicts::later_owns_directory(earlier, &self.records[number]) {
            return Ok(());
        }
        let Some(there) = tree.get_mut(&place) else { return Ok(()) };
        let found = Attributes::of(there);
        if owner.ours && found == owner.attributes && there.kind == Kind::Directory {
            (there.uid, there.gid, there.mode) = (entry.uid, entry.gid, entry.mode);
        }
        (owner.record, owner.attributes) = (number, attributes);
        Ok(())
    }

    /// Whether the file is to be laid out: not if an earlier package keeps it.
    fn claim(&mut self, tree: &Tree, number: usize, file: &File) -> Result<bool> {
        let parent = file.path.rsplit_once('/').map_or("", |(parent, _)| parent);
        let known = self.records[number].directories.contains_key(parent);
        if !parent.is_empty() && !known {
            return Err(self.refused(number, &file.path, "the package lacks its directory"));
        }
        let Some(earlier) = self.files.get(&file.path).copied() else { return Ok(true) };
        match conflicts::of_file(&self.records[earlier], &self.records[number]) {
            Claim::Later => Ok(true),
            Claim::Earlier => Ok(false),
            // Who brought it first keeps what is the same.
            Claim::Conflict if self.is_same(tree, earlier, file) => Ok(false),
            Claim::Conflict => {
                let owner = self.records[earlier].package.full_name();
                Err(self.refused(number, &file.path, &format!("{owner} has it too")))
            }
        }
    }

    fn is_same(&self, tree: &Tree, earlier: usize, file: &File) -> bool {
        let (dir, name) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
        let recorded = self.records[earlier].directories.get(dir).and_then(|it| it.files.get(name));
        let kind = |kind: &Kind| std::mem::discriminant(kind);
        let there = tree.get(&file.path).map(|entry| kind(&entry.kind));
        file.sha1.is_some()
            && recorded.is_some_and(|recorded| recorded.sha1 == file.sha1)
            && there == Some(kind(&file.entry.kind))
    }

    fn put(&mut self, tree: &mut Tree, number: usize, file: &File, entry: Entry) -> Result<()> {
        let recorded =
            Recorded { attributes: Attributes::of(&entry), sha1: self.sha1(number, file) };
        let path = place(tree, &file.path)?;
        let entry = match &entry.kind {
            Kind::Hard(target) => Entry { kind: Kind::Hard(place(tree, target)?), ..entry },
            _ => entry,
        };
        match self.beside(tree, &path, &file.path, &recorded)? {
            Place::Free => {
                if tree.get(&path).is_some_and(|there| there.kind == Kind::Directory) {
                    return Err(self.refused(number, &file.path, "a directory is there already"));
                }
                unlink(tree, &path)?;
                tree.insert(&path, entry)?;
            }
            Place::Same => {}
            Place::Others => {
                let beside = format!("{path}{BESIDE}");
                self.notes.push(format!(
                    "/{path} is not the package's, which lies beside it as /{beside}."
                ));
                tree.insert(&beside, entry)?;
            }
        }
        let (dir, name) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
        if let Some(earlier) = self.files.insert(file.path.clone(), number)
            && let Some(directory) = self.records[earlier].directories.get_mut(dir)
        {
            directory.files.remove(name);
        }
        let directory = self.records[number].directories.entry(dir.to_owned()).or_default();
        directory.files.insert(name.to_owned(), recorded);
        Ok(())
    }

    /// Of a hard link, that of the file it is another name of.
    fn sha1(&self, number: usize, file: &File) -> Option<[u8; 20]> {
        let Kind::Hard(target) = &file.entry.kind else { return file.sha1 };
        let (dir, name) = target.rsplit_once('/').unwrap_or(("", target));
        self.records[number].directories.get(dir)?.files.get(name)?.sha1
    }

    /// Below /etc, what no package put there stays, and what was changed since.
    fn beside(&self, tree: &Tree, path: &str, name: &str, wanted: &Recorded) -> Result<Place> {
        let protected = name.starts_with("etc/") && !name.starts_with("etc/apk/");
        let Some(there) = tree.get(path).filter(|_| protected) else { return Ok(Place::Free) };
        if there.kind == Kind::Directory {
            return Ok(Place::Free);
        }
        let found = sha1_of(tree, path)?;
        let (dir, file) = name.rsplit_once('/').unwrap_or(("", name));
        let known = self
            .files
            .get(name)
            .and_then(|owner| self.records[*owner].directories.get(dir)?.files.get(file)?.sha1);
        Ok(match () {
            () if known.is_some() && known == found => Place::Free,
            () if found == wanted.sha1 => Place::Same,
            () => Place::Others,
        })
    }

    fn refused(&self, number: usize, path: &str, why: &str) -> Error {
        let package = self.records[number].package.full_name();
        Error::new(ErrorKind::Image, format!("{package} cannot put down /{path}: {why}"))
    }
}

enum Place {
    Free,
    /// The very file is there.
    Same,
    /// Somebody else's file is there.
    Others,
}

/// The path with links in its parents followed.
fn place(tree: &Tree, path: &str) -> Result<String> {
    match path.rsplit_once('/') {
        Some((parent, name)) => Ok(format!("{}/{name}", tree.resolve(parent)?)),
        None => Ok(path.to_owned()),
    }
}

/// As the kernel does it: set-gid of a directory goes on to those in it.
fn make_directory(tree: &mut Tree, place: &str, mut entry: Entry) -> Result<()> {
    let parent = place.rsplit_once('/').map_or("", |(parent, _)| parent);
    entry.mode |= tree.get(parent).map_or(0, |parent| parent.mode & 0o2000);
    tree.insert(place, entry)
}

fn leads_to_directory(tree: &Tree, place: &str) -> Result<bool> {
    let end = tree.resolve(place)?;
    Ok(tree.get(&end).is_some_and(|entry| entry.kind == Kind::Directory))
}

fn sha1_of(tree: &Tree, path: &str) -> Result<Option<[u8; 20]>> {
    match tree.get(path).map(|entry| &entry.kind) {
        Some(Kind::Link(target)) => Ok(Some(Sha1::digest(target).into())),
        _ => match tree.content(path) {
            Some(content) => Ok(Some(Sha1::digest(content.bytes()?).into())),
            None => Ok(None),
        },
    }
}

/// Ids of the names that a tree knows when the files of a package come.
struct Names {
    users: HashMap<String, u32>,
    groups: HashMap<String, u32>,
}

impl Names {
    fn read(tree: &Tree) -> Result<Self> {
        Ok(Self {
            users: super::users::users(tree)?.into_iter().map(|it| (it.name, it.uid)).collect(),
            groups: super::users::groups(tree)?.into_iter().collect(),
        })
    }

    /// The file's entry with the tree's ids of its owner's names, and no later than `date`.
    fn owned(&self, file: &File, date: i64) -> Entry {
        let entry = file.entry.clone();
        Entry {
            uid: self.users.get(&file.owner).copied().unwrap_or(entry.uid),
            gid: self.groups.get(&file.group).copied().unwrap_or(entry.gid),
            mtime: entry.mtime.min(date),
            ..entry
        }
    }
}
