//! A small package repository in every node, so that `apk` has something to install without a network.

use std::path::Path;

use anyhow::Result;

use crate::apk::{Content, Entry, Info, Package, Signer, write_repository};
use crate::tree;

/// Where the repositories are in a node: `main` is configured, `next` has newer versions.
const PLACE: &str = "opt/lab-packages";
const KEY: &str = "pirun-lab.rsa.pub";
const ARCH: &str = std::env::consts::ARCH;
/// Seconds since 1970: when everything in here was made.
const MADE: u64 = 1_700_000_000;

/// What one package holds.
struct Recipe {
    name: &'static str,
    version: &'static str,
    depends: &'static [&'static str],
    /// Path, mode, text.
    files: &'static [(&'static str, u32, &'static str)],
}

const MAIN: &[Recipe] = &[
    Recipe {
        name: "lab-hello",
        version: "1.0-r0",
        depends: &["lab-greeting"],
        files: &[("usr/bin/lab-hello", 0o755, "#!/bin/sh\ncat /usr/share/lab-greeting\n")],
    },
    Recipe {
        name: "lab-greeting",
        version: "1.0-r0",
        depends: &[],
        files: &[("usr/share/lab-greeting", 0o644, "hello\n")],
    },
    Recipe {
        name: "lab-daemon",
        version: "1.0-r0",
        depends: &["openrc"],
        files: &[(
            "etc/init.d/lab-daemon",
            0o755,
            "#!/sbin/openrc-run\ncommand=/bin/sleep\ncommand_args=2147483647\ncommand_background=true\n\
             pidfile=/run/lab-daemon.pid\n",
        )],
    },
];

const NEXT: &[Recipe] = &[Recipe {
    name: "lab-greeting",
    version: "2.0-r0",
    depends: &[],
    files: &[("usr/share/lab-greeting", 0o644, "hello again\n")],
}];

/// Puts the repositories and their public key into a node's root, and lets apk use `main`.
pub fn install(root: &Path) -> Result<()> {
    let signer = Signer::create(&root.join("etc/apk/keys").join(KEY))?;
    for (name, recipes) in [("main", MAIN), ("next", NEXT)] {
        let packages: Vec<Package> = recipes.iter().map(Recipe::package).collect();
        let dir = root.join(PLACE).join(name);
        write_repository(&dir, ARCH, &packages, "pirun-lab", MADE, &signer)?;
    }
    tree::write(&root.join("etc/apk/repositories"), format!("/{PLACE}/main\n"), 0o644)
}

impl Recipe {
    fn package(&self) -> Package {
        let info = Info {
            name: self.name.into(),
            version: self.version.into(),
            arch: ARCH.into(),
            description: "a package of the lab".into(),
            url: "none".into(),
            license: "MIT".into(),
            origin: self.name.into(),
            built: MADE,
            depends: self.depends.iter().map(|&name| name.into()).collect(),
            ..Info::default()
        };
        let mut package = Package { info, ..Package::default() };
        for (path, mode, text) in self.files {
            package.add(path, Entry::of_root(Content::File(text.as_bytes().to_vec()), *mode));
        }
        package
    }
}
