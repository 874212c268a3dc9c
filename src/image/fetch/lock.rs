//! `image.lock`: which packages an image is made of, so that it can be built again. `docs/image-lock.md` describes the
//! format.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::io::ErrorKind::NotFound;
use std::path::Path;
use std::sync::Arc;

use super::Chosen;
use super::fetcher::Repository;
use crate::error::{Error, ErrorKind, Result, Site};
use crate::image::Alpine;
use crate::image::apk::{Freshness, Index};
use crate::image::output;

const HEAD: &str =
    "# The packages that the image is made of. Written by pirun: `--update` chooses anew.\n";
const VERSION: &str = "1";

/// What was chosen, and from what.
#[derive(Debug, Clone, PartialEq)]
pub struct Lock {
    /// Such as `v3.23`.
    pub branch: String,
    pub arch: String,
    /// The time of the image, in seconds since 1970: when the newest package of the repositories was built.
    pub date: i64,
    /// The state of each repository, in the order of the playbook.
    pub indexes: Vec<LockedIndex>,
    /// What was asked for, as `/etc/apk/world` has it; sorted.
    pub wants: Vec<String>,
    /// What that came to, sorted by name. Of each package only what the lock file has is known: name, version,
    /// architecture, checksum and size.
    pub packages: Vec<Chosen>,
}

/// The state of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedIndex {
    /// Such as `main`.
    pub repository: String,
    pub freshness: Freshness,
}

impl Lock {
    /// Of a choice that was made from those repositories.
    pub fn new(
        alpine: &Alpine,
        wants: &[String],
        repositories: &[Repository],
        mut chosen: Vec<Chosen>,
    ) -> Self {
        chosen.sort_by(|a, b| a.package.name.cmp(&b.package.name));
        let locked = |repository: &Repository| LockedIndex {
            repository: repository.name.clone(),
            freshness: repository.index.freshness(),
        };
        let indexes: Vec<LockedIndex> = repositories.iter().map(locked).collect();
        let date = indexes.iter().map(|index| index.freshness.newest).max();
        Self {
            branch: alpine.branch.clone(),
            arch: alpine.arch.clone(),
            date: date.unwrap_or_default(),
            indexes,
            wants: sorted(wants),
            packages: chosen,
        }
    }

    /// Reads the lock file; `None` if there is none.
    ///
    /// # Errors
    /// When it cannot be read, with the line that is wrong.
    pub fn read(path: &Path) -> Result<Option<Self>> {
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(&text, &path.display().to_string()).map(Some),
            Err(error) if error.kind() == NotFound => Ok(None),
            Err(error) => Err(Error::io(path, &error)),
        }
    }

    /// Writes the lock file in one step, unless it holds the same already.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = self.print();
        if fs::read(path).is_ok_and(|found| found == text.as_bytes()) {
            return Ok(());
        }
        output::write(path, text.as_bytes())
    }

    /// The text of the lock file: the same for the same choice.
    pub fn print(&self) -> String {
        let mut text = format!("{HEAD}version {VERSION}\n");
        let Self { branch, arch, date, .. } = self;
        let _ = write!(text, "branch {branch}\narch {arch}\ndate {date}\n");
        for LockedIndex { repository, freshness } in &self.indexes {
            let description = freshness.description.replace(char::is_control, " ");
            let line = format!("index {repository} {} {description}", freshness.newest);
            let _ = writeln!(text, "{}", line.trim_end());
        }
        for want in &self.wants {
            let _ = writeln!(text, "want {want}");
        }
        for Chosen { repository, package } in &self.packages {
            let _ = writeln!(
                text,
                "package {} {} {} {} {} {repository}",
                package.name, package.version, package.arch, package.checksum, package.size
            );
        }
        text
    }

    /// Reads the text of a lock file. `file` is its name in errors.
    ///
    /// # Errors
    /// With the line that is wrong.
    pub fn parse(text: &str, file: &str) -> Result<Self> {
        let mut lock = Self {
            branch: String::new(),
            arch: String::new(),
            date: 0,
            indexes: Vec::new(),
            wants: Vec::new(),
            packages: Vec::new(),
        };
        let mut version = None;
        for (line, number) in text.lines().zip(1..) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let at_line = |error: Error| {
                error.at(Site { file: file.to_owned(), line: number, column: 1 }).hint(
                    "Remove the lock file, or take it back from version control, and build again.",
                )
            };
            let (key, value) = line.split_once(' ').unwrap_or((line, ""));
            if key == "version" {
                check_version(value, file)?;
                version = Some(value);
            } else if version.is_none() {
                return Err(at_line(damaged(file, "it does not begin with its version")));
            }
            lock.field(key, value).map_err(|why| at_line(damaged(file, &why)))?;
        }
        if version.is_none() || lock.branch.is_empty() || lock.arch.is_empty() {
            return Err(damaged(file, "it ends before it has said what it is for"));
        }
        Ok(lock)
    }

    fn field(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "version" => {}
            "branch" => value.clone_into(&mut self.branch),
            "arch" => value.clone_into(&mut self.arch),
            "date" => self.date = number(value)?,
            "index" => {
                let (repository, rest) = value.split_once(' ').ok_or("an index without a time")?;
                let (newest, description) = rest.split_once(' ').unwrap_or((rest, ""));
                let freshness =
                    Freshness { description: description.to_owned(), newest: number(newest)? };
                let repository = plain(repository)?;
                self.indexes.push(LockedIndex { repository, freshness });
            }
            "want" if !value.is_empty() => self.wants.push(value.to_owned()),
            "package" => {
                let chosen = package(value)?;
                if self.packages.last().is_some_and(|last| last.package.name >= chosen.package.name)
                {
                    return Err(format!("`{}` is out of order", chosen.package.name));
                }
                self.packages.push(chosen);
            }
            _ => return Err(format!("`{key}` is nothing that a lock file has")),
        }
        Ok(())
    }

    /// How new the repository was when the choice was made.
    pub fn freshness(&self, repository: &str) -> Option<&Freshness> {
        let index = self.indexes.iter().find(|index| index.repository == repository);
        index.map(|index| &index.freshness)
    }

    /// Refuses to build something else than what was asked for: the choice must be one for this Alpine and these wishes.
    ///
    /// # Errors
    /// With what is different.
    pub fn check(&self, alpine: &Alpine, wants: &[String]) -> Result<()> {
        let mut differences = Vec::new();
        for (what, locked, asked) in
            [("branch", &self.branch, &alpine.branch), ("architecture", &self.arch, &alpine.arch)]
        {
            if locked != asked {
                differences.push(format!("its {what} is {locked}, not {asked}"));
            }
        }
        let locked: BTreeSet<&String> = self.wants.iter().collect();
        let asked: BTreeSet<&String> = wants.iter().collect();
        for (what, names) in [
            ("it lacks", asked.difference(&locked)),
            ("nobody asks for", locked.difference(&asked)),
        ] {
            let names: Vec<&str> = names.map(|name| name.as_str()).collect();
            if !names.is_empty() {
                differences.push(format!("{what} {}", names.join(", ")));
            }
        }
        if differences.is_empty() {
            return Ok(());
        }
        let file = alpine.lock.display();
        Err(Error::new(
            ErrorKind::Image,
            format!("{file} was made for something else: {}", differences.join("; ")),
        )
        .hint("`--update` chooses anew, and writes it."))
    }
}

fn sorted(wants: &[String]) -> Vec<String> {
    let wants: BTreeSet<&String> = wants.iter().collect();
    wants.into_iter().cloned().collect()
}

/// `NAME VERSION ARCH CHECKSUM SIZE REPOSITORY`
fn package(value: &str) -> Result<Chosen, String> {
    let words: Vec<&str> = value.split(' ').collect();
    let [name, version, arch, checksum, size, repository] = *words else {
        return Err(
            "a package has a name, a version, an architecture, a checksum, a size and a repository"
                .into(),
        );
    };
    // An index says the same of a package, and what may be said there is known.
    let entry = format!("C:{checksum}\nP:{name}\nV:{version}\nA:{arch}\nS:{size}\n");
    let parsed = Index::parse(&entry).map_err(|why| {
        // The line of a text that nobody has seen.
        why.split_once(": ").map_or(why.clone(), |(_, why)| why.to_owned())
    })?;
    let [package] = &*parsed else { return Err("it is not one package".into()) };
    Ok(Chosen { repository: plain(repository)?, package: Arc::clone(package) })
}

/// What becomes part of a URL.
fn plain(repository: &str) -> Result<String, String> {
    let good = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    if repository.is_empty() || !repository.chars().all(good) || repository.contains("..") {
        return Err(format!("`{repository}` is no repository"));
    }
    Ok(repository.to_owned())
}

fn number(text: &str) -> Result<i64, String> {
    text.parse().map_err(|_| format!("`{text}` is not a time in seconds since 1970"))
}

fn check_version(found: &str, file: &str) -> Result<()> {
    if found == VERSION {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Image,
        format!("{file} is of version {found}, and this pirun knows version {VERSION} only"),
    )
    .hint(
        "A newer pirun wrote it: take that one. `--update` writes it anew in this one's version.",
    ))
}

fn damaged(file: &str, why: &str) -> Error {
    Error::new(ErrorKind::Image, format!("{file} is damaged: {why}"))
}
