//! Indexes and packages of one Alpine: many at a time, and at once back at Ctrl-C.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use super::Chosen;
use super::cache::Cache;
use super::client::{Client, Patience};
use super::index::Source;
use super::lock::Lock;
use super::package::Downloads;
use crate::cancel::Cancel;
use crate::error::{Error, ErrorKind, Result};
use crate::image::Alpine;
use crate::image::apk::{Index, Keys};

/// Downloads at a time: enough to fill a line in spite of round trips, few enough for a mirror.
const PARALLEL: usize = 6;
/// How often progress is told, and Ctrl-C looked for.
const GLANCE: Duration = Duration::from_millis(50);

/// How far downloads are, in bytes. What the cache has counts as done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    pub done: u64,
    pub total: u64,
}

/// The index of a repository.
#[derive(Debug, Clone)]
pub struct Repository {
    /// Such as `main`.
    pub name: String,
    pub index: Index,
}

/// Brings what an [`Alpine`] says.
#[derive(Debug)]
pub struct Fetcher<'a> {
    alpine: &'a Alpine,
    cache: Cache,
    client: Client,
    cancel: Cancel,
}

impl<'a> Fetcher<'a> {
    pub fn new(alpine: &'a Alpine, cache: Cache, cancel: Cancel) -> Self {
        Self { alpine, cache, client: Client::new(Patience::default()), cancel }
    }

    /// The same with other time limits.
    #[must_use]
    pub fn with_patience(self, patience: Patience) -> Self {
        Self { client: Client::new(patience), ..self }
    }

    /// The indexes of all repositories, each from the first mirror that has one which a key of `keys` signed and that is
    /// not older than the one in the lock file or in the cache. Offline: those in the cache.
    ///
    /// # Errors
    /// When there is none: it says why each mirror's was refused, or not to be had.
    pub fn indexes(&self, keys: &Keys, lock: Option<&Lock>) -> Result<Vec<Repository>> {
        let repositories = self.alpine.repositories.iter().map(|name| {
            let source = self.source(name, keys, lock);
            let index = if self.alpine.offline {
                source.offline(&self.cache)?
            } else {
                source.download(&self.client, &self.cache, &self.cancel)?
            };
            Ok(Repository { name: name.clone(), index })
        });
        repositories.collect()
    }

    fn source<'b>(
        &self,
        repository: &'b str,
        keys: &'b Keys,
        lock: Option<&'b Lock>,
    ) -> Source<'b> {
        let Alpine { branch, arch, .. } = self.alpine;
        let urls = self.mirrors().into_iter();
        Source {
            repository,
            urls: urls.map(|url| format!("{url}/{repository}/{arch}/APKINDEX.tar.gz")).collect(),
            cached_as: format!("{branch}-{}-{arch}.tar.gz", repository.replace('/', "-")),
            keys,
            known: lock.and_then(|lock| lock.freshness(repository)),
        }
    }

    /// The URL of the branch on each mirror.
    fn mirrors(&self) -> Vec<String> {
        let mirrors = self.alpine.mirrors.iter();
        mirrors
            .map(|mirror| format!("{}/{}", mirror.trim_end_matches('/'), self.alpine.branch))
            .collect()
    }

    /// The files of packages, in their order: from the cache, or downloaded. `progress` is told now and then, and at
    /// the end.
    ///
    /// # Errors
    /// For the first package that is not to be had, after the downloads that were under way have come to an end of their
    /// own or not: what has arrived of them is kept. Offline, for all that are not in the cache.
    pub fn packages(
        &self,
        chosen: &[Chosen],
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Vec<PathBuf>> {
        let missing = chosen.iter().filter(|chosen| self.cache.package(&chosen.package).is_none());
        let missing: Vec<Chosen> = missing.cloned().collect();
        if self.alpine.offline {
            refuse_missing(&missing)?;
        }
        let total = chosen.iter().map(|chosen| chosen.package.size).sum();
        let here = total - missing.iter().map(|chosen| chosen.package.size).sum::<u64>();
        if !missing.is_empty() {
            self.download(missing, &mut |done| progress(Progress { done: here + done, total }))?;
        }
        progress(Progress { done: total, total });
        let file = |chosen: &Chosen| {
            let name = chosen.package.full_name();
            self.cache
                .package(&chosen.package)
                .ok_or_else(|| Error::file(format!("{name} vanished from the cache")))
        };
        chosen.iter().map(file).collect()
    }

    /// Downloads in threads of its own, which nobody waits for after an error: a mirror that is silent holds up nothing.
    fn download(&self, mut wanted: Vec<Chosen>, progress: &mut dyn FnMut(u64)) -> Result<()> {
        // The largest first, so that none of them is alone at the end.
        wanted.sort_by_key(|chosen| std::cmp::Reverse(chosen.package.size));
        let stop = Cancel::default();
        let downloads = Downloads {
            cache: self.cache.clone(),
            client: self.client.clone(),
            mirrors: self.mirrors(),
            arch: self.alpine.arch.clone(),
            cancel: stop.clone(),
            done: Arc::new(AtomicU64::new(0)),
        };
        let (results, arrivals) = mpsc::channel();
        let (count, wanted, next) = (wanted.len(), Arc::new(wanted), Arc::new(AtomicUsize::new(0)));
        for _ in 0..PARALLEL.min(count) {
            let (downloads, results) = (downloads.clone(), results.clone());
            let (wanted, next) = (Arc::clone(&wanted), Arc::clone(&next));
            thread::Builder::new()
                .name("download".to_owned())
                .spawn(move || {
                    while let Some(chosen) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let result = downloads.obtain(chosen).map(drop);
                        if downloads.cancel.is_cancelled() || results.send(result).is_err() {
                            break;
                        }
                    }
                })
                .map_err(|error| Error::file(format!("no thread can be started: {error}")))?;
        }
        drop(results);
        let mut arrived = 0;
        let result = loop {
            if arrived == count {
                break Ok(());
            }
            if self.cancel.is_cancelled() {
                break Err(Error::cancelled());
            }
            match arrivals.recv_timeout(GLANCE) {
                Ok(Ok(())) => arrived += 1,
                Ok(Err(error)) => break Err(error),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    break Err(Error::bug("a thread that downloads packages came to a bad end"));
                }
            }
            progress(downloads.done.load(Ordering::Relaxed));
        };
        stop.cancel();
        result
    }
}

/// An error that names what a build without a network lacks.
fn refuse_missing(missing: &[Chosen]) -> Result<()> {
    /// Names beyond that help nobody.
    const SHOWN: usize = 8;
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.iter().take(SHOWN).map(|chosen| chosen.package.full_name());
    let mut names = names.collect::<Vec<_>>().join(", ");
    if missing.len() > SHOWN {
        names.push_str(&format!(", and {} more", missing.len() - SHOWN));
    }
    let are = if missing.len() == 1 { "package is" } else { "packages are" };
    let count = missing.len();
    Err(Error::new(
        ErrorKind::Image,
        format!("{count} {are} not in the cache, and the build is offline: {names}"),
    )
    .hint("Build once without `offline`: what is downloaded then is kept."))
}
