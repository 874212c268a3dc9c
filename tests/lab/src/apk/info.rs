//! What a package says of itself, in the package and in the repository's index.

use std::fmt::Write as _;

/// The fields of `.PKGINFO`.
#[derive(Clone, Debug, Default)]
pub struct Info {
    pub name: String,
    pub version: String,
    pub arch: String,
    pub description: String,
    pub url: String,
    pub license: String,
    pub origin: String,
    pub maintainer: String,
    pub commit: String,
    /// Seconds since 1970.
    pub built: u64,
    pub depends: Vec<String>,
    pub provides: Vec<String>,
    pub replaces: Vec<String>,
    pub install_if: Vec<String>,
    /// Patterns of the directories whose changes call the trigger script.
    pub triggers: Vec<String>,
    pub provider_priority: Option<u32>,
    pub replaces_priority: Option<u32>,
}

impl Info {
    /// The text of `.PKGINFO`. `size`: bytes of all files; `data_hash`: SHA-256 of the compressed data, in hex.
    pub fn pkginfo(&self, size: u64, data_hash: &str) -> String {
        let mut text = String::new();
        let mut field = |key: &str, value: &str| {
            if !value.is_empty() {
                let _ = writeln!(text, "{key} = {value}");
            }
        };
        field("pkgname", &self.name);
        field("pkgver", &self.version);
        field("pkgdesc", &self.description);
        field("url", &self.url);
        field("builddate", &self.built.to_string());
        field("maintainer", &self.maintainer);
        field("size", &size.to_string());
        field("arch", &self.arch);
        field("origin", &self.origin);
        field("commit", &self.commit);
        field("license", &self.license);
        field("replaces_priority", &optional(self.replaces_priority));
        field("provider_priority", &optional(self.provider_priority));
        for (key, values) in
            [("depend", &self.depends), ("provides", &self.provides), ("replaces", &self.replaces)]
        {
            values.iter().for_each(|value| field(key, value));
        }
        // These two are lists in one line.
        field("install_if", &self.install_if.join(" "));
        field("triggers", &self.triggers.join(" "));
        field("datahash", data_hash);
        text
    }

    /// The package's paragraph in `APKINDEX` for `arch`: apk looks there for `noarch` packages too. `identity`: SHA-1 of the compressed control part, as `Q1…`; `file`: size
    /// of the package; `size`: bytes of all files.
    pub fn index_entry(&self, arch: &str, identity: &str, file: u64, size: u64) -> String {
        let fields = [
            ('C', identity.to_owned()),
            ('P', self.name.clone()),
            ('V', self.version.clone()),
            ('A', arch.to_owned()),
            ('S', file.to_string()),
            ('I', size.to_string()),
            ('T', self.description.clone()),
            ('U', self.url.clone()),
            ('L', self.license.clone()),
            ('o', self.origin.clone()),
            ('m', self.maintainer.clone()),
            ('t', self.built.to_string()),
            ('c', self.commit.clone()),
            ('k', optional(self.provider_priority)),
            ('D', self.depends.join(" ")),
            ('p', self.provides.join(" ")),
            ('i', self.install_if.join(" ")),
        ];
        let mut entry = String::new();
        // An empty list would make the whole index invalid.
        for (letter, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
            let _ = writeln!(entry, "{letter}:{value}");
        }
        entry + "\n"
    }
}

fn optional(number: Option<u32>) -> String {
    number.map(|number| number.to_string()).unwrap_or_default()
}
