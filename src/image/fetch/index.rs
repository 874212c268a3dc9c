//! The download of an index.

use std::io::Read as _;

use super::cache::Cache;
use super::client::Client;
use super::trouble::{Trouble, all_failed};
use crate::cancel::Cancel;
use crate::error::{Error, ErrorKind, Result};
use crate::image::apk::{Freshness, Index, Keys};

/// Bytes of an index' file. Alpine's largest has 3 MiB.
const MAX: u64 = 64 << 20;
const CHUNK: usize = 64 << 10;
/// How often one mirror is asked.
const TRIES: usize = 3;

/// One repository of one architecture.
pub(super) struct Source<'a> {
    /// Such as `main`.
    pub repository: &'a str,
    /// URLs of the same index on different mirrors.
    pub urls: Vec<String>,
    /// The index' name in the cache.
    pub cached_as: String,
    pub keys: &'a Keys,
    /// What was used before: nothing older will do.
    pub known: Option<&'a Freshness>,
}

impl Source<'_> {
    /// From the first mirror that has one which is trusted and not older than what is known.
    pub fn download(&self, client: &Client, cache: &Cache, cancel: &Cancel) -> Result<Index> {
        let cached = self.cached(cache).map(|index| index.freshness());
        let mut refusal = None;
        let mut troubles = Vec::new();
        for url in &self.urls {
            let bytes = match get(client, url, cancel)? {
                Ok(bytes) => bytes,
                Err(trouble) => {
                    troubles.push((url.clone(), trouble));
                    continue;
                }
            };
            let index = Index::open(&bytes, self.keys, url).and_then(|index| {
                match (self.known, &cached) {
                    (Some(locked), _) => index.refuse_if_older(locked, url)?,
                    (None, Some(cached)) => {
                        let path = cache.index_path(&self.cached_as);
                        index.refuse_if_older(cached, url).map_err(|error| {
                            error.hint(format!(
                                "Without a lock file, what counts is the cache: {}.",
                                path.display()
                            ))
                        })?;
                    }
                    (None, None) => {}
                }
                Ok(index)
            });
            match index {
                Ok(index) => {
                    cache.keep_index(&self.cached_as, &bytes)?;
                    return Ok(index);
                }
                Err(error) => refusal = refusal.or(Some(error)),
            }
        }
        // What was refused says more than what was not there.
        let what = format!("the package index of `{}`", self.repository);
        Err(refusal.unwrap_or_else(|| all_failed(&what, &troubles)))
    }

    /// What was downloaded before, if it is still trusted.
    pub fn cached(&self, cache: &Cache) -> Option<Index> {
        let bytes = cache.index(&self.cached_as)?;
        Index::open(&bytes, self.keys, "the cache").ok()
    }

    /// What was downloaded before, where nothing else may be used.
    pub fn offline(&self, cache: &Cache) -> Result<Index> {
        self.cached(cache).ok_or_else(|| {
            Error::new(
                ErrorKind::Image,
                format!(
                    "the package index of `{}` is not in the cache, and the build is offline",
                    self.repository
                ),
            )
            .hint("Build once without `offline`: what is downloaded then is kept.")
        })
    }
}

/// The file's bytes, or what is wrong with the mirror.
fn get(client: &Client, url: &str, cancel: &Cancel) -> Result<Result<Vec<u8>, Trouble>> {
    let mut tries = 0;
    loop {
        tries += 1;
        match get_once(client, url, cancel)? {
            Err(trouble) if trouble.may_pass() && tries < TRIES => {}
            result => return Ok(result),
        }
    }
}

fn get_once(client: &Client, url: &str, cancel: &Cancel) -> Result<Result<Vec<u8>, Trouble>> {
    let mut answer = match client.get(url, 0) {
        Ok(answer) => answer,
        Err(trouble) => return Ok(Err(trouble)),
    };
    let mut bytes = Vec::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        if cancel.is_cancelled() {
            return Err(Error::cancelled());
        }
        match answer.body.read(&mut chunk) {
            Ok(0) => return Ok(Ok(bytes)),
            Ok(read) => bytes.extend_from_slice(&chunk[..read]),
            Err(error) => return Ok(Err(Trouble::of_body(&error))),
        }
        if bytes.len() as u64 > MAX {
            return Ok(Err(Trouble::Wrong(format!("it has more than {} MiB", MAX >> 20))));
        }
    }
}
