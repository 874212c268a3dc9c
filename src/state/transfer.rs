//! Files of any size, up and down: streamed, hashed, and resumed where a cut run stopped.

use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::attributes::Attributes;
use super::file::{check_path, not_a_file};
use super::node::Node;
use super::{Aspect, Change};
use crate::error::{Error, Result};
use crate::remote::quote::sh_quote;
use crate::remote::{Converge, Converged, Query, refusal};

/// Told how many bytes are done, out of how many.
pub type Progress<'a> = &'a mut (dyn FnMut(u64, u64) + Send);

const CHUNK: usize = 1024 * 1024;

/// Copies a local file to the node.
pub struct Upload<'a> {
    pub local: &'a Path,
    pub remote: &'a str,
    /// Bytes of the local file.
    pub size: u64,
    /// Its hash, as [`hash_file`] gives it. Asked for only where sizes do not tell it all.
    pub sha256: &'a dyn Fn() -> Result<String>,
    pub attributes: Attributes,
}

/// What the node has at the place of an upload.
struct Found<'a> {
    /// Mode and owner, as far as they are wanted.
    attributes: Vec<&'a str>,
    /// `None`: there is no file.
    size: Option<u64>,
    /// Only if the size is the wanted one.
    sha256: Option<&'a str>,
}

impl Upload<'_> {
    pub fn bring(&self, node: &Node, progress: Progress) -> Result<Change> {
        check_path(self.remote)?;
        let seen = node.remote().look(&self.look())?;
        let found = self.found(&seen)?;
        let same = found.sha256.is_some() && found.sha256 == Some(&(self.sha256)()?);
        let change = self.change(&found, same);
        if !change.changed() || !node.agrees(&change)? {
            return Ok(change.unless_changed());
        }
        if node.is_dry() {
            node.make(Converge { wanted: self.wanted()?, ..self.look() })?;
        } else if same {
            node.make_now(self.key(), self.remote, self.attributes.set(self.remote))?;
        } else {
            node.make_now(self.key(), self.remote, String::new())?;
            self.send(node, left_behind(&seen), progress)?;
        }
        Ok(change)
    }

    fn key(&self) -> String {
        format!("file {}", self.remote)
    }

    /// Only looks: the content takes a channel of its own. Shows what an earlier, cut run has left beside the target.
    fn look(&self) -> Converge {
        let path = sh_quote(self.remote);
        Converge {
            key: self.key(),
            probe: format!(
                "f_state {path} {format} ''; [ ! -f \"$R\" ] || {{ s=$(stat -c %s \"$R\"); echo \"$s\"; \
                 [ \"$s\" != {size} ] || sha256sum <\"$R\"; }}",
                format = sh_quote(&self.attributes.stat_format()),
                size = self.size,
            ),
            show: format!(
                "p_real {path}; t=${{R%/*}}/.${{R##*/}}.pirun-part; [ -L \"$t\" ] || [ ! -s \"$t\" ] || [ ! -O \"${{t%/*}}/\" ] || {{ stat -c %s \"$t\"; sha256sum <\"$t\"; }}"
            ),
            path: self.remote.to_owned(),
            ..Converge::default()
        }
    }

    /// What the look prints when all is well.
    fn wanted(&self) -> Result<String> {
        let (attributes, hash) = (self.attributes.stat_line(), (self.sha256)()?);
        Ok(format!("file {attributes}\n{}\n{hash}  -", self.size))
    }

    fn found<'a>(&self, seen: &'a Converged) -> Result<Found<'a>> {
        let mut words = seen.found.split_whitespace();
        let kind = words.next().unwrap_or("absent");
        if !matches!(kind, "file" | "absent" | "nowhere") {
            return Err(not_a_file(self.remote, kind));
        }
        let attributes = words.by_ref().take(self.attributes.facets().count()).collect();
        let size = words.next().and_then(|size| size.parse().ok());
        Ok(Found { attributes, size, sha256: words.next() })
    }

    fn change(&self, found: &Found, same: bool) -> Change {
        let mut change = Change { key: self.key(), ..Change::of("upload", self.remote) };
        let Some(before) = found.size else {
            let content = Aspect::Binary { before: 0, after: self.size };
            let remark = self.attributes.remark(0o644);
            return change.with(Aspect::Created).with(content).remark(remark);
        };
        if !same {
            change = change.with(Aspect::Binary { before, after: self.size });
        }
        change.aspects.extend(self.attributes.differences(&found.attributes));
        change
    }

    fn send(&self, node: &Node, left: Option<(u64, String)>, progress: Progress) -> Result<()> {
        let start = self.resume_point(left)?;
        let mut file = fs::File::open(self.local).map_err(|e| Error::io(self.local, &e))?;
        file.seek(SeekFrom::Start(start)).map_err(|e| Error::io(self.local, &e))?;
        let receive = match start {
            0 => format!("f_new \"$R\" \"$t\" {} cat", self.attributes.shell_arguments()),
            _ => "cat >>\"$t\"".to_owned(),
        };
        // A cut link looks like the end of the content: what arrived stays, for the next run to go on from.
        // SSH guards the bytes on their way; what an earlier run has left is checked as a whole.
        let check = if start == 0 {
            format!("[ \"$s\" = {} ]", self.size)
        } else {
            format!("[ \"$(sha256sum <\"$t\")\" = '{}  -' ]", (self.sha256)()?)
        };
        let script = format!(
            "p_real {path}\nMARKED=\nt=${{R%/*}}/.${{R##*/}}.pirun-part\n\
             {receive} || exit\n\
             s=$(stat -c %s \"$t\")\n\
             [ \"$s\" -ge {size} ] || {{ echo the content arrived only in part >&2; exit 1; }}\n\
             {check} || {{ rm -f \"$t\"; echo the content arrived damaged >&2; exit 1; }}\n\
             f_finish \"$t\" \"$R\"",
            path = sh_quote(self.remote),
            size = self.size,
        );
        let size = self.size;
        let mut told = |done| progress(done, size);
        match node.remote().send_file(&script, &file, &mut told)? {
            Some(output) if output.code != 0 => {
                Err(refusal(&String::from_utf8_lossy(&output.stderr), None).with_code(output.code))
            }
            _ => Ok(()),
        }
    }

    /// How much of the file need not be sent, because a cut run has sent it, and it is really the same.
    fn resume_point(&self, left: Option<(u64, String)>) -> Result<u64> {
        let Some((size, hash)) = left.filter(|(size, _)| *size <= self.size) else { return Ok(0) };
        let file = fs::File::open(self.local).map_err(|e| Error::io(self.local, &e))?;
        let local = hash_reader(file.take(size)).map_err(|e| Error::io(self.local, &e))?;
        Ok(if hash == local { size } else { 0 })
    }
}

/// Size and hash of what an earlier, cut run has left.
fn left_behind(seen: &Converged) -> Option<(u64, String)> {
    let shown = String::from_utf8_lossy(&seen.shown);
    let mut words = shown.split_whitespace();
    Some((words.next()?.parse().ok()?, words.next()?.to_owned()))
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
