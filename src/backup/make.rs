//! Makes a backup: a snapshot, sealed as it comes, then opened with the password and looked into, and only then given its
//! name.

use std::io::{self, BufWriter, Read, Write};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use sha2::{Digest as _, Sha256};

use super::access;
use super::container::Sealer;
use super::retention;
use super::snapshot::{Snapshot, What};
use super::stoppable::Stoppable;
use super::store::{Part, Record, Store};
use super::unit::Kind;
use super::verify::{Verified, verify};
use crate::cancel::Cancel;
use crate::error::{Error, ErrorKind, Result};
use crate::remote::Remote;
use crate::vault::{OpenVault, ProjectVault, crypto};

/// A backup that is to be made.
pub struct Making<'a> {
    /// The node's name in the inventory.
    pub node: &'a str,
    pub what: &'a What,
    /// Seconds since 1970 by the operator's clock.
    pub taken: i64,
    pub store: &'a Store,
    pub vault: &'a ProjectVault,
    pub cancel: &'a Cancel,
    /// Whether what was sent to a bucket is read back.
    pub reads_back: bool,
}

/// A backup that was made.
#[derive(Debug, Clone)]
pub struct Made {
    pub record: Record,
    /// What the node said of things that it left out.
    pub remarks: Vec<String>,
}

/// What is being done, for the user.
pub trait Watch: Send {
    fn step(&mut self, text: &str);
    /// Bytes of the snapshot; of how many is not known.
    fn received(&mut self, bytes: u64);
    fn sent(&mut self, done: u64, total: u64);
}

impl Making<'_> {
    /// The backup's name.
    pub fn name(&self) -> Result<String> {
        let taken = Timestamp::from_second(self.taken).map_err(|_| {
            Error::new(ErrorKind::Backup, "this machine's clock is set to no sensible time")
        })?;
        let node = match self.what {
            What::Server(_) => self.node.to_owned(),
            What::Paths(_) => retention::paths_of(self.node),
        };
        Ok(retention::file_name(&node, TimeZone::UTC.to_datetime(taken)))
    }

    /// Makes it. Whatever goes wrong, no backup of this name appears, and no other is touched.
    ///
    /// # Errors
    /// The node, the link or the store fails, or what came could not be restored.
    pub fn run(&self, remote: &dyn Remote, watch: &mut dyn Watch) -> Result<Made> {
        let name = self.name()?;
        // Before the node does anything.
        self.vault.unlock()?;
        let part = self.store.begin(&name)?;
        watch.step("snapshot");
        let (sealed, remarks) = self.receive(remote, &part, watch)?;
        watch.step("verify");
        let part_of = |part: &Part| -> Result<Verified> {
            let source = Stoppable { source: part.open()?, cancel: self.cancel };
            verify(access::open_by_password(source, self.vault)?)
        };
        let verified = match part_of(&part) {
            Ok(verified) => verified,
            Err(_) if self.cancel.is_cancelled() => return Err(Error::cancelled()),
            Err(error) => {
                let aside = part.set_aside()?;
                return Err(error.hint(format!("It is kept as {}.", aside.display())));
            }
        };
        let record = record(&name, &verified, sealed, self.vault.with(|vault| Ok(vault.id()))?);
        watch.step("store");
        let mut progress = |done, total| watch.sent(done, total);
        self.store.keep(part, &record, self.reads_back, &mut progress)?;
        Ok(Made { record, remarks })
    }

    /// Seals the snapshot into `part`. The container's end is written only when the node has said that all was sent.
    fn receive(
        &self,
        remote: &dyn Remote,
        part: &Part,
        watch: &mut dyn Watch,
    ) -> Result<(Sealed, Vec<String>)> {
        let io = |error: io::Error| Error::io(part.path(), &error);
        let file = Hashing { out: BufWriter::new(part.file()), hash: Sha256::new(), size: 0 };
        let sealer = |vault: &OpenVault| Ok(Sealer::new(vault, file)?);
        let sealer = self.vault.with(sealer)?;
        let mut counted = Counted { out: sealer, received: 0, watch, failed: None };
        let snapshot = Snapshot { node: self.node, taken: self.taken, what: self.what };
        let streamed = snapshot.stream(remote, &mut counted);
        let Counted { out: sealer, failed, .. } = counted;
        if let Some(error) = failed {
            return Err(io(error));
        }
        let remarks = streamed?;
        let mut file = sealer.finish().map_err(io)?;
        file.flush().map_err(io)?;
        let sealed = Sealed { sha256: crypto::hex(&file.hash.finalize()), size: file.size };
        drop(file.out);
        part.sync()?;
        Ok((sealed, remarks))
    }
}

/// Hash and size of a sealed file.
struct Sealed {
    sha256: String,
    size: u64,
}

fn record(name: &str, verified: &Verified, sealed: Sealed, vault: String) -> Record {
    let unit = &verified.unit;
    let (kind, k3s, cluster) = match &unit.info.kind {
        Kind::Server { k3s, cluster, .. } => ("server", k3s.clone(), cluster.clone()),
        Kind::Paths => ("paths", String::new(), String::new()),
    };
    Record {
        name: name.to_owned(),
        sha256: sealed.sha256,
        size: sealed.size,
        node: unit.info.node.clone(),
        kind: kind.to_owned(),
        k3s,
        cluster,
        max_id: verified.max_id.unwrap_or(0),
        files: unit.files,
        bytes: unit.bytes,
        vault,
        verified: now(),
    }
}

/// The present time as records have it.
pub fn now() -> String {
    crate::calendar::timestamp(Timestamp::now().as_second())
}

/// A backup that is there, and was looked into.
#[derive(Debug, Clone)]
pub struct Checked {
    pub record: Record,
    /// [`super::token::Token::fingerprint`] of what its datastore opens with; "" without one. Not part of the record: an index
    /// of backups may be read by many.
    pub token: String,
}

/// Verifies a backup that is there already.
///
/// # Errors
/// It cannot be read, opened or restored.
pub fn verify_again(
    store: &Store,
    name: &str,
    vault: &ProjectVault,
    cancel: &Cancel,
) -> Result<Checked> {
    let mut source = Hashing { out: store.read(name)?, hash: Sha256::new(), size: 0 };
    let checked = access::open(Stoppable { source: &mut source, cancel }, vault);
    let checked = checked.and_then(|reader| Ok((verify(reader)?, ())));
    if cancel.is_cancelled() {
        return Err(Error::cancelled());
    }
    let (verified, ()) = checked.map_err(|error| named(&error, name))?;
    let vault_id = access::vault_id(&store.read_begin(name, HEADER)?)?;
    let sealed = Sealed { sha256: crypto::hex(&source.hash.finalize()), size: source.size };
    Ok(Checked { record: record(name, &verified, sealed, vault_id), token: verified.token })
}

/// Bytes that a container's header has at the most.
pub const HEADER: u64 = 16 << 10;

/// The same error, with the backup that it is about.
fn named(error: &Error, name: &str) -> Error {
    let text = format!("{name}: {}", error.message());
    let named = Error::new(error.kind(), text).detail(error.explanation().unwrap_or_default());
    error.hints().iter().fold(named, |named, hint| named.hint(hint.clone()))
}

/// Hashes and counts what passes.
struct Hashing<T> {
    out: T,
    hash: Sha256,
    size: u64,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.out.read(buffer)?;
        self.hash.update(&buffer[..read]);
        self.size += read as u64;
        Ok(read)
    }
}

/// Tells how much came, and keeps the error of the disk, which says more than what the link makes of it.
struct Counted<'a, W> {
    out: W,
    received: u64,
    watch: &'a mut dyn Watch,
    failed: Option<io::Error>,
}

impl<W: Write> Write for Counted<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes).map_err(|error| {
            let kind = error.kind();
            self.failed = Some(error);
            io::Error::from(kind)
        })?;
        self.received += written as u64;
        self.watch.received(self.received);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
