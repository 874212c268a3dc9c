//! Packages laid out on a [`Tree`] so that the node's own `apk` accepts the result: without root, without qemu, without
//! running anything.
//!
//! An [`Installation`] is told the packages in the order in which they are to be installed, and finished once.

mod conflicts;
mod database;
mod hard_links;
mod layout;
pub mod scripts;
pub mod services;
pub mod triggers;
pub mod users;

use std::collections::BTreeSet;

use self::database::Record;
pub use self::database::Wishes;
use self::layout::Layout;
use self::scripts::{Outcome, Script, Target};
use crate::error::{Error, ErrorKind, Result};
use crate::image::apk::{Archive, Package, ScriptKind};
use crate::image::{Tree, UnknownScripts};

/// Packages on their way into a tree.
#[derive(Debug)]
pub struct Installation<'a> {
    tree: &'a mut Tree,
    wishes: &'a Wishes,
    /// Seconds since 1970: the time of all that is made here, and the latest that a file may have.
    date: i64,
    unknown: UnknownScripts,
    layout: Layout,
    notes: Vec<String>,
}

impl<'a> Installation<'a> {
    /// Into a tree that has no packages yet.
    ///
    /// # Errors
    /// When it has.
    pub fn new(
        tree: &'a mut Tree,
        wishes: &'a Wishes,
        date: i64,
        unknown: UnknownScripts,
    ) -> Result<Self> {
        if database::exists(tree) {
            let message = "the image has its packages already";
            return Err(Error::new(ErrorKind::Image, message)
                .hint("Name all packages in one call: one adds up what all of them need."));
        }
        Ok(Self { tree, wishes, date, unknown, layout: Layout::default(), notes: Vec::new() })
    }

    /// Installs a package, which the index describes as `package`; `tag` is that of its repository. Its pre-install
    /// script comes first, its post-install script last.
    ///
    /// # Errors
    /// When files of two packages conflict, or a script fails or is beyond the interpreter.
    pub fn add(&mut self, package: &Package, archive: &Archive, tag: Option<&str>) -> Result<()> {
        let mut record = Record::new(package, tag);
        // apk does not look into packages that say that nothing is in them.
        if package.installed_size == 0 {
            self.layout.records.push(record);
            return Ok(());
        }
        record.replaces.clone_from(&archive.info.replaces);
        record.replaces_priority = archive.info.replaces_priority;
        record.triggers.clone_from(&archive.info.triggers);
        record.scripts.clone_from(&archive.scripts);
        let name = package.full_name();
        let version = [package.version.to_string()];
        if let Some(text) = archive.scripts.get(&ScriptKind::PreInstall) {
            self.run(&name, ScriptKind::PreInstall, text, &version)?;
        }
        self.layout.add(self.tree, record, &archive.files, self.date)?;
        if let Some(text) = archive.scripts.get(&ScriptKind::PostInstall) {
            self.run(&name, ScriptKind::PostInstall, text, &version)?;
        }
        Ok(())
    }

    /// Runs the triggers and writes the database. Gives sentences about what was left out or is not as asked for.
    ///
    /// # Errors
    /// When a trigger fails or is beyond the interpreter.
    pub fn finish(mut self) -> Result<Vec<String>> {
        for number in 0..self.layout.records.len() {
            let record = &self.layout.records[number];
            let Some(text) = record.scripts.get(&ScriptKind::Trigger).cloned() else { continue };
            let all: BTreeSet<&str> = self
                .layout
                .records
                .iter()
                .flat_map(|record| record.directories.keys().map(String::as_str))
                .collect();
            let told = triggers::fire::directories(&record.triggers, &all);
            if !told.is_empty() {
                let name = record.package.full_name();
                self.run(&name, ScriptKind::Trigger, &text, &told)?;
            }
        }
        database::write(self.tree, &self.layout.records, self.wishes, self.date)?;
        self.notes.extend(self.layout.notes);
        Ok(self.notes)
    }

    fn run(
        &mut self,
        package: &str,
        kind: ScriptKind,
        text: &[u8],
        arguments: &[String],
    ) -> Result<()> {
        let script = Script { package, kind, text };
        // Taken only where it may be needed: it is a copy of all paths.
        let before = (self.unknown != UnknownScripts::Refuse).then(|| self.tree.clone());
        let target = Target { arch: &self.wishes.arch, date: self.date };
        let error = match scripts::interpret(self.tree, script, arguments, target) {
            Ok(Outcome::Done(notes)) => {
                for note in notes {
                    if !self.notes.contains(&note) {
                        self.notes.push(note);
                    }
                }
                return Ok(());
            }
            Ok(Outcome::Beyond(error)) | Err(error) => error,
        };
        let Some(before) = before else { return Err(error) };
        *self.tree = before;
        if self.unknown == UnknownScripts::Run {
            scripts::run(self.tree, script, arguments, target)?;
            self.notes.push(format!("Was run: {script}."));
        } else {
            self.notes.push(format!("Left out: {}.", error.message()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
