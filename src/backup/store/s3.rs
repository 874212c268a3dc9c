//! A bucket of an S3 server. Only verified backups get there: whatever has a backup's name is one.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use object_store::aws::{AmazonS3, AmazonS3Builder, Checksum};
use object_store::path::Path as Key;
use object_store::{
    BackoffConfig, MultipartUpload as _, ObjectStore as _, ObjectStoreExt as _, PutMode,
    PutPayload, RetryConfig,
};
use sha2::{Digest as _, Sha256};
use tokio::runtime::Runtime;

use super::http::Connector;
use super::index::Record;
use super::part::Part;
use super::{Stored, exists, stored, wrong};
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::vault::Secret;

/// Bytes that are sent or asked for at a time. S3 takes no parts below 5 MiB, but for the last, and 10,000 at the most: up
/// to 80 GB.
const PART: usize = 8 << 20;

/// What opens a bucket.
#[derive(Debug, Clone, Default)]
pub struct S3Options {
    /// The access key's id and its secret.
    pub keys: Option<(Secret, Secret)>,
    /// `https://s3.example.org`; none: Amazon's own.
    pub endpoint: Option<String>,
    pub region: Option<String>,
}

/// A bucket, and the prefix of the backups in it.
pub struct S3 {
    bucket: String,
    prefix: String,
    store: Arc<AmazonS3>,
    runtime: Runtime,
    cancel: Cancel,
}

impl S3 {
    /// `place`: `bucket/prefix`. Nothing is contacted yet.
    pub(super) fn open(place: &str, options: &S3Options, cancel: &Cancel) -> Result<Self> {
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        let (Some((id, secret)), false) = (&options.keys, bucket.is_empty()) else {
            return Err(match bucket {
                "" => wrong("the store has no bucket").hint("A bucket is `s3://bucket/prefix`."),
                _ => wrong("a bucket needs an access key").hint(
                    "Keep it in the vault: `pirun vault set s3_access_key` and `pirun vault set s3_secret_key`.",
                ),
            });
        };
        let text = |secret: &Secret| {
            let text = secret.expose_text().map(|text| text.trim().to_owned());
            text.ok_or_else(|| wrong(format!("the secret `{}` is no text", secret.name())))
        };
        let retry = RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(200),
                max_backoff: Duration::from_secs(2),
                base: 2.0,
            },
            max_retries: 2,
            retry_timeout: Duration::from_secs(120),
        };
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(bucket)
            .with_access_key_id(text(id)?)
            .with_secret_access_key(text(secret)?)
            .with_region(options.region.as_deref().unwrap_or("us-east-1"))
            .with_checksum_algorithm(Checksum::SHA256)
            .with_retry(retry)
            .with_http_connector(Connector);
        if let Some(endpoint) = &options.endpoint {
            builder = builder.with_endpoint(endpoint).with_allow_http(true);
        }
        let store =
            builder.build().map_err(|error| wrong(format!("the bucket {bucket}: {error}")))?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(|error| wrong(format!("no thread for S3: {error}")))?;
        let prefix = prefix.trim_matches('/').to_owned();
        Ok(Self {
            bucket: bucket.to_owned(),
            prefix,
            store: store.into(),
            runtime,
            cancel: cancel.clone(),
        })
    }

    fn key(&self, name: &str) -> Key {
        match self.prefix.as_str() {
            "" => Key::from(name),
            prefix => Key::from(format!("{prefix}/{name}")),
        }
    }

    /// Waits for an answer, but not through a Ctrl-C.
    fn wait<T>(&self, work: impl Future<Output = object_store::Result<T>>) -> Result<T> {
        self.runtime.block_on(async {
            tokio::select! {
                answer = work => answer.map_err(|error| self.failed(&error)),
                () = self.cancel.cancelled() => Err(Error::cancelled()),
            }
        })
    }

    fn failed(&self, error: &object_store::Error) -> Error {
        use object_store::Error as E;
        let (place, text) = (format!("s3://{}", self.bucket), plain(error));
        // What the server says to a request for a list comes as text only.
        let is = |status: &str| text.contains(&format!("status code: {status}"));
        match error {
            E::NotFound { path, .. } => wrong(format!("{place} has no {path}"))
                .hint("Is the bucket there? pirun makes none."),
            E::PermissionDenied { .. } | E::Unauthenticated { .. } => self.denied(text),
            _ if is("403") || is("401") => self.denied(text),
            _ if is("404") => wrong(format!("there is no {place}"))
                .hint("Is the bucket there? pirun makes none.")
                .detail(text),
            _ => wrong(format!("{place} cannot be used")).detail(text),
        }
    }

    fn denied(&self, text: String) -> Error {
        wrong(format!("s3://{} refuses the access key", self.bucket))
            .hint("`pirun vault set s3_access_key` and `s3_secret_key` change it.")
            .detail(text)
    }

    pub(super) fn list(&self) -> Result<Vec<Stored>> {
        let prefix = (!self.prefix.is_empty()).then(|| Key::from(self.prefix.as_str()));
        let objects = self.wait(self.store.list(prefix.as_ref()).try_collect::<Vec<_>>())?;
        let names: Vec<_> = objects
            .iter()
            // Only what lies here itself.
            .filter(|object| object.location.parts_count() == self.key("x").parts_count())
            .filter_map(|object| Some((object.location.filename()?, object.size)))
            .collect();
        let mut all: Vec<_> = names.iter().filter_map(|(name, size)| stored(name, *size)).collect();
        for stored in &mut all {
            let pin = format!("{}.pin", stored.name);
            stored.is_pinned = names.iter().any(|(name, _)| *name == pin);
            stored.is_verified = true;
        }
        Ok(all)
    }

    /// The size of an object; `None` if there is none.
    fn size(&self, name: &str) -> Result<Option<u64>> {
        let key = self.key(name);
        self.wait(async {
            match self.store.head(&key).await {
                Ok(meta) => Ok(Some(meta.size)),
                Err(object_store::Error::NotFound { .. }) => Ok(None),
                Err(error) => Err(error),
            }
        })
    }

    /// Also finds out early that keys or endpoint are wrong.
    pub(super) fn refuse_existing(&self, name: &str) -> Result<()> {
        match self.size(name)? {
            Some(_) => Err(exists(name)),
            None => Ok(()),
        }
    }

    pub(super) fn send(
        &self,
        part: &Part,
        record: &Record,
        check: bool,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<()> {
        let mut file = part.open()?;
        let io = |error: io::Error| Error::io(part.path(), &error);
        let first = next_part(&mut file).map_err(io)?;
        let key = self.key(&record.name);
        if first.len() < PART {
            let put = self.store.put_opts(&key, PutPayload::from(first), PutMode::Create.into());
            self.wait(async {
                match put.await {
                    Err(object_store::Error::AlreadyExists { .. }) => Ok(None),
                    done => done.map(Some),
                }
            })?
            .ok_or_else(|| exists(&record.name))?;
        } else {
            self.refuse_existing(&record.name)?;
            self.send_parts(&key, first, &mut file, record.size, progress)?;
        }
        match self.size(&record.name)? {
            Some(size) if size == record.size => {}
            _ => return Err(wrong(format!("s3://{} has {key} with another size", self.bucket))),
        }
        if check { self.compare(record) } else { Ok(()) }
    }

    /// Not a byte of an upload that is not completed can be seen.
    fn send_parts(
        &self,
        key: &Key,
        first: Vec<u8>,
        file: &mut dyn Read,
        size: u64,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<()> {
        let mut upload = self.wait(self.store.put_multipart(key))?;
        let (mut next, mut done) = (first, 0);
        let sent = loop {
            if next.is_empty() {
                break self.wait(upload.complete()).map(drop);
            }
            done += next.len() as u64;
            if let Err(error) = self.wait(upload.put_part(PutPayload::from(next))) {
                break Err(error);
            }
            progress(done, size);
            next = match next_part(file) {
                Ok(part) => part,
                Err(error) => {
                    break Err(wrong(format!("the sealed backup cannot be read: {error}")));
                }
            };
        };
        if sent.is_err() {
            // A rule of the bucket removes what this leaves.
            let _ = self.runtime.block_on(upload.abort());
        }
        sent
    }

    /// Reads a backup back and compares its hash.
    fn compare(&self, record: &Record) -> Result<()> {
        let mut hash = Hash(Sha256::new());
        let copied = io::copy(&mut self.read(&record.name)?, &mut hash);
        copied.map_err(|error| wrong(format!("the backup cannot be read back: {error}")))?;
        match crate::vault::crypto::hex(&hash.0.finalize()) == record.sha256 {
            true => Ok(()),
            false => Err(wrong(format!("s3://{} has other bytes than were sent", self.bucket))),
        }
    }

    pub(super) fn read(&self, name: &str) -> Result<Box<dyn Read + Send + '_>> {
        let size = self.size(name)?;
        let size =
            size.ok_or_else(|| wrong(format!("s3://{} has no {}", self.bucket, self.key(name))))?;
        Ok(Box::new(Download {
            s3: self,
            key: self.key(name),
            at: 0,
            size,
            chunk: io::Cursor::default(),
        }))
    }

    pub(super) fn read_begin(&self, name: &str, count: u64) -> Result<Vec<u8>> {
        let key = self.key(name);
        let size = self.size(name)?.unwrap_or(0);
        Ok(self.wait(self.store.get_range(&key, 0..count.min(size)))?.to_vec())
    }

    pub(super) fn remove(&self, name: &str) -> Result<()> {
        let key = self.key(name);
        self.wait(self.store.delete(&key))
    }
}

fn next_part(file: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(PART);
    file.take(PART as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// An error's whole chain in one line, without the addresses and bodies that it repeats.
fn plain(error: &object_store::Error) -> String {
    let mut words = error.to_string();
    let mut inner = std::error::Error::source(error);
    while let Some(error) = inner {
        let text = error.to_string();
        if !words.contains(&text) {
            words += &format!(": {text}");
        }
        inner = error.source();
    }
    words
}

/// An object, asked for piece by piece.
struct Download<'a> {
    s3: &'a S3,
    key: Key,
    at: u64,
    size: u64,
    chunk: io::Cursor<bytes::Bytes>,
}

impl Read for Download<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.chunk.read(buffer)?;
        if read > 0 || self.at == self.size || buffer.is_empty() {
            return Ok(read);
        }
        let end = self.size.min(self.at + PART as u64);
        let range = self.s3.store.get_range(&self.key, self.at..end);
        let bytes = self.s3.wait(range).map_err(|error| {
            io::Error::other(error.explanation().unwrap_or(error.message()).to_owned())
        })?;
        self.at += bytes.len() as u64;
        self.chunk = io::Cursor::new(bytes);
        self.chunk.read(buffer)
    }
}

struct Hash(Sha256);

impl io::Write for Hash {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
