//! apk's database of what is installed (`lib/apk/db`), read back into packages.

use std::collections::HashMap;
use std::fs;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context, Result, bail};
use flate2::read::GzDecoder;

use crate::apk::Info;

/// A package as the database has it.
#[derive(Default)]
pub struct Installed {
    pub info: Info,
    /// The identity of the package that was installed, `Q1…`.
    identity: String,
    pub directories: Vec<Owned>,
    pub files: Vec<Owned>,
    pub scripts: Scripts,
}

/// Names, such as `trigger`, and texts.
type Scripts = Vec<(String, Vec<u8>)>;

/// A path, whose it is, and for files the hash of its content, `Q1…`.
pub struct Owned {
    pub path: String,
    pub uid: u64,
    pub gid: u64,
    pub mode: u32,
    pub hash: Option<String>,
}

/// All packages that are installed in `root`.
pub fn read(root: &Path) -> Result<Vec<Installed>> {
    let database = root.join("lib/apk/db");
    let text = fs::read_to_string(database.join("installed")).context("read apk's database")?;
    let mut packages = text
        .split("\n\n")
        .filter(|paragraph| !paragraph.trim().is_empty())
        .map(parse)
        .collect::<Result<Vec<_>>>()?;
    let triggers = triggers(&fs::read_to_string(database.join("triggers"))?);
    let mut scripts = scripts(&database.join("scripts.tar.gz"))?;
    for package in &mut packages {
        package.info.triggers = triggers.get(&package.identity).cloned().unwrap_or_default();
        let name = format!("{}-{}", package.info.name, package.info.version);
        package.scripts = scripts.remove(&name).unwrap_or_default();
    }
    Ok(packages)
}

fn parse(paragraph: &str) -> Result<Installed> {
    let mut package = Installed::default();
    for line in paragraph.lines() {
        let (letter, value) = line.split_once(':').with_context(|| format!("read {line:?}"))?;
        if !package.field(letter, value)? && !package.entry(letter, value)? {
            bail!("apk's database has a line {line:?}, which the lab does not know");
        }
    }
    Ok(package)
}

impl Installed {
    /// A line about the package; `false` if it is none.
    fn field(&mut self, letter: &str, value: &str) -> Result<bool> {
        let words = || value.split(' ').map(str::to_owned).collect();
        let info = &mut self.info;
        match letter {
            "C" => value.clone_into(&mut self.identity),
            "P" => value.clone_into(&mut info.name),
            "V" => value.clone_into(&mut info.version),
            "A" => value.clone_into(&mut info.arch),
            "T" => value.clone_into(&mut info.description),
            "U" => value.clone_into(&mut info.url),
            "L" => value.clone_into(&mut info.license),
            "o" => value.clone_into(&mut info.origin),
            "m" => value.clone_into(&mut info.maintainer),
            "c" => value.clone_into(&mut info.commit),
            "t" => info.built = value.parse()?,
            "D" => info.depends = words(),
            "p" => info.provides = words(),
            "r" => info.replaces = words(),
            "i" => info.install_if = words(),
            "k" => info.provider_priority = Some(value.parse()?),
            "q" => info.replaces_priority = Some(value.parse()?),
            // Sizes are counted anew.
            "S" | "I" => {}
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// A line about what the package owns: `F` and `R` begin a directory and a file in it, the others say more.
    fn entry(&mut self, letter: &str, value: &str) -> Result<bool> {
        match letter {
            "F" => self.directories.push(Owned::new(value.to_owned(), 0o755)),
            "R" => {
                let dir = self.directories.last().context("a file before any directory")?;
                let path = format!("{}/{value}", dir.path).trim_start_matches('/').to_owned();
                self.files.push(Owned::new(path, 0o644));
            }
            "M" => self.directories.last_mut().context("M before any directory")?.rights(value)?,
            "a" => self.files.last_mut().context("a before any file")?.rights(value)?,
            "Z" => {
                self.files.last_mut().context("Z before any file")?.hash = Some(value.to_owned());
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl Owned {
    fn new(path: String, mode: u32) -> Self {
        Self { path, uid: 0, gid: 0, mode, hash: None }
    }

    /// `uid:gid:mode`, the mode in octal.
    fn rights(&mut self, value: &str) -> Result<()> {
        let mut parts = value.split(':');
        let mut next = || parts.next().with_context(|| format!("rights {value:?}"));
        (self.uid, self.gid) = (next()?.parse()?, next()?.parse()?);
        self.mode = u32::from_str_radix(next()?, 8)?;
        Ok(())
    }
}

/// By package identity.
fn triggers(text: &str) -> HashMap<String, Vec<String>> {
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    lines
        .map(|(identity, globs)| {
            (identity.to_owned(), globs.split(' ').map(str::to_owned).collect())
        })
        .collect()
}

/// By package name and version. Members are called `NAME-VERSION.X1HASH.SCRIPT`.
fn scripts(path: &Path) -> Result<HashMap<String, Scripts>> {
    let file = fs::File::open(path).with_context(|| format!("open {}", path.display()))?;
    let mut archive = tar::Archive::new(GzDecoder::new(file));
    let mut scripts: HashMap<_, Scripts> = HashMap::new();
    for member in archive.entries()? {
        let mut member = member?;
        let name = member.path()?.to_string_lossy().into_owned();
        let mut parts = name.rsplitn(3, '.');
        let (Some(script), Some(_hash), Some(package)) = (parts.next(), parts.next(), parts.next())
        else {
            bail!("a script called {name:?}");
        };
        let mut text = Vec::new();
        member.read_to_end(&mut text)?;
        scripts.entry(package.to_owned()).or_default().push((script.to_owned(), text));
    }
    Ok(scripts)
}
