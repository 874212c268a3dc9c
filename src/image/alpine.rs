//! Which Alpine an image is made of: branch, architecture, where packages come from.

use std::path::PathBuf;

use crate::error::{Error, Result};

/// Alpine's own mirror, which redirects to nothing and is served all over the world.
pub const MIRROR: &str = "https://dl-cdn.alpinelinux.org/alpine";

/// What is done about install scripts that pirun does not understand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnknownScripts {
    /// The build ends with an error that names the package and the line.
    #[default]
    Refuse,
    /// They run in a namespace, with qemu where the architecture is another.
    Run,
    /// They are left out.
    Skip,
}

/// The source of packages.
#[derive(Debug, Clone)]
pub struct Alpine {
    /// `v3.23`.
    pub branch: String,
    /// As Alpine calls it: `aarch64`, `armv7`, `armhf`, `x86_64`.
    pub arch: String,
    /// Asked one after the other until one answers.
    pub mirrors: Vec<String>,
    /// `main`, `community`.
    pub repositories: Vec<String>,
    /// Public keys besides Alpine's own: file name and PEM text.
    pub keys: Vec<(String, String)>,
    /// Where the choice of packages is kept.
    pub lock: PathBuf,
    /// Chooses anew, and writes the lock file.
    pub update: bool,
    /// Takes packages from the cache only.
    pub offline: bool,
    pub scripts: UnknownScripts,
}

impl Default for Alpine {
    fn default() -> Self {
        Self {
            branch: "v3.23".to_owned(),
            arch: "aarch64".to_owned(),
            mirrors: vec![MIRROR.to_owned()],
            repositories: vec!["main".to_owned(), "community".to_owned()],
            keys: Vec::new(),
            lock: PathBuf::from("image.lock"),
            update: false,
            offline: false,
            scripts: UnknownScripts::default(),
        }
    }
}

impl UnknownScripts {
    /// The words of the playbook.
    pub const NAMES: [&'static str; 3] = ["error", "qemu", "skip"];

    /// # Errors
    /// For another word.
    pub fn parse(word: &str) -> Result<Self> {
        match word {
            "error" => Ok(Self::Refuse),
            "qemu" => Ok(Self::Run),
            "skip" => Ok(Self::Skip),
            _ => Err(Error::playbook(format!("`scripts` of `rootfs` cannot be `{word}`"))
                .hint(format!("It is one of {}.", Self::NAMES.join(", ")))),
        }
    }
}

impl Alpine {
    /// Where the node's own `apk` looks, one line a repository: the first mirror's.
    pub fn repository_urls(&self) -> Vec<String> {
        let mirror = self.mirrors.first().map_or(MIRROR, String::as_str).trim_end_matches('/');
        let url = |repository| format!("{mirror}/{}/{repository}", self.branch);
        self.repositories.iter().map(url).collect()
    }

    /// Checks what would otherwise become part of a URL or a path.
    ///
    /// # Errors
    /// For an unknown architecture, a branch that is none, and a mirror that is no URL.
    pub fn check(&self) -> Result<()> {
        const ARCHES: [&str; 4] = ["aarch64", "armv7", "armhf", "x86_64"];
        if !ARCHES.contains(&&*self.arch) {
            return Err(Error::playbook(format!("there is no architecture `{}`", self.arch)).hint(
                "aarch64 is for a Pi 3 and newer, armv7 for a Pi 2, armhf for a Pi 1 and Zero.",
            ));
        }
        let plain = |text: &str| {
            let good = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
            !text.is_empty() && text.chars().all(good) && !text.split('/').any(|part| part == "..")
        };
        if !plain(&self.branch) || self.branch.contains('/') {
            return Err(Error::playbook(format!("`{}` is no branch of Alpine", self.branch))
                .hint("It is called v3.23, for example."));
        }
        for repository in &self.repositories {
            if !plain(repository) {
                return Err(Error::playbook(format!("`{repository}` is no repository of Alpine"))
                    .hint("They are called main and community."));
            }
        }
        for mirror in &self.mirrors {
            let schemes = ["https://", "http://", "file:///"];
            if !schemes.iter().any(|scheme| mirror.starts_with(scheme)) {
                return Err(Error::playbook(format!("the mirror `{mirror}` is no URL"))
                    .hint(format!("Alpine's own is {MIRROR}.")));
            }
        }
        Ok(())
    }
}
