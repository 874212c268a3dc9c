//! Which services of an image start at boot.

use super::{Lay, Rootfs, Seen};
use crate::error::{Error, Result};
use crate::image::Entry;
use crate::state::Service;

impl Lay for Service {
    fn look(&self, root: &Rootfs) -> Result<Seen> {
        if self.state.is_some() {
            return Err(Error::playbook(
                "nothing runs in an image, so a service has no `state` there",
            )
            .hint("`enabled: true` starts it at boot."));
        }
        if self.enabled == Some(true) && !root.exists(&format!("/etc/init.d/{}", self.name()))? {
            let names =
                root.tree.below("etc/init.d").filter_map(|(path, _)| path.rsplit('/').next());
            let shown = names.collect::<Vec<_>>().join("\n").into_bytes();
            return Ok(Seen { found: "missing".to_owned(), shown });
        }
        let enabled = root.tree.get(&self.link()).is_some();
        // The state, of which there is none, would stand behind the blank.
        Ok(Seen::found(if enabled { "enabled " } else { "disabled " }))
    }

    fn apply(&self, root: &mut Rootfs) -> Result<()> {
        match self.enabled {
            Some(true) => {
                root.put(&self.link(), Entry::link(format!("/etc/init.d/{}", self.name())))
            }
            _ => {
                root.tree.remove(&self.link());
                Ok(())
            }
        }
    }
}

impl Service {
    /// The link that makes a service part of a runlevel.
    fn link(&self) -> String {
        format!("etc/runlevels/{}/{}", self.runlevel, self.name())
    }
}
