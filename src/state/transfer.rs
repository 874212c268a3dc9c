//! Files of any size, up and down: streamed, hashed, and resumed where a cut run stopped.

use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::attributes::Attributes;
use super::file::check_path;
use super::node::Node;
use super::{Aspect, Change};
use crate::error::{Error, Result};
use crate::remote::quote::sh_quote;
use crate::remote::{Converge, Query, refusal};

/// Told how many bytes are done, out of how many.
pub type Progress<'a> = &'a mut (dyn FnMut(u64, u64) + Send);

const CHUNK: usize = 1024 * 1024;

/// Copies a local file to the node.
pub struct Upload<'a> {
    pub local: &'a Path,
    pub remote: &'a str,
    /// Hash and size of the local file, from [`hash_file`]; computed once for all hosts.
    pub sha256: &'a str,
    pub size: u64,
    pub attributes: Attributes,
}

impl Upload<'_> {
    pub fn bring(&self, node: &Node, progress: Progress) -> Result<Change> {
        check_path(self.remote)?;
        let change = Change::of("upload", self.remote);
        let seen = node.remote().converge(&self.probe(node))?;
        if !seen.differs {
            return Ok(change);
        }
        let before = seen.found.lines().next().and_then(|size| size.parse().ok());
        let change = match before {
            Some(before) => change.with(Aspect::Binary { before, after: self.size }),
            None => {
                change.with(Aspect::Created).with(Aspect::Binary { before: 0, after: self.size })
            }
        };
        if !node.is_dry() {
            self.send(node, progress)?;
        }
        node.note_change();
        Ok(change)
    }

    /// Only looks: the content takes a channel of its own.
    fn probe(&self, node: &Node) -> Converge {
        let path = sh_quote(self.remote);
        Converge {
            key: format!("file {}", self.remote),
            probe: format!(
                "p_real {path}; if [ -f \"$R\" ]; then stat -c %s \"$R\"; sha256sum <\"$R\"; \
                 elif [ -d \"${{R%/*}}/\" ]; then printf absent; else printf nowhere; fi"
            ),
            wanted: format!("{}\n{}  -", self.size, self.sha256),
            apply: ":".into(),
            path: self.remote.to_owned(),
            scope: node.current_scope(),
            ..Converge::default()
        }
    }

    fn send(&self, node: &Node, progress: Progress) -> Result<()> {
        let start = self.resume_point(node)?;
        let mut file = fs::File::open(self.local).map_err(|e| Error::io(self.local, &e))?;
        file.seek(SeekFrom::Start(start)).map_err(|e| Error::io(self.local, &e))?;
        let mut input = Counted { inner: file, done: start, size: self.size, progress };
        // A cut link looks like the end of the content: what arrived stays, for the next run to go on from.
        // SSH guards the bytes on their way; what an earlier run has left is checked as a whole.
        let check = if start == 0 {
            format!("[ \"$s\" = {} ]", self.size)
        } else {
            format!("[ \"$(sha256sum <\"$t\")\" = '{}  -' ]", self.sha256)
        };
        let script = format!(
            "p_real {path}\nMARKED=\nt=${{R%/*}}/.${{R##*/}}.pirun-part\n\
             [ {start} != 0 ] || f_begin \"$R\" \"$t\" {attributes} || exit\n\
             cat >>\"$t\" || exit\n\
             s=$(stat -c %s \"$t\")\n\
             [ \"$s\" -ge {size} ] || {{ echo the content arrived only in part >&2; exit 1; }}\n\
             {check} || {{ rm -f \"$t\"; echo the content arrived damaged >&2; exit 1; }}\n\
             f_finish \"$t\" \"$R\"",
            path = sh_quote(self.remote),
            attributes = self.attributes.shell_arguments(),
            size = self.size,
        );
        match node.remote().stream_to(&script, &mut input)? {
            Some(output) if output.code != 0 => {
                Err(refusal(&String::from_utf8_lossy(&output.stderr), None).with_code(output.code))
            }
            _ => Ok(()),
        }
    }

    /// How much of the file an earlier, cut run has left beside the target, if it is really the same.
    fn resume_point(&self, node: &Node) -> Result<u64> {
        let script = format!(
            "p_real {}; t=${{R%/*}}/.${{R##*/}}.pirun-part; [ -s \"$t\" ] || exit 0; stat -c %s \"$t\"; sha256sum <\"$t\"",
            sh_quote(self.remote)
        );
        let output = node.remote().query(&Query { script, ..Query::default() })?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let Some((size, hash)) = text.split_once('\n') else { return Ok(0) };
        let size: u64 = size.parse().unwrap_or(0);
        if size == 0 || size > self.size {
            return Ok(0);
        }
        let file = fs::File::open(self.local).map_err(|e| Error::io(self.local, &e))?;
        let local = hash_reader(file.take(size)).map_err(|e| Error::io(self.local, &e))?;
        Ok(if hash.trim_end() == format!("{local}  -") { size } else { 0 })
    }
}

/// Copies a file of the node here. The local file appears whole or not at all.
pub fn download(node: &Node, remote: &str, local: &Path, progress: Progress) -> Result<Change> {
    check_path(remote)?;
    let change = Change::of("download", local.display().to_string());
    let script = format!("stat -c %s {0} && sha256sum <{0}", sh_quote(remote));
    let output = node.remote().query(&Query { script, ..Query::default() })?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (size, hash) = text.split_once('\n').ok_or_else(|| {
        Error::file(format!("{remote} cannot be read"))
            .detail(String::from_utf8_lossy(&output.stderr))
    })?;
    let size: u64 = size.parse().unwrap_or(0);
    let hash = hash.split(' ').next().unwrap_or("");
    let before = fs::metadata(local).ok().map(|meta| meta.len());
    if before == Some(size) && hash_file(local)?.0 == hash {
        return Ok(change);
    }
    let change = change.with(Aspect::Binary { before: before.unwrap_or(0), after: size });
    if !node.is_dry() {
        receive(node, remote, local, (size, hash), progress)?;
    }
    Ok(change)
}

fn receive(
    node: &Node,
    remote: &str,
    local: &Path,
    (size, hash): (u64, &str),
    progress: Progress,
) -> Result<()> {
    let folder = local.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let io = |e: std::io::Error| Error::io(local, &e);
    let mut temp = tempfile::NamedTempFile::new_in(folder).map_err(io)?;
    let mut sink =
        Hashing { inner: temp.as_file_mut(), hash: Sha256::new(), done: 0, size, progress };
    let output = node.remote().stream_from(&format!("cat {}", sh_quote(remote)), &mut sink)?;
    let received = hex(&sink.hash.finalize());
    if output.code != 0 || received != hash {
        return Err(Error::file(format!("{remote} arrived damaged"))
            .detail(String::from_utf8_lossy(&output.stderr))
            .hint("It may have changed while it was read. Try again."));
    }
    temp.as_file().sync_all().map_err(io)?;
    temp.persist(local).map_err(|e| io(e.error))?;
    Ok(())
}

/// Hash (lower-case hex) and size of a local file, read in chunks.
pub fn hash_file(path: &Path) -> Result<(String, u64)> {
    let io = |e: std::io::Error| Error::io(path, &e);
    let file = fs::File::open(path).map_err(io)?;
    let size = file.metadata().map_err(io)?.len();
    Ok((hash_reader(file).map_err(io)?, size))
}

fn hash_reader(mut reader: impl Read) -> std::io::Result<String> {
    let mut hash = Sha256::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        match reader.read(&mut chunk)? {
            0 => return Ok(hex(&hash.finalize())),
            read => hash.update(&chunk[..read]),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A reader that tells how far it is.
struct Counted<'a> {
    inner: fs::File,
    done: u64,
    size: u64,
    progress: Progress<'a>,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.done += read as u64;
        (self.progress)(self.done, self.size);
        Ok(read)
    }
}

/// A writer that hashes and tells how far it is.
struct Hashing<'a, W> {
    inner: W,
    hash: Sha256,
    done: u64,
    size: u64,
    progress: Progress<'a>,
}

impl<W: Write> Write for Hashing<'_, W> {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        let written = self.inner.write(buffer)?;
        self.hash.update(&buffer[..written]);
        self.done += written as u64;
        (self.progress)(self.done, self.size);
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}
