//! The download of one package: resumed, verified, and only then in the cache.

use std::fs::{self, File};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Chosen;
use super::cache::{Cache, Part};
use super::client::Client;
use super::trouble::{Trouble, all_failed};
use crate::cancel::Cancel;
use crate::error::{Error, ErrorKind, Result};
use crate::image::apk::{Archive, Package};

/// How often one mirror is asked for the rest of a file.
const TRIES: usize = 4;
const CHUNK: usize = 64 << 10;

/// What downloads have in common.
#[derive(Debug, Clone)]
pub(super) struct Downloads {
    pub cache: Cache,
    pub client: Client,
    /// The URL of each mirror's branch.
    pub mirrors: Vec<String>,
    pub arch: String,
    pub cancel: Cancel,
    /// Bytes that are here so far, of all packages.
    pub done: Arc<AtomicU64>,
}

/// Why nothing more comes of a mirror, or at all.
enum Stop {
    Mirror(Trouble),
    All(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::All(error)
    }
}

impl From<Trouble> for Stop {
    fn from(trouble: Trouble) -> Self {
        Self::Mirror(trouble)
    }
}

/// One package's share of the bytes that are here.
struct Meter<'a> {
    all: &'a AtomicU64,
    mine: u64,
}

impl Meter<'_> {
    fn set(&mut self, bytes: u64) {
        // Wraps where bytes are thrown away, and wraps back in the sum.
        self.all.fetch_add(bytes.wrapping_sub(self.mine), Ordering::Relaxed);
        self.mine = bytes;
    }
}

impl Downloads {
    /// The package's file in the cache, downloaded if it is not there.
    pub fn obtain(&self, chosen: &Chosen) -> Result<PathBuf> {
        let package = &*chosen.package;
        let mut meter = Meter { all: &self.done, mine: 0 };
        let path = match self.cache.begin(package, &self.cancel)? {
            Some(mut part) => {
                self.fill(&mut part, chosen, &mut meter)?;
                self.cache.complete(part, package)?
            }
            None => self.cache.package(package).ok_or_else(|| {
                Error::file(format!("{} vanished from the cache", package.full_name()))
            })?,
        };
        meter.set(package.size);
        Ok(path)
    }

    /// Asks one mirror after the other, until the file is complete and right.
    fn fill(&self, part: &mut Part, chosen: &Chosen, meter: &mut Meter<'_>) -> Result<()> {
        let Chosen { repository, package } = chosen;
        let mut troubles = Vec::new();
        for mirror in &self.mirrors {
            let url = format!("{mirror}/{repository}/{}/{}", self.arch, package.file_name());
            match self.fill_from(&url, part, package, meter) {
                Ok(()) => return Ok(()),
                Err(Stop::All(error)) => return Err(error),
                Err(Stop::Mirror(trouble)) => troubles.push((mirror.clone(), trouble)),
            }
        }
        if part.file.metadata().is_ok_and(|part| part.len() == 0) {
            // Nothing worth keeping. Who waits for its lock sees that it is gone, and makes it anew.
            let _ = fs::remove_file(&part.path);
        }
        if troubles.iter().all(|(_, trouble)| *trouble == Trouble::Missing) {
            return Err(vanished(package, &troubles));
        }
        Err(all_failed(&format!("the package {}", package.full_name()), &troubles))
    }

    fn fill_from(
        &self,
        url: &str,
        part: &mut Part,
        package: &Package,
        meter: &mut Meter<'_>,
    ) -> Result<(), Stop> {
        let mut tries = 0;
        loop {
            tries += 1;
            let before = length(part)?;
            let trouble = match self.append(url, part, package, meter) {
                Ok(()) => match verify(part, package) {
                    Ok(()) => return Ok(()),
                    Err(why) => {
                        empty(part)?;
                        Trouble::Wrong(why)
                    }
                },
                Err(Stop::Mirror(trouble)) => trouble,
                Err(stop) => return Err(stop),
            };
            // Where the beginning was here before, it may be what was wrong.
            let again = trouble.may_pass() || matches!(trouble, Trouble::Wrong(_)) && before > 0;
            if tries == TRIES || !again {
                return Err(trouble.into());
            }
        }
    }

    /// Appends what the mirror has behind what is here.
    fn append(
        &self,
        url: &str,
        part: &mut Part,
        package: &Package,
        meter: &mut Meter<'_>,
    ) -> Result<(), Stop> {
        let mut at = length(part)?;
        if at == package.size {
            return Ok(());
        }
        if at > package.size {
            empty(part)?;
            at = 0;
        }
        let mut answer = self.client.get(url, at)?;
        if answer.from != at {
            empty(part)?;
            at = 0;
        }
        if answer.from != at {
            let why = "it sends another part of the file than was asked for";
            return Err(Trouble::Wrong(why.to_owned()).into());
        }
        let io = |error: std::io::Error| Error::io(&part.path, &error);
        part.file.seek(SeekFrom::Start(at)).map_err(io)?;
        meter.set(at);
        let mut chunk = vec![0; CHUNK];
        loop {
            if self.cancel.is_cancelled() {
                return Err(Error::cancelled().into());
            }
            let read = answer.body.read(&mut chunk).map_err(|error| Trouble::of_body(&error))?;
            if read == 0 && at < package.size {
                return Err(Trouble::Cut.into());
            }
            if read == 0 {
                return Ok(());
            }
            if at + read as u64 > package.size {
                empty(part)?;
                let why = format!("it has more than the {} bytes of the index", package.size);
                return Err(Trouble::Wrong(why).into());
            }
            part.file.write_all(&chunk[..read]).map_err(io)?;
            at += read as u64;
            meter.set(at);
        }
    }
}

fn length(part: &Part) -> Result<u64> {
    part.file.metadata().map(|found| found.len()).map_err(|error| Error::io(&part.path, &error))
}

fn empty(part: &Part) -> Result<()> {
    part.file.set_len(0).map_err(|error| Error::io(&part.path, &error))
}

fn verify(part: &Part, package: &Package) -> Result<(), String> {
    // A place in the file of its own.
    let file = File::open(&part.path).map_err(|error| error.to_string())?;
    Archive::verify(&file, package)
}

fn vanished(package: &Package, troubles: &[(String, Trouble)]) -> Error {
    let mirrors: Vec<&str> = troubles.iter().map(|(mirror, _)| &**mirror).collect();
    Error::new(
        ErrorKind::Image,
        format!("the package {} is no longer on {}", package.full_name(), mirrors.join(", ")),
    )
    .hint("Alpine removes a package when there is a newer one: `--update` chooses anew, and writes the lock file.")
    .hint("A mirror that keeps old packages has it: `mirrors: [\"https://…/alpine\"]` of `rootfs`.")
}
