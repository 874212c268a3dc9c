//! A small package repository in every node, so that `apk` has something to install without a network. Packages of
//! format 2, signed with a key made for it: what apk checks on a real node, it checks here.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::fetch::{require, run};
use crate::tree;

/// Where the repositories are in a node: `main` is configured, `next` has newer versions.
const PLACE: &str = "opt/lab-packages";
const KEY: &str = "pirun-lab.rsa.pub";
const ARCH: &str = std::env::consts::ARCH;
/// Seconds since 1970: when everything in here was made.
const MADE: u64 = 1_700_000_000;

/// What one package holds.
struct Package {
    name: &'static str,
    version: &'static str,
    depends: &'static [&'static str],
    /// Path, mode, text.
    files: &'static [(&'static str, u32, &'static str)],
}

const MAIN: &[Package] = &[
    Package {
        name: "lab-hello",
        version: "1.0-r0",
        depends: &["lab-greeting"],
        files: &[("usr/bin/lab-hello", 0o755, "#!/bin/sh\ncat /usr/share/lab-greeting\n")],
    },
    Package {
        name: "lab-greeting",
        version: "1.0-r0",
        depends: &[],
        files: &[("usr/share/lab-greeting", 0o644, "hello\n")],
    },
    Package {
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

const NEXT: &[Package] = &[Package {
    name: "lab-greeting",
    version: "2.0-r0",
    depends: &[],
    files: &[("usr/share/lab-greeting", 0o644, "hello again\n")],
}];

/// Puts the repositories and their public key into a node's root, and lets apk use `main`.
pub fn install(root: &Path) -> Result<()> {
    let signer = Signer::create(&root.join("etc/apk/keys").join(KEY))?;
    for (name, packages) in [("main", MAIN), ("next", NEXT)] {
        write_repository(&root.join(PLACE).join(name).join(ARCH), packages, &signer)?;
    }
    tree::write(&root.join("etc/apk/repositories"), format!("/{PLACE}/main\n"), 0o644)
}

fn write_repository(dir: &Path, packages: &[Package], signer: &Signer) -> Result<()> {
    let mut index = String::new();
    for package in packages {
        let (bytes, entry) = package.build(signer)?;
        tree::write(&dir.join(format!("{}-{}.apk", package.name, package.version)), bytes, 0o644)?;
        index.push_str(&entry);
    }
    let mut archive = archive();
    append(&mut archive, "DESCRIPTION", 0o644, b"pirun-lab\n")?;
    append(&mut archive, "APKINDEX", 0o644, index.as_bytes())?;
    tree::write(
        &dir.join("APKINDEX.tar.gz"),
        signer.signed(&compress(&archive.into_inner()?)?)?,
        0o644,
    )
}

impl Package {
    /// The package's file, and its entry in the index.
    fn build(&self, signer: &Signer) -> Result<(Vec<u8>, String)> {
        let data = compress(&self.data()?)?;
        let mut control = archive();
        append(&mut control, ".PKGINFO", 0o644, self.info(&data).as_bytes())?;
        let control = compress(&cut(control.into_inner()?))?;
        let mut file = signer.signed(&control)?;
        file.extend(&data);
        let entry = format!(
            "C:Q1{}\nP:{}\nV:{}\nA:{ARCH}\nS:{}\nI:{}\nT:a package of the lab\nU:none\nL:MIT\no:{}\nt:{MADE}\n{}\n",
            base64(&Sha1::digest(&control)),
            self.name,
            self.version,
            file.len(),
            self.size(),
            self.name,
            // An empty list would make the whole index invalid.
            if self.depends.is_empty() {
                String::new()
            } else {
                format!("D:{}\n", self.depends.join(" "))
            }
        );
        Ok((file, entry))
    }

    fn info(&self, data: &[u8]) -> String {
        let depends: String =
            self.depends.iter().map(|name| format!("depend = {name}\n")).collect();
        format!(
            "pkgname = {}\npkgver = {}\npkgdesc = a package of the lab\nurl = none\nbuilddate = {MADE}\nsize = {}\n\
             arch = {ARCH}\norigin = {}\nlicense = MIT\n{depends}datahash = {}\n",
            self.name,
            self.version,
            self.size(),
            self.name,
            hex(&Sha256::digest(data))
        )
    }

    fn size(&self) -> usize {
        self.files.iter().map(|(_, _, text)| text.len()).sum()
    }

    /// The files, each with its hash, behind the directories that lead to them.
    fn data(&self) -> Result<Vec<u8>> {
        let mut archive = archive();
        for (path, mode, text) in self.files {
            let parents: Vec<&Path> =
                Path::new(path).ancestors().skip(1).filter(|dir| *dir != Path::new("")).collect();
            for dir in parents.into_iter().rev() {
                let mut header = header(0o755, 0);
                header.set_entry_type(tar::EntryType::Directory);
                archive.append_data(&mut header, dir, std::io::empty())?;
            }
            let hash = hex(&Sha1::digest(text));
            append_hash(&mut archive, &hash)?;
            append(&mut archive, path, *mode, text.as_bytes())?;
        }
        Ok(archive.into_inner()?)
    }
}

/// A private key that exists while the repositories are built.
struct Signer {
    dir: tempfile::TempDir,
}

impl Signer {
    /// Makes the key; its public half goes to `public`.
    fn create(public: &Path) -> Result<Self> {
        require("openssl", "openssl")?;
        let signer = Self { dir: tempfile::tempdir()? };
        run(Command::new("openssl").args(["genrsa", "-out"]).arg(signer.key()).arg("2048"))?;
        run(Command::new("openssl")
            .args(["rsa", "-pubout", "-in"])
            .arg(signer.key())
            .arg("-out")
            .arg(public))?;
        Ok(signer)
    }

    fn key(&self) -> PathBuf {
        self.dir.path().join("key")
    }

    /// `blob` behind a gzip member that holds its signature.
    fn signed(&self, blob: &[u8]) -> Result<Vec<u8>> {
        let (input, output) = (self.dir.path().join("blob"), self.dir.path().join("signature"));
        fs::write(&input, blob)?;
        run(Command::new("openssl")
            .args(["dgst", "-sha256", "-sign"])
            .arg(self.key())
            .arg("-out")
            .arg(&output)
            .arg(&input))?;
        let mut archive = archive();
        append(&mut archive, &format!(".SIGN.RSA256.{KEY}"), 0o644, &fs::read(&output)?)?;
        let mut signed = compress(&cut(archive.into_inner()?))?;
        signed.extend(blob);
        Ok(signed)
    }
}

fn archive() -> tar::Builder<Vec<u8>> {
    tar::Builder::new(Vec::new())
}

fn header(mode: u32, size: u64) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    // The library leaves this zero, which apk does not take for a file.
    header.set_entry_type(tar::EntryType::Regular);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(MADE);
    header.set_uid(0);
    header.set_gid(0);
    // Set to names that fit always.
    let _ = header.set_username("root").and_then(|()| header.set_groupname("root"));
    header
}

fn append(
    archive: &mut tar::Builder<Vec<u8>>,
    path: &str,
    mode: u32,
    content: &[u8],
) -> Result<()> {
    let appended = archive.append_data(&mut header(mode, content.len() as u64), path, content);
    appended.with_context(|| format!("add {path}"))
}

/// Adds what apk keeps of the file that follows. The library would write this without a name, which ends an archive
/// for apk.
fn append_hash(archive: &mut tar::Builder<Vec<u8>>, hash: &str) -> Result<()> {
    // A record begins with its own length: two digits, a blank, and the line's end among it.
    let record = format!("APK-TOOLS.checksum.SHA1={hash}\n");
    let record = format!("{} {record}", record.len() + 3);
    let mut header = header(0o644, record.len() as u64);
    header.set_entry_type(tar::EntryType::XHeader);
    Ok(archive.append_data(&mut header, "PaxHeaders/file", record.as_bytes())?)
}

/// Without the blocks that end an archive: what follows in the file belongs to the same one.
fn cut(mut archive: Vec<u8>) -> Vec<u8> {
    archive.truncate(archive.len() - 1024);
    archive
}

fn compress(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn base64(bytes: &[u8]) -> String {
    base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes)
}
