//! SQLite's write-ahead log: the pages that a database file still lacks. So a copy of both can be read as one database
//! without any file. Source: <https://www.sqlite.org/fileformat2.html#the_write_ahead_log>, section 4.

use std::collections::HashMap;
use std::io::{self, Read};

use super::wrong;
use crate::backup::unit;
use crate::error::Result;

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
/// The last bit says in which byte order checksums are computed.
const MAGIC: u32 = 0x377f_0682;
/// Bytes of a log. A server whose log never got smaller has had some gigabytes.
const MAX_SIZE: u64 = 8 << 30;

/// The log's committed pages.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Wal {
    /// By number, from 1.
    pages: HashMap<u32, Vec<u8>>,
    /// Pages of the database after the last commit; 0: there is none.
    size: u32,
    page_size: usize,
}

impl Wal {
    /// Reads a log up to its last commit. As SQLite does, it ends at the first frame that does not fit: that one was not
    /// written to its end, or is left from before.
    pub fn read(source: &mut dyn Read) -> Result<Self> {
        Self::parse(&mut source.take(MAX_SIZE)).map_err(unit::failed)
    }

    fn parse(source: &mut dyn Read) -> io::Result<Self> {
        let mut wal = Self::default();
        let Some(header) = read_exactly(source, HEADER)? else { return Ok(wal) };
        let (magic, page_size) = (word(&header, 0), word(&header, 8) as usize);
        let is_big = magic & 1 == 1;
        let mut sum = checksum((0, 0), &header[..24], is_big);
        let is_known = magic & !1 == MAGIC
            && page_size.is_power_of_two()
            && (512..=65_536).contains(&page_size)
            && sum == (word(&header, 24), word(&header, 28));
        if !is_known {
            return Ok(wal);
        }
        wal.page_size = page_size;
        let mut pending = Vec::new();
        while let Some(frame) = read_exactly(source, FRAME_HEADER + page_size)? {
            let (head, page) = frame.split_at(FRAME_HEADER);
            sum = checksum(checksum(sum, &head[..8], is_big), page, is_big);
            let fits = head[8..16] == header[16..24] && sum == (word(head, 16), word(head, 20));
            if !fits || word(head, 0) == 0 {
                break;
            }
            pending.push((word(head, 0), page.to_vec()));
            let size = word(head, 4);
            if size > 0 {
                wal.pages.extend(pending.drain(..));
                wal.size = size;
            }
        }
        Ok(wal)
    }
}

/// `None` where fewer bytes are left.
fn read_exactly(source: &mut dyn Read, count: usize) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::with_capacity(count);
    source.take(count as u64).read_to_end(&mut bytes)?;
    Ok((bytes.len() == count).then_some(bytes))
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn checksum((mut one, mut two): (u32, u32), bytes: &[u8], is_big: bool) -> (u32, u32) {
    let read = |word: &[u8]| {
        let word = [word[0], word[1], word[2], word[3]];
        if is_big { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) }
    };
    for pair in bytes.chunks_exact(8) {
        one = one.wrapping_add(read(&pair[..4])).wrapping_add(two);
        two = two.wrapping_add(read(&pair[4..])).wrapping_add(one);
    }
    (one, two)
}

/// Bytes of a database's header that are read before anything else.
const DATABASE_HEADER: usize = 100;

/// A database as it is with its log, page after page. It says of itself that it has no log: SQLite reads no other in
/// memory.
pub struct Merged<'a> {
    source: &'a mut dyn Read,
    wal: Wal,
    page_size: usize,
    /// Pages of the whole, and of those how many were given.
    pages: u32,
    given: u32,
    /// The present page, and how much of it was read.
    page: Vec<u8>,
    read: usize,
    /// What of `source`'s first page was read already.
    begin: Vec<u8>,
}

impl<'a> Merged<'a> {
    /// `size`: bytes of the database file.
    pub fn new(source: &'a mut dyn Read, size: u64, wal: Option<Wal>) -> Result<Self> {
        let begin = read_exactly(source, DATABASE_HEADER)
            .map_err(unit::failed)?
            .filter(|begin| begin.starts_with(b"SQLite format 3\0"))
            .ok_or_else(|| wrong("its datastore is no SQLite database"))?;
        let page_size = match usize::from(u16::from_be_bytes([begin[16], begin[17]])) {
            1 => 65_536,
            size if size.is_power_of_two() && size >= 512 => size,
            size => return Err(wrong(format!("its datastore has pages of {size} bytes"))),
        };
        let wal = wal.filter(|wal| wal.size > 0 && wal.page_size == page_size).unwrap_or_default();
        let pages = match wal.size {
            0 => u32::try_from(size.div_ceil(page_size as u64))
                .map_err(|_| wrong("its datastore is too large for SQLite"))?,
            size => size,
        };
        let (page, read) = (Vec::new(), 0);
        Ok(Self { source, wal, page_size, pages, given: 0, page, read, begin })
    }

    /// Bytes of the whole.
    pub fn size(&self) -> usize {
        self.pages as usize * self.page_size
    }

    fn next_page(&mut self) -> io::Result<()> {
        let mut page = std::mem::take(&mut self.begin);
        let rest = self.page_size - page.len();
        (&mut *self.source).take(rest as u64).read_to_end(&mut page)?;
        self.given += 1;
        self.page = self.wal.pages.remove(&self.given).unwrap_or(page);
        // A page that is in neither was cut off.
        if self.page.len() != self.page_size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if self.given == 1 {
            self.page[18..20].copy_from_slice(&[1, 1]);
        }
        self.read = 0;
        Ok(())
    }
}

impl Read for Merged<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.read == self.page.len() {
            if self.given == self.pages {
                return Ok(0);
            }
            self.next_page()?;
        }
        let read = (&self.page[self.read..]).read(buffer)?;
        self.read += read;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use proptest::prelude::*;
    use rusqlite::Connection;

    use super::*;

    /// What was done to a database, and copies of it and its log.
    fn written(steps: &[(u8, u16)], directory: &Path) -> (Vec<u8>, Vec<u8>) {
        let path = directory.join("state.db");
        let connection = Connection::open(&path).unwrap();
        connection
            .execute_batch(
                "PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=7; PRAGMA auto_vacuum=FULL;
                 CREATE TABLE IF NOT EXISTS kine(id INTEGER PRIMARY KEY AUTOINCREMENT, value BLOB)",
            )
            .unwrap();
        for (kind, size) in steps {
            match kind % 4 {
                0 => connection.execute("DELETE FROM kine WHERE id % 3 = 0", []).map(drop),
                1 => connection.execute_batch("VACUUM"),
                2 => connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())),
                _ => connection
                    .execute("INSERT INTO kine(value) VALUES(randomblob(?1))", [size])
                    .map(drop),
            }
            .unwrap();
        }
        let copy = (fs::read(&path).unwrap(), fs::read(directory.join("state.db-wal")).unwrap());
        drop(connection);
        copy
    }

    fn rows(connection: &Connection) -> Vec<(i64, Vec<u8>)> {
        let mut statement = connection.prepare("SELECT id, value FROM kine ORDER BY id").unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.map(Result::unwrap).collect()
    }

    /// `None` where a page is in neither.
    fn in_memory(database: &[u8], log: &[u8]) -> Option<Vec<(i64, Vec<u8>)>> {
        let wal = Wal::read(&mut &log[..]).unwrap();
        let (mut source, size) = (database, database.len() as u64);
        let merged = Merged::new(&mut source, size, Some(wal)).unwrap();
        let (mut connection, size) = (Connection::open_in_memory().unwrap(), merged.size());
        let ends_early = database.len() < size;
        let read = connection.deserialize_read_exact("main", merged, size, true);
        if ends_early && read.is_err() {
            return None;
        }
        read.unwrap();
        let whole: String =
            connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(whole, "ok");
        Some(rows(&connection))
    }

    fn by_sqlite(database: &[u8], log: &[u8]) -> Vec<(i64, Vec<u8>)> {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("state.db"), database).unwrap();
        fs::write(directory.path().join("state.db-wal"), log).unwrap();
        rows(&Connection::open(directory.path().join("state.db")).unwrap())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

        #[test]
        fn a_log_is_read_as_sqlite_reads_it(steps in prop::collection::vec((0_u8..40, 1_u16..6000), 1..60), cut in 0_usize..9000, spoiled in 0_usize..9000) {
            let directory = tempfile::tempdir().unwrap();
            let (database, mut log) = written(&steps, directory.path());
            prop_assert_eq!(in_memory(&database, &log), Some(by_sqlite(&database, &log)));
            // Ends in the middle, as a log does when the power was cut.
            log.truncate(log.len().saturating_sub(cut).max(1));
            let at = log.len().saturating_sub(spoiled).min(log.len() - 1);
            log[at] ^= 1;
            // Without the newest frames the file may have pages of a later time: only SQLite knows what that gives. It takes
            // pages that are in neither for empty ones, where we refuse.
            if by_sqlite_is_whole(&database, &log) && let Some(rows) = in_memory(&database, &log) {
                prop_assert_eq!(rows, by_sqlite(&database, &log));
            }
        }
    }

    fn by_sqlite_is_whole(database: &[u8], log: &[u8]) -> bool {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("state.db"), database).unwrap();
        fs::write(directory.path().join("state.db-wal"), log).unwrap();
        let connection = Connection::open(directory.path().join("state.db")).unwrap();
        let said: std::result::Result<String, _> =
            connection.query_row("PRAGMA integrity_check", [], |row| row.get(0));
        said.is_ok_and(|said| said == "ok")
            && connection.prepare("SELECT id, value FROM kine").is_ok()
    }
}
