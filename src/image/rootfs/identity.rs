//! What tells one image from another: an id that follows from all that is in it.

use sha2::{Digest, Sha256};

use super::Rootfs;
use crate::error::Result;
use crate::image::{Content, Kind};
use crate::state::File;

/// Where the node reads it.
pub const IMAGE: &str = "/etc/pirun/image";
/// Where the node reads which versions it takes no more.
const FLOOR: &str = "/etc/pirun/floor";

impl Rootfs {
    /// Names the image by its content, in `/etc/pirun/image`, and gives the id: `img-` and 16 hex digits. The same
    /// packages and the same changes give the same id. Nodes that ran it take none below the version `floor`.
    ///
    /// # Errors
    /// When `/etc/pirun` is no directory.
    pub fn identify(&mut self, floor: u64) -> Result<String> {
        self.tree.remove(IMAGE);
        self.tree.remove(FLOOR);
        if floor > 0 {
            self.write_line(FLOOR, &floor.to_string())?;
        }
        let digest = self.digest();
        let id: String = digest[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        let id = format!("img-{id}");
        self.write_line(IMAGE, &id)?;
        Ok(id)
    }

    fn write_line(&mut self, path: &str, line: &str) -> Result<()> {
        let content = format!("{line}\n").into_bytes();
        self.bring(&File { verb: "file", path: path.to_owned(), content, ..File::default() })?;
        Ok(())
    }

    /// Files of packages count by their packages' checksums, all else by its content.
    fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for package in &self.packages {
            hash.update(format!("{} {}\n", package.full_name(), package.checksum));
        }
        for (path, entry) in self.tree.iter() {
            let what = match &entry.kind {
                Kind::File(Content::Bytes(bytes)) => format!("{:x?}", Sha256::digest(bytes)),
                Kind::File(content) => content.len().to_string(),
                other => format!("{other:?}"),
            };
            let (mode, uid, gid, mtime) = (entry.mode, entry.uid, entry.gid, entry.mtime);
            hash.update(format!(
                "{path:?} {mode:o} {uid} {gid} {mtime} {what} {:?}\n",
                entry.xattrs
            ));
        }
        hash.finalize().into()
    }

    /// The version of an installed package.
    pub fn version_of(&self, name: &str) -> Option<String> {
        let package = self.packages.iter().find(|package| package.name == name)?;
        Some(package.version.to_string())
    }
}
