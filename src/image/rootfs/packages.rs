//! Alpine's packages: chosen, downloaded, verified, and laid out.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::Rootfs;
use crate::cancel::Cancel;
use crate::error::{Error, ErrorKind, Result};
use crate::image::apk::{Archive, Dependency, Index, Keys, Package, Repository, solve};
use crate::image::fetch::{Cache, Chosen, Fetcher, Lock, Progress};
use crate::image::install::{Installation, Wishes};
use crate::image::{Alpine, Spool};

/// What is needed beside the [`Alpine`] to get at its packages.
pub struct Supply<'a> {
    pub cache: Cache,
    pub cancel: Cancel,
    /// Told how far downloads are.
    pub progress: &'a mut dyn FnMut(Progress),
}

/// What came of a list of wishes.
#[derive(Debug)]
pub struct Delivered {
    /// The choice, to be kept.
    pub lock: Lock,
    /// Sentences about what is not as asked for.
    pub notes: Vec<String>,
}

impl Rootfs {
    /// Lays out the packages that `wants` (as `/etc/apk/world` has them) come to, and sets the date of the image. The
    /// lock file decides which, if there is one and `update` is off; it is not written here.
    ///
    /// # Errors
    /// When wishes cannot be fulfilled, a package is not to be had or not what it should be, or a script of one is
    /// beyond pirun.
    pub fn install(&mut self, wants: &[String], supply: &mut Supply) -> Result<Delivered> {
        let world = wants.iter().map(|want| Dependency::parse(want)).collect::<Result<Vec<_>>>()?;
        let lock = choose(&self.alpine, wants, &world, supply)?;
        let archives = obtain(&self.alpine, &lock, supply)?;
        self.date = lock.date;
        let (packages, notes) = self.lay_out(world, &lock, &archives)?;
        self.packages = packages;
        Ok(Delivered { lock, notes })
    }

    fn lay_out(
        &mut self,
        world: Vec<Dependency>,
        lock: &Lock,
        archives: &[Archive],
    ) -> Result<(Vec<Arc<Package>>, Vec<String>)> {
        // The lock file does not know who depends on whom, the packages do. So the order is found from them, and that
        // nothing is missing is proven once more.
        let locked = locked_index(lock, archives);
        let order = solve(&world, &[locked], &self.alpine.arch)?.packages;
        let wishes = Wishes {
            arch: self.alpine.arch.clone(),
            world,
            repositories: self.alpine.repository_urls(),
        };
        let mut installation =
            Installation::new(&mut self.tree, &wishes, self.date, self.alpine.scripts)?;
        let mut packages = Vec::with_capacity(order.len());
        for selected in order {
            let name = &selected.package.name;
            let archive = archives.iter().find(|archive| archive.info.package.name == *name);
            let archive =
                archive.ok_or_else(|| Error::bug(format!("{name} was not downloaded")))?;
            installation.add(&selected.package, archive, None)?;
            packages.push(selected.package);
        }
        Ok((packages, installation.finish()?))
    }
}

/// The lock file's choice, or a new one.
fn choose(
    alpine: &Alpine,
    wants: &[String],
    world: &[Dependency],
    supply: &Supply,
) -> Result<Lock> {
    let known = Lock::read(&alpine.lock)?;
    if let Some(lock) = &known
        && !alpine.update
    {
        lock.check(alpine, wants)?;
        return Ok(lock.clone());
    }
    let mut keys = Keys::alpine(&alpine.arch)?;
    for (name, pem) in &alpine.keys {
        keys.add(name, pem)?;
    }
    let fetcher = Fetcher::new(alpine, supply.cache.clone(), supply.cancel.clone());
    let indexes = fetcher.indexes(&keys, known.as_ref())?;
    let repository = |found: &crate::image::fetch::Repository| Repository {
        name: found.name.clone(),
        tag: None,
        index: found.index.clone(),
    };
    let repositories: Vec<Repository> = indexes.iter().map(repository).collect();
    let solution = solve(world, &repositories, &alpine.arch)?;
    let chosen = solution.packages.into_iter().map(|selected| Chosen {
        repository: repositories[selected.repository].name.clone(),
        package: selected.package,
    });
    Ok(Lock::new(alpine, wants, &indexes, chosen.collect()))
}

/// Downloads what is not in the cache, and reads all of it, several at a time.
fn obtain(alpine: &Alpine, lock: &Lock, supply: &mut Supply) -> Result<Vec<Archive>> {
    let fetcher = Fetcher::new(alpine, supply.cache.clone(), supply.cancel.clone());
    let files = fetcher.packages(&lock.packages, supply.progress)?;
    // Beside the packages, which is on a disk: a temporary directory is often memory.
    let beside = files.first().and_then(|file| file.parent()).unwrap_or(&alpine.lock);
    let spool = Spool::create_in(beside)?;
    read_all(&lock.packages, &files, &spool, &supply.cancel)
}

/// The archives, in the order of the files.
fn read_all(
    chosen: &[Chosen],
    files: &[PathBuf],
    spool: &Arc<Spool>,
    cancel: &Cancel,
) -> Result<Vec<Archive>> {
    // The largest first, so that none of them is alone at the end.
    let mut order: Vec<usize> = (0..files.len()).collect();
    order.sort_by_key(|&at| std::cmp::Reverse(chosen[at].package.size));
    let next = AtomicUsize::new(0);
    let read: Mutex<Vec<Option<Result<Archive>>>> =
        Mutex::new(files.iter().map(|_| None).collect());
    let threads = thread::available_parallelism().map_or(1, usize::from).min(4);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(&at) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let archive = match cancel.is_cancelled() {
                        true => Err(Error::cancelled()),
                        false => Archive::open(&files[at], &chosen[at].package, spool),
                    };
                    read.lock().unwrap_or_else(PoisonError::into_inner)[at] = Some(archive);
                }
            });
        }
    });
    let read = read.into_inner().unwrap_or_else(PoisonError::into_inner);
    read.into_iter()
        .map(|archive| archive.unwrap_or_else(|| Err(Error::bug("a package was not read"))))
        .collect()
}

/// An index of the locked packages, from what they say of themselves.
fn locked_index(lock: &Lock, archives: &[Archive]) -> Repository {
    let complete = |(chosen, archive): (&Chosen, &Archive)| {
        let mut package = archive.info.package.clone();
        package.size = chosen.package.size;
        Arc::new(package)
    };
    let packages = lock.packages.iter().zip(archives).map(complete).collect();
    Repository {
        name: "image.lock".to_owned(),
        tag: None,
        index: Index { packages, ..Index::default() },
    }
}

/// The error for a second list.
pub fn installed_already() -> Error {
    Error::new(ErrorKind::Playbook, "the packages are laid out already")
        .hint("Name all packages before the first other verb: they are chosen together.")
}
