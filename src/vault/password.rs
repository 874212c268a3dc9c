//! Where the vault's password comes from. The first source that is set wins; errors say which one it was.

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use base64::Engine as _;
use zeroize::{Zeroize, Zeroizing};

use super::credential::Credential;
use super::format::BASE64;
use super::kdf::Limits;
use super::sealed::{Unlocked, Vault};
use super::{VaultError, memory};
use crate::child::{self, PASSWORD_VARIABLE};

const COMMAND_VARIABLE: &str = "PIRUN_VAULT_PASSWORD_COMMAND";
const FILE_VARIABLE: &str = "PIRUN_VAULT_PASSWORD_FILE";
const KEY_VARIABLE: &str = "PIRUN_VAULT_KEY_FILE";

/// No password or key file is longer than this.
const MAX_LENGTH: u64 = 64 << 10;
const TRIES: usize = 3;

/// Shows a prompt and reads a line without showing it. Fails when there is no terminal.
pub type Ask = dyn Fn(&str) -> io::Result<Zeroizing<String>> + Send + Sync;

/// What the command line says about the password.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// A shell command that prints the password.
    pub command: Option<String>,
    /// A file with the password.
    pub password_file: Option<PathBuf>,
    /// A file with a 32-byte key.
    pub key_file: Option<PathBuf>,
    /// Ask on the terminal, whatever the environment says.
    pub ask: bool,
    /// The only slot to try.
    pub slot: Option<String>,
}

/// One place where a password or a key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    Command(String),
    PasswordFile(PathBuf),
    KeyFile(PathBuf),
    Environment,
    Terminal,
}

impl Sources {
    /// The source that counts: options before the environment; in each a command, a file, a key file, a password.
    pub fn source(&self, variable: impl Fn(&str) -> Option<OsString>) -> Source {
        let set = |name| variable(name).filter(|value| !value.is_empty());
        let options = [
            self.command.clone().map(Source::Command),
            self.password_file.clone().map(Source::PasswordFile),
            self.key_file.clone().map(Source::KeyFile),
            self.ask.then_some(Source::Terminal),
        ];
        let environment = [
            set(COMMAND_VARIABLE).map(|command| Source::Command(command.to_string_lossy().into())),
            set(FILE_VARIABLE).map(|file| Source::PasswordFile(file.into())),
            set(KEY_VARIABLE).map(|file| Source::KeyFile(file.into())),
            set(PASSWORD_VARIABLE).map(|_| Source::Environment),
        ];
        options.into_iter().chain(environment).flatten().next().unwrap_or(Source::Terminal)
    }

    /// Gets the password from where it is, and unlocks the vault with it. On a terminal there are three tries.
    ///
    /// # Errors
    /// Those of the source, and those of [`Vault::unlock`].
    pub fn unlock(
        &self,
        vault: &Vault,
        limits: &Limits,
        ask: &Ask,
    ) -> Result<Unlocked, VaultError> {
        self.unlock_and_keep(vault, limits, ask).map(|(unlocked, _)| unlocked)
    }

    /// The same, and gives the password too, for sealing the vault anew.
    ///
    /// # Errors
    /// As [`unlock`](Self::unlock).
    pub fn unlock_and_keep(
        &self,
        vault: &Vault,
        limits: &Limits,
        ask: &Ask,
    ) -> Result<(Unlocked, Credential), VaultError> {
        let source = self.source(|name| std::env::var_os(name));
        let tries = if source == Source::Terminal { TRIES } else { 1 };
        let what = match &self.slot {
            Some(label) => format!("Password of the vault's slot `{label}`: "),
            None => "Vault password: ".to_owned(),
        };
        let mut prompt = what.clone();
        for tries_left in (0..tries).rev() {
            let credential = source.read(&prompt, ask)?;
            memory::forbid_core_dumps();
            match vault.unlock(&credential, self.slot.as_deref(), limits) {
                Err(error) if error.is_wrong_credential() && tries_left > 0 => {
                    prompt = format!("That is not the password. {what}");
                }
                Err(error) => return Err(source.named_in(error)),
                Ok(unlocked) => return Ok((unlocked, credential)),
            }
        }
        Err(VaultError::NoSource)
    }
}

impl Source {
    /// # Errors
    /// No terminal, an unreadable file, a file that others can read, a command that fails, an empty password.
    pub fn read(&self, prompt: &str, ask: &Ask) -> Result<Credential, VaultError> {
        match self {
            Self::Command(command) => Credential::password(&run(command)?),
            Self::PasswordFile(path) => Credential::password(&read_password_file(path)?),
            Self::KeyFile(path) => read_key_file(path).map(Credential::KeyFile),
            Self::Environment => {
                let value = std::env::var_os(PASSWORD_VARIABLE).unwrap_or_default();
                let mut value = value.into_encoded_bytes();
                let credential = Credential::password(&value);
                value.zeroize();
                credential
            }
            Self::Terminal => {
                let typed = ask(prompt).map_err(no_terminal)?;
                Credential::password(typed.as_bytes())
            }
        }
    }

    fn named_in(&self, error: VaultError) -> VaultError {
        match error {
            VaultError::WrongCredential { tried, .. } => {
                VaultError::WrongCredential { what: self.to_string(), tried }
            }
            other => other,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(command) => write!(f, "password from `{command}`"),
            Self::PasswordFile(path) => write!(f, "password in {}", path.display()),
            Self::KeyFile(path) => write!(f, "key file {}", path.display()),
            Self::Environment => write!(f, "password in {PASSWORD_VARIABLE}"),
            Self::Terminal => f.write_str("password"),
        }
    }
}

pub(super) fn no_terminal(error: io::Error) -> VaultError {
    match error.kind() {
        io::ErrorKind::Interrupted | io::ErrorKind::UnexpectedEof => VaultError::Cancelled,
        _ => VaultError::NoSource,
    }
}

fn run(command: &str) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let output = child::command("sh")
        .args(["-c", command])
        .stdin(Stdio::inherit())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| VaultError::PasswordCommand(error.to_string()))?;
    let printed = Zeroizing::new(output.stdout);
    if !output.status.success() {
        return Err(VaultError::PasswordCommand(format!(
            "`{command}` ended with {}",
            output.status
        )));
    }
    Ok(without_line_end(printed))
}

fn read_password_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let content = read_private(path)?;
    if content.starts_with(b"#!") {
        return Err(VaultError::PasswordFileIsScript(path.to_owned()));
    }
    Ok(without_line_end(content))
}

/// The content of a new key file.
pub struct KeyFile(Zeroizing<[u8; 32]>);

impl KeyFile {
    /// # Errors
    /// [`VaultError::NoRandom`]
    pub fn random() -> Result<Self, VaultError> {
        Ok(Self(Zeroizing::new(super::crypto::random()?)))
    }

    /// The key as base64, and a line end.
    pub fn print(&self) -> Zeroizing<String> {
        Zeroizing::new(BASE64.encode(&self.0[..]) + "\n")
    }
}

/// A key file holds 32 bytes, raw or as base64 (so that it fits into a CI variable).
pub(super) fn read_key_file(path: &Path) -> Result<Zeroizing<[u8; 32]>, VaultError> {
    let content = read_private(path)?;
    let mut key = Zeroizing::new([0; 32]);
    if content.len() == key.len() {
        key.copy_from_slice(&content);
        return Ok(key);
    }
    match BASE64.decode_slice(&without_line_end(content)[..], &mut key[..]) {
        Ok(32) => Ok(key),
        _ => Err(VaultError::NotAKeyFile(path.to_owned())),
    }
}

/// Reads a file that nobody else may read. A pipe, as in `--vault-password-file <(pass show pi)`, has no such mode.
fn read_private(path: &Path) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let failed = |error| VaultError::Io(path.to_owned(), error);
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    let mode = metadata.mode() & 0o777;
    let is_pipe = metadata.file_type().is_fifo() || metadata.file_type().is_char_device();
    if !is_pipe && mode & 0o077 != 0 {
        return Err(VaultError::ReadableByOthers { path: path.to_owned(), mode });
    }
    let mut content = Zeroizing::new(Vec::with_capacity(4096));
    file.take(MAX_LENGTH).read_to_end(&mut content).map_err(failed)?;
    Ok(content)
}

/// Removes one line end: editors add it, and nobody means it.
fn without_line_end(mut text: Zeroizing<Vec<u8>>) -> Zeroizing<Vec<u8>> {
    if text.last() == Some(&b'\n') {
        text.pop();
        if text.last() == Some(&b'\r') {
            text.pop();
        }
    }
    text
}
