//! A file with a content, and perhaps a mode and an owner.

use std::io::Read;

use sha2::{Digest, Sha256};

use super::attributes::Attributes;
use super::node::{Node, Wanted};
use super::{Aspect, Change};
use crate::error::{Error, ErrorKind, Result};
use crate::remote::quote::{sh_bytes, sh_quote};
use crate::remote::{Converge, Converged, Run, refusal};

/// Content up to this size travels inside the request; more is streamed over its own channel.
const INLINE_LIMIT: usize = 64 * 1024;
/// The node shows at most this much of the old content, plus one byte that says "there is more".
const SHOW_LIMIT: usize = 262_144;
const DEFAULT_MODE: u32 = 0o644;

/// A wanted file. Symlinks are followed unless `replace_link`: a link into `/data` stays a link.
#[derive(Debug, Clone, Default)]
pub struct File {
    /// The verb that wants it: `file`, `template`, `hostname`…
    pub verb: &'static str,
    pub path: String,
    pub content: Vec<u8>,
    pub attributes: Attributes,
    /// The content holds a secret: the diff only counts lines.
    pub secret: bool,
    pub replace_link: bool,
    /// Keeps the old content as `path~`.
    pub backup: bool,
}

impl File {
    /// Brings the file about.
    pub fn bring(&self, node: &Node) -> Result<Change> {
        if self.content.len() <= INLINE_LIMIT || node.is_dry() {
            return node.bring(self);
        }
        let converge = self.converge()?;
        let seen = node.remote().look(&converge)?;
        let change = Change { key: converge.key.clone(), ..self.change(&seen)? };
        if !change.changed() || !node.agrees(&change)? {
            return Ok(change.unless_changed());
        }
        node.make_now(converge.key, &self.path, self.save_old())?;
        self.stream(node, &mut &self.content[..], &sha256(&self.content))?;
        Ok(change)
    }

    /// Writes the file from a stream whose hash is known.
    fn stream(&self, node: &Node, content: &mut (dyn Read + Send), sha256: &str) -> Result<()> {
        let script = format!(
            "f_stream {} {} {sha256}",
            sh_quote(&self.path),
            self.attributes.shell_arguments()
        );
        match node.remote().stream_to(&script, content)? {
            Some(output) if output.code != 0 => {
                Err(refusal(&String::from_utf8_lossy(&output.stderr), None))
            }
            _ => Ok(()),
        }
    }

    fn apply(&self) -> String {
        let (word, encoded) = match self.content.len() {
            0..=INLINE_LIMIT => sh_bytes(&self.content),
            _ => (String::new(), false),
        };
        format!(
            "{}B={} C={word}\nf_put {} {}",
            self.save_old(),
            if encoded { "1" } else { "" },
            sh_quote(&self.path),
            self.attributes.shell_arguments()
        )
    }

    /// Shell text that keeps the old content, if that is wanted.
    fn save_old(&self) -> String {
        match self.backup {
            true => format!(
                "p_real {}; [ ! -f \"$R\" ] || cp -p \"$R\" \"$R~\" || return\n",
                sh_quote(&self.path)
            ),
            false => String::new(),
        }
    }

    fn content_aspect(&self, before: &[u8]) -> Aspect {
        let text = |bytes: &[u8]| {
            std::str::from_utf8(bytes).ok().filter(|t| !t.contains('\0')).map(str::to_owned)
        };
        match (text(before), text(&self.content)) {
            (before, after) if self.secret => Aspect::Secret {
                lines: crate::diff::lines_changed(
                    before.as_deref().unwrap_or_default(),
                    after.as_deref().unwrap_or_default(),
                ),
            },
            (Some(before), Some(after))
                if before.len() <= SHOW_LIMIT && after.len() <= SHOW_LIMIT =>
            {
                Aspect::Text { before, after }
            }
            _ => Aspect::Binary { before: before.len() as u64, after: self.content.len() as u64 },
        }
    }
}

impl Wanted for File {
    fn converge(&self) -> Result<Converge> {
        check_path(&self.path)?;
        let format = self.attributes.stat_format();
        let line = match self.attributes.stat_line() {
            line if line.is_empty() => "file".to_owned(),
            line => format!("file {line}"),
        };
        let path = sh_quote(&self.path);
        Ok(Converge {
            key: format!("file {}", self.path),
            probe: format!("f_state {path} {} 1", sh_quote(&format)),
            wanted: format!("{line}\n{}  -", sha256(&self.content)),
            facets: std::iter::once("kind")
                .chain(self.attributes.facets())
                .chain(["content", "stdin"])
                .collect(),
            show: format!("f_show {path}"),
            apply: self.apply(),
            path: self.path.clone(),
            content: Some(self.content.clone()),
            replaces_link: self.replace_link,
            ..Converge::default()
        })
    }

    fn change(&self, seen: &Converged) -> Result<Change> {
        let change = Change::of(self.verb, &self.path);
        if !seen.differs {
            return Ok(change);
        }
        let words: Vec<&str> = seen.found.split_whitespace().collect();
        let (kind, words) = words.split_first().map_or(("absent", &[][..]), |(k, w)| (*k, w));
        match kind {
            "absent" | "nowhere" | "link" => {
                let mode = if self.secret { 0o600 } else { DEFAULT_MODE };
                Ok(change
                    .with(Aspect::Created)
                    .with(self.content_aspect(b""))
                    .remark(self.attributes.remark(mode)))
            }
            "file" => {
                let mut change = change;
                if !words.contains(&&*sha256(&self.content)) {
                    change.aspects.push(self.content_aspect(&seen.shown));
                }
                change.aspects.extend(self.attributes.differences(words));
                Ok(change)
            }
            other => Err(not_a_file(&self.path, other)),
        }
    }
}

/// The present content and properties of a file are replaced only when it is one.
pub(super) fn not_a_file(path: &str, kind: &str) -> Error {
    let what = if kind == "directory" { "a directory" } else { "a device or socket" };
    Error::file(format!("{path} is {what}, not a file"))
}

/// Refuses paths that depend on where a shell happens to stand.
pub(super) fn check_path(path: &str) -> Result<()> {
    if !path.starts_with('/') {
        return Err(Error::new(ErrorKind::Playbook, format!("`{path}` is not an absolute path"))
            .hint("A path on a host starts with `/`."));
    }
    if path.contains(['\0', '\n']) || path.split('/').any(|part| part == "..") {
        return Err(Error::new(
            ErrorKind::Playbook,
            format!("`{}` is not a plain path", path.escape_debug()),
        ));
    }
    Ok(())
}

/// Opens the writable scope for a change that does not travel in a converge request.
pub(super) fn open_scope(node: &Node) -> Result<()> {
    if node.current_scope().mount.is_empty() {
        return Ok(());
    }
    match node.run(Run { script: ":".into(), ..Run::default() })? {
        Some(output) if output.code != 0 => {
            Err(refusal(&String::from_utf8_lossy(&output.stderr), None))
        }
        _ => Ok(()),
    }
}

/// The hash in lower-case hex.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
