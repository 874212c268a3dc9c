//! A file that appears under its name complete, or not at all.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// A file that is being written and has no name yet, so that a killed program leaves nothing behind.
#[derive(Debug)]
pub struct Output {
    path: PathBuf,
    file: io::BufWriter<File>,
    /// On file systems that know no files without a name, it has one beside the final one.
    named: Option<tempfile::TempPath>,
}

impl Output {
    /// Begins a file that will be at `path`; its directory is made if it is missing.
    ///
    /// # Errors
    /// When the directory cannot be made or written to.
    pub fn create(path: &Path) -> Result<Self> {
        let dir = directory(path);
        fs::create_dir_all(dir).map_err(|error| Error::io(dir, &error))?;
        let (file, named) = begin(dir).map_err(|error| Error::io(path, &error))?;
        Ok(Self { path: path.to_owned(), file: io::BufWriter::with_capacity(1 << 20, file), named })
    }

    /// Makes what was written durable and gives it its name, in place of what had it.
    ///
    /// # Errors
    /// When the disk is full or fails.
    pub fn finish(self) -> Result<()> {
        let Self { path, file, named } = self;
        let done = file.into_inner().map_err(io::IntoInnerError::into_error).and_then(|file| {
            file.sync_all()?;
            match named {
                Some(named) => named.persist(&path).map_err(|error| error.error)?,
                None => give_name(&file, &path)?,
            }
            File::open(directory(&path))?.sync_all()
        });
        done.map_err(|error| Error::io(&path, &error))
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Writes a small file in one step.
///
/// # Errors
/// Those of [`Output`].
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut output = Output::create(path)?;
    output.write_all(bytes).map_err(|error| Error::io(path, &error))?;
    output.finish()
}

/// Removes a file, if it is there.
///
/// # Errors
/// When it stays.
pub fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io(path, &error)),
        _ => Ok(()),
    }
}

/// `path` with something behind its name.
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// The directory that `path` is in.
pub fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(target_os = "linux")]
fn begin(dir: &Path) -> io::Result<(File, Option<tempfile::TempPath>)> {
    use rustix::fs::{CWD, Mode, OFlags, openat};
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    match openat(CWD, dir, flags, Mode::from_raw_mode(0o666)) {
        Ok(file) => Ok((file.into(), None)),
        Err(_) => begin_named(dir),
    }
}

#[cfg(not(target_os = "linux"))]
fn begin(dir: &Path) -> io::Result<(File, Option<tempfile::TempPath>)> {
    begin_named(dir)
}

fn begin_named(dir: &Path) -> io::Result<(File, Option<tempfile::TempPath>)> {
    use std::os::unix::fs::PermissionsExt;
    let permissions = fs::Permissions::from_mode(0o644);
    let temp = tempfile::Builder::new().permissions(permissions).tempfile_in(dir)?;
    let (file, path) = temp.into_parts();
    Ok((file, Some(path)))
}

/// Links a nameless file to a name of its own beside the final one, and renames that: linking itself replaces nothing.
#[cfg(target_os = "linux")]
fn give_name(file: &File, path: &Path) -> io::Result<()> {
    use std::os::fd::AsRawFd;

    use rustix::fs::{AtFlags, CWD, linkat};
    let link = format!("/proc/self/fd/{}", file.as_raw_fd());
    let aside = beside(path, &format!(".{}.part", std::process::id()));
    // Left by a process of the same number that was killed right here.
    let _ = fs::remove_file(&aside);
    linkat(CWD, link, CWD, &aside, AtFlags::SYMLINK_FOLLOW)?;
    fs::rename(&aside, path).inspect_err(|_| drop(fs::remove_file(&aside)))
}

#[cfg(not(target_os = "linux"))]
fn give_name(_: &File, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<OsString> {
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name()).collect()
    }

    #[test]
    fn has_no_name_before_it_is_complete() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out/file");
        let mut output = Output::create(&path).unwrap();
        output.write_all(b"half").unwrap();
        output.flush().unwrap();
        assert!(names(&dir.path().join("out")).is_empty());
        drop(output);
        assert!(names(&dir.path().join("out")).is_empty());
    }

    #[test]
    fn replaces_what_was_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        for text in ["one", "two"] {
            write(&path, text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(names(dir.path()), ["file"]);
    }

    #[test]
    fn keeps_what_was_there_when_the_name_cannot_be_given() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::create_dir_all(path.join("is a directory")).unwrap();
        assert!(write(&path, b"x").is_err());
        assert_eq!(names(dir.path()), ["file"]);
    }
}
