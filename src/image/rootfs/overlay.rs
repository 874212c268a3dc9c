//! A directory of the operator's, laid over the image.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::Rootfs;
use crate::error::{Error, ErrorKind, Result};
use crate::state::{Attributes, Directory, File, Link};

impl Rootfs {
    /// Lays out everything in the local directory `from` below `to`, root's, with 0755 for directories and what can be
    /// executed, 0644 for the rest. Gives how many files and links.
    ///
    /// # Errors
    /// When something cannot be read, has a name that is no text, or is neither file, link nor directory.
    pub fn overlay(&mut self, from: &Path, to: &str) -> Result<usize> {
        let mut names: Vec<_> = fs::read_dir(from)
            .and_then(Iterator::collect::<std::io::Result<_>>)
            .map_err(|error| Error::io(from, &error))?;
        names.sort_by_key(fs::DirEntry::file_name);
        let mut count = 0;
        for found in names {
            let local = found.path();
            let name = found
                .file_name()
                .into_string()
                .map_err(|_| refused(&local, "its name is no text"))?;
            let path = format!("{}/{name}", to.trim_end_matches('/'));
            let kind = found.file_type().map_err(|error| Error::io(&local, &error))?;
            if kind.is_dir() {
                self.bring(&Directory { path: path.clone(), attributes: Attributes::default() })?;
                count += self.overlay(&local, &path)?;
                continue;
            }
            count += 1;
            if kind.is_symlink() {
                let target = fs::read_link(&local).map_err(|error| Error::io(&local, &error))?;
                let target =
                    target.to_str().ok_or_else(|| refused(&local, "its target is no text"))?;
                self.bring(&Link { path, target: target.to_owned() })?;
            } else if kind.is_file() {
                self.lay_file(&local, path)?;
            } else {
                return Err(refused(&local, "it is neither file, link nor directory"));
            }
        }
        Ok(count)
    }

    fn lay_file(&mut self, local: &Path, path: String) -> Result<()> {
        let io = |error: std::io::Error| Error::io(local, &error);
        let executable = fs::metadata(local).map_err(io)?.permissions().mode() & 0o111 != 0;
        let mode = Some(if executable { 0o755 } else { 0o644 });
        let file = File {
            verb: "overlay",
            path,
            content: fs::read(local).map_err(io)?,
            attributes: Attributes { mode, ..Attributes::default() },
            ..File::default()
        };
        self.bring(&file).map(drop)
    }
}

fn refused(path: &Path, why: &str) -> Error {
    Error::new(ErrorKind::File, format!("{} cannot be laid over the image: {why}", path.display()))
}
