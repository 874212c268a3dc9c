//! Packages and indexes made for tests, signed with a key made for them.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use flate2::Compression;
use flate2::write::GzEncoder;
use sha1::{Digest as _, Sha1};
use sha2::Sha256;
use tar::EntryType;

use super::{Checksum, Index, Keys, Package};

pub(crate) const KEY: &str = "test@example.org-1.rsa.pub";

/// A key pair of this process.
pub(crate) struct Signer {
    dir: tempfile::TempDir,
}

pub(crate) static SIGNER: LazyLock<Signer> = LazyLock::new(|| {
    let signer = Signer { dir: tempfile::tempdir().unwrap() };
    openssl(Command::new("openssl").args(["genrsa", "-out"]).arg(signer.path("key")).arg("2048"));
    openssl(
        Command::new("openssl")
            .args(["rsa", "-pubout", "-in"])
            .arg(signer.path("key"))
            .arg("-out")
            .arg(signer.path("pub")),
    );
    signer
});

fn openssl(command: &mut Command) -> Vec<u8> {
    let output = command.output().expect("the tests need `openssl`");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

impl Signer {
    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    pub fn keys(&self) -> Keys {
        let mut keys = Keys::default();
        keys.add(KEY, &std::fs::read_to_string(self.path("pub")).unwrap()).unwrap();
        keys
    }

    /// `blob` behind a member with its signature of the kind `RSA`, `RSA256` or `RSA512`.
    pub fn signed(&self, blob: &[u8], kind: &str) -> Vec<u8> {
        let hash = match kind {
            "RSA256" => "-sha256",
            "RSA512" => "-sha512",
            _ => "-sha1",
        };
        let input = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(input.path(), blob).unwrap();
        let signature = openssl(
            Command::new("openssl")
                .args(["dgst", hash, "-sign"])
                .arg(self.path("key"))
                .arg(input.path()),
        );
        let name = format!(".SIGN.{kind}.{KEY}");
        let member = gzip(&cut(tar(|tar| tar.file(&name, 0o644, &signature))));
        [&*member, blob].concat()
    }

    /// A signed index with that text.
    pub fn index(&self, text: &str) -> Vec<u8> {
        let archive = tar(|tar| {
            tar.file("DESCRIPTION", 0o644, b"test-1");
            tar.file("APKINDEX", 0o644, text.as_bytes());
        });
        self.signed(&gzip(&archive), "RSA256")
    }

    /// A package with these lines in its `.PKGINFO`, these scripts, and that tar as its data.
    pub fn package(&self, info: &str, scripts: &[(&str, &str)], data: &[u8]) -> (Vec<u8>, Package) {
        let data = gzip(data);
        let hash: String = Sha256::digest(&data).iter().map(|byte| format!("{byte:02x}")).collect();
        let info = format!("{info}datahash = {hash}\n");
        let control = gzip(&cut(tar(|tar| {
            tar.file(".PKGINFO", 0o644, info.as_bytes());
            for (name, text) in scripts {
                tar.file(name, 0o755, text.as_bytes());
            }
        })));
        let bytes = [&*self.signed(&control, "RSA"), &data].concat();
        let checksum = Checksum(Sha1::digest(&control).into());
        let value = |key: &str| info.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        let entry = format!(
            "C:{checksum}\nP:{}\nV:{}\nS:{}\n",
            value("pkgname = "),
            value("pkgver = "),
            bytes.len()
        );
        let package = Package::clone(&Index::parse(&entry).unwrap()[0]);
        (bytes, package)
    }
}

/// Writes tars for tests, good ones and bad ones.
pub(crate) struct Tar(tar::Builder<Vec<u8>>);

/// A tar with its end.
pub(crate) fn tar(fill: impl FnOnce(&mut Tar)) -> Vec<u8> {
    let mut archive = Tar(tar::Builder::new(Vec::new()));
    fill(&mut archive);
    archive.0.into_inner().unwrap()
}

/// Without the blocks that end an archive.
pub(crate) fn cut(mut archive: Vec<u8>) -> Vec<u8> {
    archive.truncate(archive.len() - 1024);
    archive
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

impl Tar {
    pub fn file(&mut self, path: &str, mode: u32, content: &[u8]) {
        self.entry(EntryType::Regular, path, "", mode, content);
    }

    pub fn directory(&mut self, path: &str) {
        self.entry(EntryType::Directory, path, "", 0o755, b"");
    }

    pub fn link(&mut self, path: &str, target: &str) {
        self.entry(EntryType::Symlink, path, target, 0o777, b"");
    }

    /// An entry of any kind; path and target are taken as they are.
    pub fn entry(&mut self, kind: EntryType, path: &str, target: &str, mode: u32, content: &[u8]) {
        let mut header = tar::Header::new_ustar();
        let fields = header.as_ustar_mut().unwrap();
        fields.name[..path.len()].copy_from_slice(path.as_bytes());
        fields.linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(content.len() as u64);
        header.set_mtime(1_700_000_000);
        header.set_uid(0);
        header.set_gid(42);
        header.set_username("root").unwrap();
        header.set_groupname("shadow").unwrap();
        if matches!(kind, EntryType::Char | EntryType::Block) {
            header.set_device_major(5).unwrap();
            header.set_device_minor(1).unwrap();
        }
        header.set_cksum();
        self.0.append(&header, content).unwrap();
    }

    /// Extended fields for the entry that follows.
    pub fn pax(&mut self, fields: &[(&str, &[u8])]) {
        self.0.append_pax_extensions(fields.iter().copied()).unwrap();
    }
}

/// Writes a package to a file of its own.
pub(crate) fn written(dir: &Path, package: &Package, bytes: &[u8]) -> std::path::PathBuf {
    let path = dir.join(package.file_name());
    std::fs::write(&path, bytes).unwrap();
    path
}
