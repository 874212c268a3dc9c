//! The fields of a package, as an index has them (`P:busybox`) and as the package itself does (`pkgname = busybox`).

use super::checksum::Checksum;
use super::dependency::{Dependency, Provide};
use super::package::Package;
use super::version::Version;

/// The fields of one package that were read so far. All are optional until [`Fields::finish`].
#[derive(Debug, Default)]
pub(super) struct Fields {
    name: Option<String>,
    version: Option<Version>,
    arch: String,
    checksum: Option<Checksum>,
    size: u64,
    installed_size: u64,
    description: String,
    url: String,
    license: String,
    origin: String,
    maintainer: String,
    build_time: i64,
    commit: String,
    provider_priority: u16,
    depends: Vec<Dependency>,
    provides: Vec<Provide>,
    install_if: Vec<Dependency>,
    unusable: Option<String>,
}

impl Fields {
    pub fn is_empty(&self) -> bool {
        self.name.is_none() && self.version.is_none() && self.checksum.is_none()
    }

    /// Takes one field, by the letter that an index uses. What only a newer `apk` understands makes the package
    /// unusable, or is left out, as `apk` does.
    ///
    /// # Errors
    /// With what is wrong with the value.
    pub fn set(&mut self, letter: char, value: &str) -> Result<(), String> {
        match letter {
            'P' => self.name = Some(name(value)?),
            'V' => match Version::parse(value) {
                Ok(version) => self.version = Some(version),
                Err(error) => return Err(error.message().to_owned()),
            },
            'C' => match Checksum::parse(value) {
                Some(checksum) => self.checksum = Some(checksum),
                None => return Err(format!("`{value}` is not a checksum that begins with Q1")),
            },
            'A' => value.clone_into(&mut self.arch),
            'S' => self.size = number(value)?,
            'I' => self.installed_size = number(value)?,
            'T' => value.clone_into(&mut self.description),
            'U' => value.clone_into(&mut self.url),
            'L' => value.clone_into(&mut self.license),
            'o' => value.clone_into(&mut self.origin),
            'm' => value.clone_into(&mut self.maintainer),
            't' => self.build_time = number(value)?,
            'c' => value.clone_into(&mut self.commit),
            'k' => self.provider_priority = number(value)?,
            'D' => match Dependency::parse_list(value) {
                Ok(list) => self.depends.extend(list),
                Err(error) => self.unusable = Some(error.message().to_owned()),
            },
            'p' => {
                let names = value.split_ascii_whitespace();
                self.provides.extend(names.filter_map(|name| Provide::parse(name).ok()));
            }
            // Half a rule would install too much.
            'i' => self.install_if = Dependency::parse_list(value).unwrap_or_default(),
            // Fields of the installed database.
            'F' | 'M' | 'R' | 'Z' => {}
            letter if letter.is_ascii_uppercase() => {
                self.unusable = Some(format!("its field `{letter}` needs a newer reader"));
            }
            _ => {}
        }
        Ok(())
    }

    /// The package.
    ///
    /// # Errors
    /// With what is missing.
    pub fn finish(self, checksum: Option<Checksum>) -> Result<Package, String> {
        Ok(Package {
            name: self.name.ok_or("a package has no name")?,
            version: self.version.ok_or("a package has no version")?,
            checksum: checksum.or(self.checksum).ok_or("a package has no checksum")?,
            arch: self.arch,
            size: self.size,
            installed_size: self.installed_size,
            description: self.description,
            url: self.url,
            license: self.license,
            origin: self.origin,
            maintainer: self.maintainer,
            build_time: self.build_time,
            commit: self.commit,
            provider_priority: self.provider_priority,
            depends: self.depends,
            provides: self.provides,
            install_if: self.install_if,
            unusable: self.unusable,
        })
    }
}

/// Names end up in paths and URLs, so they must be what `apk` allows.
fn name(value: &str) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte);
    let starts_well = value.starts_with(|first: char| first.is_ascii_alphanumeric());
    if starts_well && value.bytes().all(allowed) {
        return Ok(value.to_owned());
    }
    Err(format!("`{value}` cannot be the name of a package"))
}

fn number<N: std::str::FromStr>(value: &str) -> Result<N, String> {
    value.parse().map_err(|_| format!("`{value}` is not a number, or too large a one"))
}
