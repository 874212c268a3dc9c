//! The boot partition, which both slots share: firmware, device trees, U-Boot and its script, `config.txt`, `cmdline.txt`.
//!
//! All that differs is laid beside, compared, and renamed in one go, `cmdline.txt` last. Files that the image does not have stay:
//! the boot loader's record is one.

use std::io::Cursor;

use super::{Slots, UpdateImage, wrong};
use crate::diff;
use crate::error::{Error, Result};
use crate::image::pack::hex;
use crate::remote::quote::{sh_quote, sh_words};
use crate::remote::{Query, Run};
use crate::state::{Aspect, Change, Node};
use crate::units::size;

/// The files whose differences people read.
const TEXTS: [&str; 2] = ["config.txt", "cmdline.txt"];

/// The boot files of an image that a node is to have.
pub struct BootFiles<'a> {
    pub image: &'a UpdateImage,
}

impl BootFiles<'_> {
    /// Brings the boot partition's files to the image's state.
    ///
    /// # Errors
    /// When the boot partition is not mounted, is too small, or cannot be written. What it held stays then.
    pub fn bring(&self, node: &Node) -> Result<Change> {
        let slots = Slots::look(node)?;
        let dir = &*slots.boot_dir;
        if dir.is_empty() {
            return Err(wrong("no boot partition is mounted, neither at /uboot nor at /boot")
                .hint("`mount /uboot` on the node; /etc/fstab should name it."));
        }
        let change = Change::of("boot_files", dir);
        let differing = self.differing(node, dir)?;
        if differing.is_empty() {
            return Ok(change);
        }
        let files = self.image.boot_files()?;
        let change = self.describe(node, dir, &differing, change)?;
        if !node.agrees(&change)? {
            return Ok(change.unless_changed());
        }
        if !node.is_dry() {
            let archive = archive(files, &differing)?;
            self.put(node, dir, &differing, archive)?;
        }
        Ok(change)
    }

    /// Paths of files that are missing on the node or differ, in the order in which they are put into place.
    fn differing(&self, node: &Node, dir: &str) -> Result<Vec<&str>> {
        let script = format!("cd {} && find . -type f -exec sha256sum {{}} +", sh_quote(dir));
        let output = node.remote().query(&Query { script, ..Query::default() })?;
        let said = String::from_utf8_lossy(&output.stdout);
        let has = |path: &str, hash: &str| {
            said.lines().any(|line| line.split_once("  ./") == Some((hash, path)))
        };
        let mut differing: Vec<&str> = self
            .image
            .boot
            .iter()
            .filter(|(path, hash)| !has(path, &hex(&hash[..])))
            .map(|(path, _)| &**path)
            .collect();
        differing
            .sort_by_key(|path| TEXTS.iter().position(|text| text == path).map_or(0, |at| at + 1));
        Ok(differing)
    }

    fn describe(
        &self,
        node: &Node,
        dir: &str,
        paths: &[&str],
        mut change: Change,
    ) -> Result<Change> {
        let files = self.image.boot_files()?;
        let mut bytes = 0;
        for path in paths {
            let after = &files[*path];
            bytes += after.len() as u64;
            if TEXTS.contains(path) {
                let before = node.remote().read(&format!("{dir}/{path}"))?.unwrap_or_default();
                change = change.with(difference(path, &before, after));
            }
        }
        let others: Vec<&str> =
            paths.iter().copied().filter(|path| !TEXTS.contains(path)).collect();
        if !others.is_empty() {
            let after = others.join(" ");
            change = change.with(Aspect::Attribute { name: "new", before: None, after });
        }
        Ok(change.remark(format!("{} to send, for both slots", size(bytes))))
    }

    fn put(&self, node: &Node, dir: &str, paths: &[&str], archive: Vec<u8>) -> Result<()> {
        let script = format!("D={}\n{WRITABLE}\n{UNPACK}", sh_quote(dir));
        let output = node.remote().stream_to(&script, &mut Cursor::new(archive))?;
        if let Some(output) = output.filter(|output| output.code != 0) {
            return Err(failed(dir, &output.stderr));
        }
        let script = self.rename(dir, paths);
        match node.run(Run { script, ..Run::default() })? {
            Some(output) if output.code != 0 => Err(failed(dir, &output.stderr)),
            _ => Ok(()),
        }
    }

    /// Compares what has arrived, and renames it. The partition is writable for this moment only.
    fn rename(&self, dir: &str, paths: &[&str]) -> String {
        let sums: String = paths
            .iter()
            .map(|path| format!("{}  {path}\n", hex(&self.image.boot[*path][..])))
            .collect();
        let paths: Vec<String> = paths.iter().map(|&path| path.to_owned()).collect();
        format!(
            "D={dir}\n{WRITABLE}\ncd \"$D/.pirun\" && printf %s {sums} | sha256sum -cs || {{ echo the files arrived damaged >&2; exit 1; }}\n\
             for f in {names}; do\n\
             case $f in */*) mkdir -p \"$D/${{f%/*}}\" || exit ;; esac\n\
             mv -f \"$f\" \"$D/$f\" || exit\n\
             done\n\
             cd / && rm -rf \"$D/.pirun\" && sync",
            dir = sh_quote(dir),
            sums = sh_quote(&sums),
            names = sh_words(&paths),
        )
    }
}

/// How a text differs, with its name above.
fn difference(path: &str, before: &[u8], after: &[u8]) -> Aspect {
    let (before, after) = (String::from_utf8_lossy(before), String::from_utf8_lossy(after));
    let lines = diff::unified(&before, &after).into_iter().map(|line| line.text + "\n");
    Aspect::Patch { text: std::iter::once(format!("{path}\n")).chain(lines).collect() }
}

/// Makes the boot partition `D` writable until the shell ends.
const WRITABLE: &str = r#"if grep -q " $D [^ ]* ro[, ]" /proc/mounts; then
mount -o remount,rw "$D" || exit
trap 'cd /; mount -o remount,ro "$D"' EXIT
trap 'exit 130' HUP INT TERM
fi"#;

/// Unpacks an archive beside the files, and has it on the card before anything is renamed.
const UNPACK: &str = r#"rm -rf "$D/.pirun" && mkdir "$D/.pirun" && tar -xf - -C "$D/.pirun" && sync && exit
e=$?
rm -rf "$D/.pirun"
exit $e"#;

fn archive(files: &std::collections::BTreeMap<String, Vec<u8>>, paths: &[&str]) -> Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for path in paths {
        let bytes = &files[*path];
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, path, &bytes[..]).map_err(not_packed)?;
    }
    archive.into_inner().map_err(not_packed)
}

fn not_packed(error: std::io::Error) -> Error {
    Error::bug(format!("the boot files cannot be packed: {error}"))
}

fn failed(dir: &str, stderr: &[u8]) -> Error {
    wrong(format!("the boot partition at {dir} was not changed"))
        .detail(String::from_utf8_lossy(stderr))
        .hint("It needs room for old and new files at the same time.")
}
