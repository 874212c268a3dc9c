//! Which kernel modules must be loaded, in which order.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

/// The modules of a kernel, by name.
pub struct Modules {
    files: BTreeMap<String, PathBuf>,
    builtin: BTreeSet<String>,
}

/// A module as it is to be loaded.
pub struct Module {
    pub name: String,
    pub content: Vec<u8>,
}

impl Modules {
    /// `dir` is the kernel's `lib/modules/VERSION`.
    pub fn find(dir: &Path) -> Result<Self> {
        let list = dir.join("modules.builtin");
        let list = fs::read_to_string(&list).with_context(|| format!("read {}", list.display()))?;
        let builtin = list.lines().filter_map(|line| Some(module_name(line)?.0)).collect();
        let mut modules = Self { files: BTreeMap::new(), builtin };
        modules.collect(dir)?;
        Ok(modules)
    }

    /// Those modules and all that they depend on, each behind what it depends on; but for what is built in.
    pub fn closure(&self, names: &[&str]) -> Result<Vec<Module>> {
        let mut order = Vec::new();
        names.iter().try_for_each(|name| self.visit(&plain(name), &mut order))?;
        Ok(order)
    }

    fn visit(&self, name: &str, order: &mut Vec<Module>) -> Result<()> {
        if self.builtin.contains(name) || order.iter().any(|module| module.name == name) {
            return Ok(());
        }
        let Some(path) = self.files.get(name) else {
            bail!("the kernel has no module {name}");
        };
        let content = read(path)?;
        for dependency in dependencies(&content).split(',').filter(|name| !name.is_empty()) {
            self.visit(&plain(dependency), order)?;
        }
        order.push(Module { name: name.to_owned(), content });
        Ok(())
    }

    fn collect(&mut self, dir: &Path) -> Result<()> {
        for entry in fs::read_dir(dir).with_context(|| format!("read {}", dir.display()))? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                self.collect(&entry.path())?;
            } else if let Some((name, "ko" | "ko.xz")) =
                module_name(&entry.file_name().to_string_lossy())
            {
                self.files.insert(name, entry.path());
            }
        }
        Ok(())
    }
}

/// Name and extension.
fn module_name(path: &str) -> Option<(String, &str)> {
    let (name, extension) = path.rsplit('/').next()?.split_once('.')?;
    Some((plain(name), extension))
}

/// Files are named with `-` or `_` as their authors liked; the kernel makes no difference.
fn plain(name: &str) -> String {
    name.replace('-', "_")
}

fn read(path: &Path) -> Result<Vec<u8>> {
    if path.extension().is_some_and(|extension| extension == "xz") {
        let output = Command::new("xz").arg("-dc").arg(path).output().context("run xz")?;
        ensure!(output.status.success(), "xz -dc {}: {}", path.display(), output.status);
        return Ok(output.stdout);
    }
    fs::read(path).with_context(|| format!("read {}", path.display()))
}

/// The value of `depends=` in the section `.modinfo`, a list of strings that end with zeros.
fn dependencies(module: &[u8]) -> String {
    const MARK: &[u8] = b"\0depends=";
    let start = module.windows(MARK.len()).position(|window| window == MARK);
    let value = start.map_or(&[][..], |start| &module[start + MARK.len()..]);
    let end = value.iter().position(|&byte| byte == 0).unwrap_or(value.len());
    String::from_utf8_lossy(&value[..end]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_comes_behind_what_it_depends_on_and_once() -> Result<()> {
        let dir = tempfile::tempdir()?;
        fs::write(dir.path().join("modules.builtin"), "kernel/crypto/crc32c_generic.ko\n")?;
        for (file, depends) in [
            ("fs/ext4.ko", "jbd2,crc16"),
            ("fs/jbd2.ko", "crc16,crc32c_generic"),
            ("lib/crc16.ko", ""),
            ("usb/udc-core.ko", ""),
            ("usb/dwc2.ko", "udc-core"),
        ] {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().context("a parent")?)?;
            fs::write(path, format!("\x7fELF\0license=GPL\0depends={depends}\0name=x\0"))?;
        }
        let found = Modules::find(dir.path())?.closure(&["ext4", "dwc2", "crc16"])?;
        let names: Vec<_> = found.iter().map(|module| module.name.as_str()).collect();
        assert_eq!(names, ["crc16", "jbd2", "ext4", "udc_core", "dwc2"]);
        assert!(Modules::find(dir.path())?.closure(&["vfat"]).is_err());
        Ok(())
    }
}
