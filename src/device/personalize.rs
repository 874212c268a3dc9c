//! What makes a card that of one host: files of its data partition.

use super::host_key::HostKey;
use crate::error::Result;
use crate::image::tree::{Entry, Kind, Tree};

const DROPBEAR: &str = "etc/dropbear";
const OPENSSH: &str = "etc/ssh";
const KEYS: &str = "root/.ssh/authorized_keys";

/// What a host's data partition gets besides what the image has there.
#[derive(Debug, Clone, Default)]
pub struct Personal {
    /// Paths below `/data`, and what is in them.
    pub files: Vec<(String, Vec<u8>)>,
    /// Lines of root's `authorized_keys`; those that are there stay.
    pub authorized_keys: Vec<String>,
    pub host_key: Option<HostKey>,
}

impl Personal {
    /// Puts everything into the tree of a data partition. Its time is that of the image, so that the same card comes
    /// out twice.
    ///
    /// # Errors
    /// When something else is in the way.
    pub fn lay_out(&self, data: &mut Tree) -> Result<()> {
        let time = data.get("").map_or(0, |root| root.mtime);
        for (path, content) in &self.files {
            data.insert(path, Entry::file(content.clone(), 0o644).at(time))?;
        }
        self.let_in(data, time)?;
        match &self.host_key {
            Some(key) => Self::identify(data, key, time),
            None => Ok(()),
        }
    }

    fn let_in(&self, data: &mut Tree, time: i64) -> Result<()> {
        if self.authorized_keys.is_empty() {
            return Ok(());
        }
        let known = data.read(KEYS)?.unwrap_or_default();
        let mut lines: Vec<String> =
            String::from_utf8_lossy(&known).lines().map(str::to_owned).collect();
        for key in &self.authorized_keys {
            let key = key.trim();
            if !lines.iter().any(|line| line == key) {
                lines.push(key.to_owned());
            }
        }
        for dir in ["root", "root/.ssh"] {
            // sshd wants nobody else to be able to write there.
            let directory = Entry::directory(0o700).at(time);
            data.insert(dir, directory)?;
        }
        let text = lines.join("\n") + "\n";
        data.insert(KEYS, Entry::file(text.into_bytes(), 0o600).at(time))
    }

    /// In the format of the server that the image has, which keeps its keys in a directory of the data partition.
    fn identify(data: &mut Tree, key: &HostKey, time: i64) -> Result<()> {
        let has = |dir: &str| matches!(data.get(dir).map(|e| &e.kind), Some(Kind::Directory));
        let (dropbear, openssh) = (has(DROPBEAR), has(OPENSSH));
        if openssh {
            let path = format!("{OPENSSH}/ssh_host_ed25519_key");
            let private = key.openssh()?.as_bytes().to_vec();
            data.insert(&path, Entry::file(private, 0o600).at(time))?;
            let public = format!("{}\n", key.public()).into_bytes();
            data.insert(&format!("{path}.pub"), Entry::file(public, 0o644).at(time))?;
        }
        if dropbear || !openssh {
            if !dropbear {
                data.insert(DROPBEAR, Entry::directory(0o700).at(time))?;
            }
            let path = format!("{DROPBEAR}/dropbear_ed25519_host_key");
            data.insert(&path, Entry::file(key.dropbear().to_vec(), 0o600).at(time))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn personal() -> Personal {
        Personal {
            files: vec![("etc/hostname".into(), b"rpi41\n".to_vec())],
            authorized_keys: vec!["ssh-ed25519 AAAAnew me\n".into()],
            host_key: Some(HostKey::generate("rpi41").unwrap()),
        }
    }

    fn paths(tree: &Tree) -> Vec<&str> {
        tree.iter().map(|(path, _)| path).collect()
    }

    #[test]
    fn an_image_without_either_server_gets_a_key_of_dropbears() {
        let mut data = Tree::new();
        personal().lay_out(&mut data).unwrap();
        assert_eq!(
            paths(&data),
            [
                "",
                "etc",
                "etc/dropbear",
                "etc/dropbear/dropbear_ed25519_host_key",
                "etc/hostname",
                "root",
                "root/.ssh",
                "root/.ssh/authorized_keys"
            ]
        );
    }

    #[test]
    fn the_key_has_the_format_of_the_images_server() {
        let mut data = Tree::new();
        data.insert("etc/ssh", Entry::directory(0o755)).unwrap();
        let personal = personal();
        personal.lay_out(&mut data).unwrap();
        let key = data.read("etc/ssh/ssh_host_ed25519_key").unwrap().unwrap();
        let key = HostKey::parse(std::str::from_utf8(&key).unwrap()).unwrap();
        assert_eq!(key.public(), personal.host_key.unwrap().public());
        assert!(data.get("etc/dropbear").is_none());
        assert_eq!(data.get("etc/ssh/ssh_host_ed25519_key").unwrap().mode, 0o600);
    }

    #[test]
    fn keys_that_are_let_in_already_stay_and_none_is_there_twice() {
        let mut data = Tree::new();
        data.insert(KEYS, Entry::file(*b"ssh-ed25519 AAAAold\n", 0o600)).unwrap();
        for _ in 0..2 {
            personal().lay_out(&mut data).unwrap();
        }
        let text = data.read(KEYS).unwrap().unwrap();
        assert_eq!(
            String::from_utf8(text).unwrap(),
            "ssh-ed25519 AAAAold\nssh-ed25519 AAAAnew me\n"
        );
    }
}
