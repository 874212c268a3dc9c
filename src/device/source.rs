//! An image as the stream of bytes that a card gets: in a file, packed or not, or laid out just now.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::buffer::is_zero;
use super::write::table_end;
use crate::error::{Error, ErrorKind, Result};
use crate::image::mbr::Mbr;
use crate::image::pack::{Codec, HEAD, MEMBER, Unpacking as Unpacker};
use crate::image::volume::{ReadAt, Volume, Window};

/// Read at a time.
const BLOCK: usize = 1 << 20;
/// Read for the partition table.
const FIRST: usize = 4096;

/// The image of a card.
#[derive(Debug, Clone)]
pub enum Image {
    File(ImageFile),
    /// One that was laid out and lies in no file; its name in messages, and its bytes.
    LaidOut(String, Arc<Volume>),
}

/// An image file.
#[derive(Debug, Clone)]
pub struct ImageFile {
    path: PathBuf,
    packing: Packing,
    /// What `FILE.sha256` beside it says.
    sha256: Option<String>,
}

/// How an image is packed; told by its first bytes, whatever its name is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    Raw,
    /// Of pirun's own: gzip or zstd, in members that can be unpacked one by one.
    Members,
    Gzip,
    Zstd,
}

impl Image {
    /// The image in a file.
    ///
    /// # Errors
    /// Those of [`ImageFile::open`].
    pub fn open(path: &Path) -> Result<Self> {
        ImageFile::open(path).map(Self::File)
    }

    /// What messages call it.
    pub fn name(&self) -> String {
        match self {
            Self::File(file) => file.path.display().to_string(),
            Self::LaidOut(name, _) => name.clone(),
        }
    }

    /// The bytes of the image, from the beginning.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn unpack(&self) -> Result<Unpacking> {
        let unpacked = match self {
            Self::File(file) => file.unpack()?,
            Self::LaidOut(_, card) => Box::new(Window::new(Arc::clone(card), 0, card.size())),
        };
        let mut unpacking = Unpacking { unpacked, name: self.name(), first: None, table: None };
        unpacking.look()?;
        Ok(unpacking)
    }
}

impl ImageFile {
    /// # Errors
    /// When there is no such file, or it is packed in a way that is not known.
    pub fn open(path: &Path) -> Result<Self> {
        let found = File::open(path).and_then(|mut file| {
            let mut head = [0; HEAD];
            let mut filled = 0;
            while let read @ 1.. = file.read(&mut head[filled..])? {
                filled += read;
            }
            Ok((head, file.metadata()?))
        });
        let (head, metadata) = match found {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Error::new(
                    ErrorKind::Image,
                    format!("there is no image {}", path.display()),
                )
                .hint("`pirun build_image.rhai` makes one."));
            }
            Err(error) => return Err(Error::io(path, &error)),
        };
        if metadata.len() == 0 || !metadata.is_file() {
            let what = if metadata.is_file() { "is empty" } else { "is no file" };
            return Err(Error::new(ErrorKind::Image, format!("{} {what}", path.display())));
        }
        let packing = packing(&head).map_err(|packed| {
            Error::new(ErrorKind::Image, format!("{} is packed with {packed}", path.display()))
                .hint("Images may be packed with gzip or zstd, or not at all. Unpack it first.")
        })?;
        let sha256 = sums_beside(path)?;
        Ok(Self { path: path.to_owned(), packing, sha256 })
    }

    pub fn packing(&self) -> Packing {
        self.packing
    }

    fn unpack(&self) -> Result<Box<dyn Read + Send>> {
        let file = File::open(&self.path).map_err(|error| Error::io(&self.path, &error))?;
        let hasher = self.sha256.is_some().then(Sha256::new);
        let file = Counted { file, hasher, expected: self.sha256.clone() };
        let file = BufReader::with_capacity(BLOCK, file);
        Ok(match self.packing {
            Packing::Raw => Box::new(file),
            Packing::Members => Box::new(Members::new(file)?),
            Packing::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(file)),
            Packing::Zstd => {
                let decoder = zstd::stream::read::Decoder::with_buffer(file);
                Box::new(decoder.map_err(|error| Error::io(&self.path, &error))?)
            }
        })
    }
}

/// An image that is being unpacked. Its partition table is known from the beginning.
pub struct Unpacking {
    unpacked: Box<dyn Read + Send>,
    name: String,
    /// The first bytes, which were read for the table, until they are read again.
    first: Option<Vec<u8>>,
    table: Option<Mbr>,
}

impl Unpacking {
    /// The partition table, if it is the image of a whole card.
    pub fn table(&self) -> Option<&Mbr> {
        self.table.as_ref()
    }

    fn look(&mut self) -> Result<()> {
        let mut first = vec![0; FIRST];
        let filled = self.read(&mut first)?;
        first.truncate(filled);
        self.table = Mbr::parse(&first).ok();
        self.first = Some(first);
        Ok(())
    }

    /// Fills `bytes`, which have room for [`FIRST`] at least, as far as there are any; gives how many. The end is
    /// reached only after the file's checksums have been found right.
    ///
    /// # Errors
    /// When the file is damaged, or cut.
    pub fn fill(&mut self, bytes: &mut [u8]) -> Result<usize> {
        let first = self.first.take().unwrap_or_default();
        bytes[..first.len()].copy_from_slice(&first);
        Ok(first.len() + self.read(&mut bytes[first.len()..])?)
    }

    fn read(&mut self, bytes: &mut [u8]) -> Result<usize> {
        let mut filled = 0;
        while filled < bytes.len() {
            match self.unpacked.read(&mut bytes[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.damaged(&error)),
            }
        }
        Ok(filled)
    }

    /// Compares the bytes that came with what the partition table says: a packed file that was cut between two of its
    /// parts looks whole.
    ///
    /// # Errors
    /// When there are too few.
    pub fn check_size(&self, size: u64) -> Result<()> {
        match &self.table {
            Some(table) if table_end(table) > size => {
                Err(self.damaged(&io::ErrorKind::UnexpectedEof.into()))
            }
            _ => Ok(()),
        }
    }

    fn damaged(&self, error: &io::Error) -> Error {
        let path = &self.name;
        if let Some(mismatch) = error.get_ref().and_then(|e| e.downcast_ref::<WrongSum>()) {
            return Error::new(
                ErrorKind::Image,
                format!("{path} is not the file that {path}.sha256 describes"),
            )
            .detail(format!("expected: {}\nfound:    {}", mismatch.expected, mismatch.found))
            .hint("Build or fetch it anew.");
        }
        let what = match error.kind() {
            io::ErrorKind::UnexpectedEof => "ends too early".to_owned(),
            _ => format!("is damaged: {error}"),
        };
        Error::new(ErrorKind::Image, format!("{path} {what}")).hint("Build or fetch it anew.")
    }
}

/// An image of pirun's own, member by member. Most are zeros, and these are known by their looks.
struct Members<R> {
    packed: R,
    unpacker: Unpacker,
    member: Vec<u8>,
    /// What the last member held, and how much of it was given out.
    raw: Vec<u8>,
    at: usize,
    /// A packed member of zeros that was seen.
    zeros: Option<Vec<u8>>,
}

impl<R: Read> Members<R> {
    fn new(packed: R) -> Result<Self> {
        let unpacker = Unpacker::new().map_err(|error| Error::bug(error.to_string()))?;
        let (member, raw) = (Vec::new(), Vec::new());
        Ok(Self { packed, unpacker, member, raw, at: 0, zeros: None })
    }

    /// Unpacks the next member; false at the end.
    fn advance(&mut self) -> io::Result<bool> {
        self.member.clear();
        (&mut self.packed).take(HEAD as u64).read_to_end(&mut self.member)?;
        if self.member.is_empty() {
            return Ok(false);
        }
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "not all of it is an image");
        let (codec, note) = Codec::read_head(&self.member).ok_or_else(damaged)?;
        let left = u64::from(note.packed).saturating_sub(self.member.len() as u64);
        (&mut self.packed).take(left).read_to_end(&mut self.member)?;
        if self.member.len() != note.packed as usize {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at = 0;
        // What stands before tells of free space, and may differ.
        let from = if codec == Codec::Gzip { HEAD } else { HEAD - 8 };
        let seen = |zeros: &Vec<u8>| {
            zeros.len() == self.member.len() && zeros[from..] == self.member[from..]
        };
        if note.raw as usize == MEMBER && self.zeros.as_ref().is_some_and(seen) {
            self.raw.clear();
            self.raw.resize(MEMBER, 0);
            return Ok(true);
        }
        self.raw = self.unpacker.unpack(&self.member)?;
        if self.zeros.is_none() && self.raw.len() == MEMBER && is_zero(&self.raw) {
            self.zeros = Some(self.member.clone());
        }
        Ok(true)
    }
}

impl<R: Read> Read for Members<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if self.at == self.raw.len() && !self.advance()? {
            return Ok(0);
        }
        let rest = &self.raw[self.at..];
        let len = rest.len().min(bytes.len());
        bytes[..len].copy_from_slice(&rest[..len]);
        self.at += len;
        Ok(len)
    }
}

/// The file as it is, hashed where somebody wrote down what should come out.
struct Counted {
    file: File,
    hasher: Option<Sha256>,
    expected: Option<String>,
}

/// The file's hash is another one.
#[derive(Debug, thiserror::Error)]
#[error("wrong checksum")]
struct WrongSum {
    expected: String,
    found: String,
}

impl Read for Counted {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(bytes)?;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&bytes[..read]);
        }
        let hasher = if read == 0 && !bytes.is_empty() { self.hasher.take() } else { None };
        if let (Some(hasher), Some(expected)) = (hasher, &self.expected) {
            let found = hex(&hasher.finalize());
            if found != *expected {
                return Err(io::Error::other(WrongSum { expected: expected.clone(), found }));
            }
        }
        Ok(read)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn packing(head: &[u8; HEAD]) -> std::result::Result<Packing, &'static str> {
    if Codec::read_head(head).is_some() {
        return Ok(Packing::Members);
    }
    match head {
        [0x1f, 0x8b, ..] => Ok(Packing::Gzip),
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Ok(Packing::Zstd),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Err("xz"),
        [b'B', b'Z', b'h', ..] => Err("bzip2"),
        [b'P', b'K', 3, 4, ..] => Err("zip"),
        [b'7', b'z', 0xbc, 0xaf, ..] => Err("7-Zip"),
        [0x04, 0x22, 0x4d, 0x18, ..] => Err("lz4"),
        _ => Ok(Packing::Raw),
    }
}

/// `FILE.sha256`, as `sha256sum` writes it.
fn sums_beside(path: &Path) -> Result<Option<String>> {
    let mut name = path.as_os_str().to_owned();
    name.push(".sha256");
    let beside = PathBuf::from(name);
    let text = match std::fs::read_to_string(&beside) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io(&beside, &error)),
    };
    let sum = text.split_whitespace().next().unwrap_or_default().to_lowercase();
    if sum.len() == 64 && sum.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(Some(sum));
    }
    Err(Error::new(ErrorKind::Image, format!("{} holds no SHA-256", beside.display()))
        .hint("It should be what `sha256sum` prints. Remove it to write the image unchecked."))
}
