//! The sealed chunks behind the header: STREAM (Hoang, Reyhanitabar, Rogaway, Vizár 2015) with ChaCha20-Poly1305
//! (RFC 8439). A chunk's nonce holds its number and whether it is the final one, so that chunks can be neither moved nor
//! left out, at the end either.

use std::io::{self, Read, Write};

use chacha20poly1305::aead::Aead as _;
use chacha20poly1305::{ChaCha20Poly1305, KeyInit as _, Nonce};
use zeroize::Zeroizing;

use super::ContainerError;
use crate::vault::crypto::{Key, TAG};

/// Bytes of plaintext in every chunk but the final one, which has 1 to that many, and none only in an empty stream.
pub const CHUNK: usize = 64 << 10;
/// The same with its tag.
pub const SEALED: usize = CHUNK + TAG;

struct Cipher {
    cipher: ChaCha20Poly1305,
    /// The number of the next chunk.
    number: u64,
}

impl Cipher {
    fn new(key: &Key) -> Self {
        Self { cipher: ChaCha20Poly1305::new(&(**key).into()), number: 0 }
    }

    /// Three zeros, the number in big endian, 1 for the final chunk.
    fn nonce(&self, is_final: bool) -> Nonce {
        let mut nonce = [0; 12];
        nonce[3..11].copy_from_slice(&self.number.to_be_bytes());
        nonce[11] = u8::from(is_final);
        Nonce::from(nonce)
    }

    fn seal(&mut self, plain: &[u8], is_final: bool) -> Vec<u8> {
        let sealed = self.cipher.encrypt(&self.nonce(is_final), plain);
        self.number += 1;
        sealed.expect("a chunk is far below the cipher's limit")
    }

    fn open(&self, sealed: &[u8], is_final: bool) -> Option<Zeroizing<Vec<u8>>> {
        self.cipher.decrypt(&self.nonce(is_final), sealed).ok().map(Zeroizing::new)
    }
}

/// Cuts what is written into chunks and seals them.
pub struct ChunkWriter<W> {
    cipher: Cipher,
    out: W,
    /// Sealed when more comes: only `finish` knows which chunk is the final one.
    chunk: Zeroizing<Vec<u8>>,
}

impl<W: Write> ChunkWriter<W> {
    pub fn new(key: Key, out: W) -> Self {
        let chunk = Zeroizing::new(Vec::with_capacity(CHUNK));
        Self { cipher: Cipher::new(&key), out, chunk }
    }

    /// Writes the final chunk.
    pub fn finish(mut self) -> io::Result<W> {
        self.write_chunk(true)?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn write_chunk(&mut self, is_final: bool) -> io::Result<()> {
        let sealed = self.cipher.seal(&self.chunk, is_final);
        self.chunk.clear();
        self.out.write_all(&sealed)
    }
}

impl<W: Write> Write for ChunkWriter<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if self.chunk.len() == CHUNK && !data.is_empty() {
            self.write_chunk(false)?;
        }
        let taken = data.len().min(CHUNK - self.chunk.len());
        self.chunk.extend_from_slice(&data[..taken]);
        Ok(taken)
    }

    /// What is not a whole chunk stays.
    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Opens chunks. Gives nothing of a chunk before all of it is verified.
pub struct ChunkReader<R> {
    cipher: Cipher,
    source: R,
    /// The sealed chunk that comes next. It is the final one if nothing follows it.
    next: Vec<u8>,
    plain: Zeroizing<Vec<u8>>,
    given: usize,
    state: State,
}

#[derive(PartialEq)]
enum State {
    Start,
    Within,
    /// The final chunk was opened.
    Ended,
}

impl<R: Read> ChunkReader<R> {
    pub fn new(key: Key, source: R) -> Self {
        Self {
            cipher: Cipher::new(&key),
            source,
            next: Vec::new(),
            plain: Zeroizing::default(),
            given: 0,
            state: State::Start,
        }
    }

    fn open_chunk(&mut self) -> io::Result<()> {
        if self.state == State::Start {
            self.next = self.read_sealed()?;
        }
        let sealed = std::mem::take(&mut self.next);
        if sealed.len() == SEALED {
            self.next = self.read_sealed()?;
        }
        let is_final = self.next.is_empty();
        let opened = self.cipher.open(&sealed, is_final);
        self.plain = opened.ok_or_else(|| self.refuse(&sealed))?;
        self.given = 0;
        self.cipher.number += 1;
        self.state = if is_final { State::Ended } else { State::Within };
        Ok(())
    }

    /// Why a chunk does not open.
    fn refuse(&self, sealed: &[u8]) -> ContainerError {
        let chunk = self.cipher.number;
        // Genuine, but not the final one: the file ends at the border of two chunks.
        match self.cipher.open(sealed, false) {
            Some(_) => ContainerError::Cut { chunks: chunk + 1 },
            None if sealed.is_empty() => ContainerError::Cut { chunks: chunk },
            None => ContainerError::Altered { chunk },
        }
    }

    fn read_sealed(&mut self) -> io::Result<Vec<u8>> {
        let mut sealed = Vec::with_capacity(SEALED);
        self.source.by_ref().take(SEALED as u64).read_to_end(&mut sealed)?;
        Ok(sealed)
    }
}

impl<R: Read> Read for ChunkReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.given == self.plain.len() {
            if self.state == State::Ended {
                return Ok(0);
            }
            self.open_chunk()?;
        }
        let left = &self.plain[self.given..];
        let length = left.len().min(buffer.len());
        buffer[..length].copy_from_slice(&left[..length]);
        self.given += length;
        Ok(length)
    }
}
