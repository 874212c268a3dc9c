//! The image's name, and who may log in.

use super::Rootfs;
use super::owner::home;
use crate::error::Result;
use crate::state::{Attributes, AuthorizedKey, Change, Directory, File, Hostname};

impl Rootfs {
    /// Gives the image a name.
    ///
    /// # Errors
    /// When `/etc/hostname` leads nowhere.
    pub fn hostname(&mut self, name: &Hostname) -> Result<Change> {
        self.edit("hostname", "/etc/hostname", |_| format!("{}\n", name.name()))
    }

    /// Lets the holder of a key log in.
    ///
    /// # Errors
    /// When there is no such user in the image.
    pub fn authorized_key(&mut self, key: &AuthorizedKey) -> Result<Change> {
        let dir = format!("{}/.ssh", home(&self.tree, &key.user)?);
        let path = format!("{dir}/authorized_keys");
        let before = self.text(&path)?.unwrap_or_default();
        if key.is_in(&before) {
            return Ok(Change::of("authorized_key", &key.user));
        }
        let private =
            |mode| Attributes { mode: Some(mode), owner: Some(key.user.clone()), group: None };
        self.bring(&Directory { path: dir, attributes: private(0o700) })?;
        let file = File {
            verb: "authorized_key",
            path,
            content: key.added_to(&before).into_bytes(),
            attributes: private(0o600),
            ..File::default()
        };
        self.bring(&file)
    }
}
