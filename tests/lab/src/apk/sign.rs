//! Signatures of packages and indices: RSA over SHA-256, in a gzip member in front of what is signed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::archive::{Archive, Meta};
use crate::fetch::{require, run};

/// A private key that exists while packages are built.
pub struct Signer {
    dir: tempfile::TempDir,
    /// The file name of the public half, which signatures are named after.
    name: String,
}

impl Signer {
    /// Makes a key; its public half goes to `public`, whose file name becomes the key's.
    pub fn create(public: &Path) -> Result<Self> {
        require("openssl", "openssl")?;
        let name = public.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let signer = Self { dir: tempfile::tempdir()?, name };
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

    /// `blob` behind its signature, which was made at `made`, in seconds since 1970.
    pub fn signed(&self, blob: &[u8], made: u64) -> Result<Vec<u8>> {
        let scratch = tempfile::tempdir_in(self.dir.path())?;
        let (input, output) = (scratch.path().join("blob"), scratch.path().join("signature"));
        fs::write(&input, blob)?;
        run(Command::new("openssl")
            .args(["dgst", "-sha256", "-sign"])
            .arg(self.key())
            .arg("-out")
            .arg(&output)
            .arg(&input))?;
        let mut archive = Archive::new();
        let name = format!(".SIGN.RSA256.{}", self.name);
        archive.file(&name, Meta::of_root(0o644, made), &fs::read(&output)?)?;
        let mut signed = archive.finish_cut()?;
        signed.extend(blob);
        Ok(signed)
    }
}
