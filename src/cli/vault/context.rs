//! What every vault command needs: the file, the password's source, the user.

use std::env;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::cli::unlock;
use crate::error::{Error, Result};
use crate::ui::Ui;
use crate::vault::{
    self, Credential, FILE_NAME, Limits, OpenVault, Source, Sources, Unlocked, Vault, VaultError,
    VaultFile,
};

pub struct Context<'a> {
    pub path: PathBuf,
    pub sources: Sources,
    pub ui: &'a Ui,
}

impl<'a> Context<'a> {
    pub fn new(path: Option<PathBuf>, sources: Sources, ui: &'a Ui) -> Self {
        Self { path: path.unwrap_or_else(nearest), sources, ui }
    }

    /// The vault as it lies in the file.
    pub fn sealed(&self) -> Result<Vault> {
        vault::read(&self.path).map_err(|error| self.in_file(error))
    }

    /// Opens and verifies the vault.
    pub fn open(&self) -> Result<VaultFile> {
        let vault = self.sealed()?;
        let unlocked = self.unlock(&vault)?;
        self.open_with(vault, unlocked)
    }

    pub fn unlock(&self, vault: &Vault) -> Result<Unlocked> {
        self.sources
            .unlock(vault, &Limits::default(), &*unlock::ask(self.ui))
            .map_err(|error| self.in_file(error))
    }

    /// Unlocks with the password from `sources`, and gives it too.
    pub fn unlock_and_keep(
        &self,
        vault: &Vault,
        sources: &Sources,
    ) -> Result<(Unlocked, Credential)> {
        sources
            .unlock_and_keep(vault, &Limits::default(), &*unlock::ask(self.ui))
            .map_err(|error| self.in_file(error))
    }

    /// Opens with a password or key that was asked for already.
    pub fn open_with(&self, vault: Vault, unlocked: Unlocked) -> Result<VaultFile> {
        let file = OpenVault::new(vault, unlocked)
            .and_then(|open| VaultFile::new(&self.path, open))
            .map_err(|error| self.in_file(error))?
            .remembered_in(unlock::states());
        if let Some(warning) = vault::went_back(&file) {
            self.ui.note(&warning);
        }
        Ok(file)
    }

    /// Opens the vault, changes it and writes it.
    pub fn update<T>(
        &self,
        change: impl FnOnce(&mut OpenVault) -> Result<T, VaultError>,
    ) -> Result<T> {
        self.open()?.update(change).map_err(|error| self.in_file(error))
    }

    /// A password for a new slot: from `source`, or typed twice on the terminal.
    pub fn new_credential(&self, source: &Source, what: &str) -> Result<Credential> {
        let ask = unlock::ask(self.ui);
        if *source != Source::Terminal {
            return Ok(source.read("", &*ask)?);
        }
        let typed = source.read(&format!("New password for {what}: "), &*ask)?;
        let again = source.read("The same again: ", &*ask)?;
        match (&typed, &again) {
            (Credential::Password(typed_once), Credential::Password(again))
                if typed_once.expose() == again.expose() =>
            {
                if typed_once.expose().len() < 12 {
                    self.ui.note(
                        "warning: a password this short can be guessed by whoever gets the file",
                    );
                }
                Ok(typed)
            }
            _ => Err(Error::usage("the two passwords differ").hint("Nothing was changed.")),
        }
    }

    /// A secret typed on the terminal.
    pub fn ask_secret(&self, prompt: &str) -> Result<Zeroizing<String>> {
        self.ui.password(prompt).map_err(|error| match error.kind() {
            std::io::ErrorKind::Interrupted | std::io::ErrorKind::UnexpectedEof => {
                Error::cancelled()
            }
            _ => Error::usage("there is no terminal to ask for the secret on")
                .hint("Give it on stdin, or with `--file`."),
        })
    }

    pub fn in_file(&self, error: VaultError) -> Error {
        error.in_file(&self.path)
    }
}

/// `vault.enc` here or in the nearest directory above; for a new one, beside the nearest `inventory.yaml`.
fn nearest() -> PathBuf {
    let here = env::current_dir().unwrap_or_default();
    let above = |name: &str| here.ancestors().find(|directory| directory.join(name).exists());
    let directory = above(FILE_NAME).or_else(|| above("inventory.yaml")).unwrap_or(&here);
    shown(&directory.join(FILE_NAME), &here)
}

/// Relative to `here` where it is below, so that messages are short.
fn shown(path: &Path, here: &Path) -> PathBuf {
    path.strip_prefix(here).unwrap_or(path).to_owned()
}
