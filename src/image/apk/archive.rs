//! A package of format 2: three gzip members, which hold a signature, what the package says of itself, and its files.
//! Source: apk-tools 3.0, `doc/apk-v2.5.scd`.
//!
//! Trust comes from the index: it names the hash of the second member, and that names the hash of the third. Nothing is
//! decoded before its hash is known to be right, but for the first two members, which are small.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use sha1::{Digest as _, Sha1};

use super::checksum::Checksum;
use super::data;
use super::gzip;
use super::listing::File;
use super::package::Package;
use super::pkginfo::PackageInfo;
use crate::error::{Error, ErrorKind, Result};
use crate::image::tree::Spool;

/// Decoded bytes of the first two members. Scripts are a few kilobytes.
const MAX_CONTROL: u64 = 16 << 20;

/// A package that is what the index meant, with its files decoded.
#[derive(Debug)]
pub struct Archive {
    pub info: PackageInfo,
    /// Scripts by when they are run.
    pub scripts: BTreeMap<ScriptKind, Vec<u8>>,
    /// Directories, files and so on, in the package's order: parents first.
    pub files: Vec<File>,
}

/// When a script of a package is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ScriptKind {
    PreInstall,
    PostInstall,
    PreDeinstall,
    PostDeinstall,
    PreUpgrade,
    PostUpgrade,
    Trigger,
}

impl ScriptKind {
    const ALL: [Self; 7] = [
        Self::PreInstall,
        Self::PostInstall,
        Self::PreDeinstall,
        Self::PostDeinstall,
        Self::PreUpgrade,
        Self::PostUpgrade,
        Self::Trigger,
    ];

    /// The name that packages and the database of installed packages use.
    pub fn name(self) -> &'static str {
        match self {
            Self::PreInstall => "pre-install",
            Self::PostInstall => "post-install",
            Self::PreDeinstall => "pre-deinstall",
            Self::PostDeinstall => "post-deinstall",
            Self::PreUpgrade => "pre-upgrade",
            Self::PostUpgrade => "post-upgrade",
            Self::Trigger => "trigger",
        }
    }
}

impl Archive {
    /// Reads the file of `package`, whose files go to `spool`. Needs 64 MiB of memory at the most for them, whatever
    /// their size. Several may be read at a time.
    ///
    /// # Errors
    /// When the file is not the one that the index means, or holds what no package may: the error names package and
    /// path.
    pub fn open(path: &Path, package: &Package, spool: &Arc<Spool>) -> Result<Self> {
        let file = fs::File::open(path).map_err(|error| Error::io(path, &error))?;
        let size = file.metadata().map_err(|error| Error::io(path, &error))?.len();
        Self::read(&file, size, package, spool).map_err(|why| {
            Error::new(
                ErrorKind::Image,
                format!("the package {} is refused: {why}", package.full_name()),
            )
            .hint(format!("Remove {} to have it downloaded again.", path.display()))
        })
    }

    /// Tells whether the file is what the index means by `package`, without decoding its files.
    ///
    /// # Errors
    /// When it is not, with the reason.
    pub fn verify(file: &fs::File, package: &Package) -> Result<(), String> {
        let size = file.metadata().map_err(unreadable)?.len();
        let parts = Parts::read(file, size, package)?;
        data::check(file, parts.data, &parts.info.data_hash)
    }

    fn read(
        file: &fs::File,
        size: u64,
        package: &Package,
        spool: &Arc<Spool>,
    ) -> Result<Self, String> {
        let Parts { info, scripts, data } = Parts::read(file, size, package)?;
        let files = data::read(file, data, &info.data_hash, spool)?;
        Ok(Self { info, scripts, files })
    }
}

/// A package whose control part is what the index means, with its files still to be read.
struct Parts {
    info: PackageInfo,
    scripts: BTreeMap<ScriptKind, Vec<u8>>,
    /// Where in the file its files are.
    data: Range<u64>,
}

impl Parts {
    fn read(file: &fs::File, size: u64, package: &Package) -> Result<Self, String> {
        if size != package.size {
            return Err(format!(
                "it has {size} bytes, and should have {}: the download was cut, or it is another file",
                package.size
            ));
        }
        let mut source = BufReader::new(file);
        if let Some(why) = gzip::why_not_gzip(source.fill_buf().map_err(unreadable)?) {
            return Err(why.into());
        }
        gzip::member(&mut source, MAX_CONTROL).map_err(unreadable)?;
        let begin = source.stream_position().map_err(unreadable)?;
        let control = gzip::member(&mut source, MAX_CONTROL).map_err(unreadable)?;
        let end = source.stream_position().map_err(unreadable)?;
        if control_hash(file, begin, end)? != package.checksum {
            return Err(
                "it is not the package that the index means: it was changed, or built anew".into(),
            );
        }
        let (info, scripts) = read_control(&control, package)?;
        Ok(Self { info, scripts, data: end..size })
    }
}

fn control_hash(file: &fs::File, begin: u64, end: u64) -> Result<Checksum, String> {
    let len = usize::try_from(end - begin).map_err(|error| error.to_string())?;
    let mut control = vec![0; len];
    file.read_exact_at(&mut control, begin).map_err(unreadable)?;
    Ok(Checksum(Sha1::digest(&control).into()))
}

fn read_control(
    tar: &[u8],
    package: &Package,
) -> Result<(PackageInfo, BTreeMap<ScriptKind, Vec<u8>>), String> {
    let (mut info, mut scripts) = (None, BTreeMap::new());
    for file in tar::Archive::new(tar).entries().map_err(unreadable)? {
        let mut file = file.map_err(unreadable)?;
        let name = String::from_utf8_lossy(&file.path_bytes()).into_owned();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(unreadable)?;
        if name == ".PKGINFO" {
            let text = String::from_utf8(bytes).map_err(|_| "its .PKGINFO is not UTF-8")?;
            let parsed = PackageInfo::parse(&text, package.checksum);
            info = Some(parsed.map_err(|why| format!(".PKGINFO, {why}"))?);
        } else if let Some(kind) =
            ScriptKind::ALL.into_iter().find(|kind| name.strip_prefix('.') == Some(kind.name()))
        {
            scripts.insert(kind, bytes);
        }
    }
    let info = info.ok_or("there is no .PKGINFO in it")?;
    if (&info.package.name, &info.package.version) != (&package.name, &package.version) {
        return Err(format!("it says of itself that it is {}", info.package.full_name()));
    }
    Ok((info, scripts))
}

pub(super) fn unreadable(error: std::io::Error) -> String {
    format!("it cannot be read: {error}")
}

#[cfg(test)]
mod tests;
