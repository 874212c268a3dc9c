//! Files, directories, links and lines in an image.

use super::owner::{group_id, stat_words, user_id};
use super::{Lay, Rootfs, Seen, kind_word};
use crate::error::{Error, ErrorKind, Result};
use crate::image::{Content, Entry, Kind};
use crate::state::{Absent, Attributes, Change, Directory, File, Line, Link, sha256};

impl File {
    /// Where it will be written: at its path, or where that leads.
    fn place(&self, root: &Rootfs) -> Result<String> {
        match self.replace_link {
            true => Ok(self.path.clone()),
            false => root.tree.resolve(&self.path),
        }
    }
}

impl Lay for File {
    fn look(&self, root: &Rootfs) -> Result<Seen> {
        let path = self.place(root)?;
        let entry = root.tree.get(&path);
        let kind = kind_word(entry);
        let (Some(entry), "file") = (entry, kind) else { return Ok(Seen::found(kind)) };
        let shown = root.tree.read(&path)?.unwrap_or_default();
        let words = stat_words(&root.tree, entry, &self.attributes)?.join(" ");
        let found = format!("{}\n{}  -", format!("file {words}").trim_end(), sha256(&shown));
        Ok(Seen { found, shown })
    }

    fn apply(&self, root: &mut Rootfs) -> Result<()> {
        let path = self.place(root)?;
        let mode = if self.secret { 0o600 } else { 0o644 };
        let old = root.tree.get(&path).filter(|entry| kind_word(Some(entry)) == "file").cloned();
        let content = Kind::File(Content::Bytes(self.content.clone().into()));
        let new = match old {
            Some(old) => Entry { kind: content, ..old },
            None => Entry { kind: content, ..Entry::directory(mode) },
        };
        let new = with_attributes(root, new, &self.attributes)?;
        root.put(&path, new)
    }
}

impl Lay for Directory {
    fn look(&self, root: &Rootfs) -> Result<Seen> {
        let entry = root.tree.get(&root.tree.resolve(&self.path)?);
        let kind = kind_word(entry);
        let (Some(entry), "directory") = (entry, kind) else { return Ok(Seen::found(kind)) };
        let words = stat_words(&root.tree, entry, &self.attributes)?.join(" ");
        Ok(Seen::found(format!("directory {words}").trim_end()))
    }

    fn apply(&self, root: &mut Rootfs) -> Result<()> {
        let path = root.tree.resolve(&self.path)?;
        let entry = root.tree.get(&path).cloned().unwrap_or_else(|| Entry::directory(0o755));
        let entry = with_attributes(root, entry, &self.attributes)?;
        root.put(&path, entry)
    }
}

impl Lay for Link {
    fn look(&self, root: &Rootfs) -> Result<Seen> {
        let (parent, name) = self.path.rsplit_once('/').unwrap_or(("", &self.path));
        let path = format!("{}/{name}", root.tree.resolve(parent)?);
        Ok(Seen::found(match root.tree.get(&path).map(|entry| &entry.kind) {
            None => "absent".to_owned(),
            Some(Kind::Link(target)) => format!("link {target}"),
            Some(_) => "exists".to_owned(),
        }))
    }

    fn apply(&self, root: &mut Rootfs) -> Result<()> {
        root.put(&self.path, Entry::link(&self.target))
    }
}

impl Lay for Absent {
    fn look(&self, root: &Rootfs) -> Result<Seen> {
        let (parent, name) = self.path.rsplit_once('/').unwrap_or(("", &self.path));
        let path = format!("{}/{name}", root.tree.resolve(parent)?);
        Ok(Seen::found(kind_word(root.tree.get(&path))))
    }

    fn apply(&self, root: &mut Rootfs) -> Result<()> {
        let (parent, name) = self.path.rsplit_once('/').unwrap_or(("", &self.path));
        let path = format!("{}/{name}", root.tree.resolve(parent)?);
        root.tree.remove(&path);
        Ok(())
    }
}

impl Rootfs {
    /// Brings a line about.
    ///
    /// # Errors
    /// When the file is no text, or cannot be there.
    pub fn line(&mut self, line: &Line) -> Result<Change> {
        line.check()?;
        self.edit("line", &line.path, |text| line.edit(text))
    }

    /// Changes the text of a file; a missing one is an empty one.
    pub(super) fn edit(
        &mut self,
        verb: &'static str,
        path: &str,
        edit: impl Fn(&str) -> String,
    ) -> Result<Change> {
        let before = self.text(path)?;
        let after = edit(before.as_deref().unwrap_or_default());
        if before.as_deref().unwrap_or_default() == after {
            return Ok(Change::of(verb, path));
        }
        let path = path.to_owned();
        self.bring(&File { verb, path, content: after.into_bytes(), ..File::default() })
    }

    /// Copies what `from` names (`*` and `?` stand for parts of names) to the path `to`, directories with all that is
    /// in them; with a pattern, or a `/` at its end, `to` is the directory that they go into. Gives how many files.
    ///
    /// # Errors
    /// When nothing matches.
    pub fn copy(&mut self, from: &str, to: &str) -> Result<usize> {
        let found = self.glob(from)?;
        if found.is_empty() {
            return Err(Error::new(ErrorKind::Image, format!("there is no {from} in the image"))
                .hint("Is the package that brings it in the list?"));
        }
        let into = to.ends_with('/') || from.contains(['*', '?']);
        let mut copied = 0;
        for source in found {
            let name = source.rsplit('/').next().unwrap_or_default();
            let target =
                if into { format!("{}/{name}", to.trim_end_matches('/')) } else { to.to_owned() };
            copied += self.copy_one(&source, &target)?;
        }
        Ok(copied)
    }

    fn copy_one(&mut self, from: &str, to: &str) -> Result<usize> {
        let from = self.tree.resolve(from)?;
        let paths: Vec<String> = std::iter::once(from.clone())
            .chain(self.tree.below(&from).map(|(path, _)| path.to_owned()))
            .collect();
        let mut copied = 0;
        for path in paths {
            let Some(entry) = self.tree.get(&path) else { continue };
            let mut entry = entry.clone();
            if let Some(content) = self.tree.content(&path) {
                entry.kind = Kind::File(content.clone());
                copied += 1;
            }
            let target = format!("{}{}", to.trim_end_matches('/'), &path[from.len()..]);
            let mtime = entry.mtime;
            self.put(&target, entry)?;
            let target = self.tree.resolve(&target)?;
            if let Some(entry) = self.tree.get_mut(&target) {
                entry.mtime = mtime;
            }
        }
        Ok(copied)
    }
}

fn with_attributes(root: &Rootfs, mut entry: Entry, wanted: &Attributes) -> Result<Entry> {
    if let Some(mode) = wanted.mode {
        entry.mode = u16::try_from(mode & 0o7777).unwrap_or(entry.mode);
    }
    if let Some(owner) = &wanted.owner {
        entry.uid = user_id(&root.tree, owner)?;
    }
    if let Some(group) = &wanted.group {
        entry.gid = group_id(&root.tree, group)?;
    }
    Ok(entry)
}
