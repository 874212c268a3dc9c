//! A backup as a file: compressed, sealed in chunks, and opened by the vault's password alone.
//!
//! The header carries a copy of the vault's slots, so that a backup opens where `vault.enc` is lost. Its key is one of its
//! own, sealed under the vault's backup key: a header can be written anew without touching what it heads. Only
//! [`Sealer::finish`] makes a whole file; one that ends anywhere else, a chunk's border included, does not open.

mod chunks;
mod error;
mod header;
#[cfg(test)]
mod tests;

use std::io::{self, BufRead, BufReader, Read, Write};

use crate::vault::{Credential, Limits, OpenVault, Unlocked, Vault};
use chunks::{ChunkReader, ChunkWriter};
pub use error::ContainerError;
use header::{FileKey, Header};

/// Seals what is written to it. Dropped without [`finish`](Self::finish), it leaves a file that does not open.
pub struct Sealer<W: Write>(zstd::stream::write::Encoder<'static, ChunkWriter<W>>);

/// zstd's own default: fast, and most of what there is to gain.
const LEVEL: i32 = 3;

impl<W: Write> Sealer<W> {
    /// Writes the header, with the slots that the vault has now.
    ///
    /// # Errors
    /// `out` cannot be written to; no random numbers.
    pub fn new(vault: &OpenVault, mut out: W) -> Result<Self, ContainerError> {
        let file_key = FileKey::random()?;
        let header = Header::new(vault, &file_key)?;
        out.write_all(header.print().as_bytes())?;
        let chunks = ChunkWriter::new(file_key.chunks(), out);
        let mut encoder = zstd::stream::write::Encoder::new(chunks, LEVEL)?;
        encoder.include_checksum(true)?;
        Ok(Self(encoder))
    }

    /// Writes the final chunk: the backup is whole. To be called only when it is certain that all of it came, such as
    /// after a node's exit status; the end of a pipe is no such sign.
    ///
    /// # Errors
    /// `out` cannot be written to.
    pub fn finish(self) -> io::Result<W> {
        self.0.finish()?.finish()
    }
}

impl<W: Write> Write for Sealer<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0.write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// A container whose header was read, and that nobody has opened.
pub struct Container<R> {
    header: Header,
    rest: BufReader<R>,
}

impl<R: Read> Container<R> {
    /// Reads the header. What it says is not trusted yet.
    ///
    /// # Errors
    /// [`ContainerError::NotABackup`], [`ContainerError::NewerVersion`], [`ContainerError::Cut`],
    /// [`ContainerError::Damaged`], [`ContainerError::Slots`].
    pub fn read(source: R) -> Result<Self, ContainerError> {
        let mut rest = BufReader::with_capacity(chunks::SEALED, source);
        let header = Header::read(&mut rest)?;
        Ok(Self { header, rest })
    }

    /// The id of the vault that it belongs to.
    pub fn vault_id(&self) -> String {
        self.header.ways_in().id()
    }

    /// The id of the vault key that it was sealed under.
    pub fn key_id(&self) -> &str {
        self.header.key_id()
    }

    /// The copied slots, as a vault without secrets: for [`Sources::unlock`](crate::vault::Sources::unlock).
    pub fn ways_in(&self) -> &Vault {
        self.header.ways_in()
    }

    /// Opens it by its own slots. Old passwords open old backups.
    ///
    /// # Errors
    /// [`ContainerError::Slots`] for a wrong password; [`ContainerError::HeaderAltered`].
    pub fn open(
        self,
        credential: &Credential,
        limits: &Limits,
    ) -> Result<Reader<R>, ContainerError> {
        let unlocked = self.ways_in().unlock(credential, None, limits)?;
        self.open_unlocked(&unlocked)
    }

    /// Opens it with what [`ways_in`](Self::ways_in) gave.
    ///
    /// # Errors
    /// [`ContainerError::HeaderAltered`]
    pub fn open_unlocked(self, unlocked: &Unlocked) -> Result<Reader<R>, ContainerError> {
        let file_key = self.header.file_key(unlocked.key())?;
        Reader::new(&file_key, self.rest)
    }

    /// Opens it with the vault, which keeps its keys from before rotations.
    ///
    /// # Errors
    /// [`ContainerError::OtherVault`], [`ContainerError::HeaderAltered`].
    pub fn open_with(self, vault: &OpenVault) -> Result<Reader<R>, ContainerError> {
        let file_key = self.file_key_of(vault)?;
        Reader::new(&file_key, self.rest)
    }

    /// Writes the same backup for the vault as it is now: with its slots and under its key. The chunks are copied as they
    /// are, without being opened.
    ///
    /// # Errors
    /// As [`open_with`](Self::open_with); `out` cannot be written to.
    pub fn rewrap(mut self, vault: &OpenVault, mut out: impl Write) -> Result<(), ContainerError> {
        let file_key = self.file_key_of(vault)?;
        out.write_all(Header::new(vault, &file_key)?.print().as_bytes())?;
        io::copy(&mut self.rest, &mut out)?;
        Ok(out.flush()?)
    }

    fn file_key_of(&self, vault: &OpenVault) -> Result<FileKey, ContainerError> {
        let key = vault.key_of(self.key_id()).filter(|_| vault.id() == self.vault_id());
        let key =
            key.ok_or_else(|| ContainerError::OtherVault { key: self.key_id().to_owned() })?;
        self.header.file_key(&key)
    }
}

/// What is in a container, as it was given to the [`Sealer`]. Every byte is genuine; that it was all of them is certain
/// only when the end is reached without an error. A [`ContainerError`] is inside the `io::Error`.
pub struct Reader<R: Read>(Decoder<R>);

type Decoder<R> = zstd::stream::read::Decoder<'static, BufReader<ChunkReader<BufReader<R>>>>;

impl<R: Read> Reader<R> {
    fn new(file_key: &FileKey, rest: BufReader<R>) -> Result<Self, ContainerError> {
        let chunks = ChunkReader::new(file_key.chunks(), rest);
        let buffered = BufReader::with_capacity(chunks::CHUNK, chunks);
        Ok(Self(zstd::stream::read::Decoder::with_buffer(buffered)?))
    }
}

impl<R: Read> Read for Reader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(buffer)?;
        // The end of the compressed stream is not the end of the chunks before the final one was seen.
        if read == 0 && !buffer.is_empty() && !self.0.get_mut().fill_buf()?.is_empty() {
            return Err(ContainerError::TrailingData.into());
        }
        Ok(read)
    }
}
