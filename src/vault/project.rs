//! The vault of a run: opened when the first secret is asked for, once for the whole process.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::VaultError;
use super::credential::Credential;
use super::file::{self, VaultFile};
use super::kdf::Limits;
use super::open::OpenVault;
use super::password::{Ask, Sources};
use super::redact::Redactor;
use super::sealed::{Unlocked, Vault};
use super::secret::Secret;
use super::value::SecretValue;
use crate::error::Result;

/// A handle on the project's vault. Clones share it; all threads wait for the one that opens it.
#[derive(Clone)]
pub struct ProjectVault(Arc<Inner>);

struct Inner {
    path: PathBuf,
    sources: Sources,
    ask: Box<Ask>,
    redactor: Redactor,
    dry_run: bool,
    watch: Option<Watch>,
    opened: Mutex<Option<VaultFile>>,
    /// What opened it.
    credential: Mutex<Option<Credential>>,
}

/// Notices that somebody put an older vault back.
pub struct Watch {
    /// Where the versions of vaults are remembered.
    pub states: PathBuf,
    /// Tells the user.
    pub warn: Box<dyn Fn(&str) + Send + Sync>,
}

impl ProjectVault {
    /// The vault at `path`, which need not exist. In a dry run nothing is written, but later reads of the same run see
    /// what would be there. Every secret of the vault is given to `redactor` before the first one is given out.
    pub fn new(
        path: impl Into<PathBuf>,
        sources: Sources,
        ask: Box<Ask>,
        redactor: Redactor,
        dry_run: bool,
        watch: Option<Watch>,
    ) -> Self {
        let (path, opened, credential) = (path.into(), Mutex::default(), Mutex::default());
        Self(Arc::new(Inner { path, sources, ask, redactor, dry_run, watch, opened, credential }))
    }

    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// The names of all secrets. Needs no password; empty if there is no vault.
    ///
    /// # Errors
    /// A damaged file.
    pub fn names(&self) -> Result<Vec<String>> {
        match file::read(&self.0.path) {
            Ok(vault) => Ok(vault.names().map(str::to_owned).collect()),
            Err(VaultError::Missing) => Ok(Vec::new()),
            Err(error) => Err(error.in_file(&self.0.path)),
        }
    }

    /// Opens the vault now, so that its secrets are hidden from now on.
    ///
    /// # Errors
    /// No vault, or it does not open.
    pub fn unlock(&self) -> Result<()> {
        self.with_open(|_| Ok(()))
    }

    /// # Errors
    /// No vault, no such secret, or the vault does not open.
    pub fn get(&self, name: &str) -> Result<Secret> {
        self.with_open(|file| file.open().get(name))
    }

    /// Opens the vault and lets `work` look into it.
    ///
    /// # Errors
    /// No vault, or it does not open; those of `work`.
    pub fn with<T>(&self, work: impl FnOnce(&OpenVault) -> Result<T>) -> Result<T> {
        self.with_open(|file| Ok(work(file.open())))?
    }

    /// Unlocks the slots of a backup with the password of this run, asking for it if nobody has yet.
    ///
    /// # Errors
    /// None of the slots opens with it.
    pub fn unlock_slots(&self, slots: &Vault) -> Result<Unlocked> {
        Ok(self.unlock_by_slots(slots)?)
    }

    fn unlock_by_slots(&self, slots: &Vault) -> Result<Unlocked, VaultError> {
        let mut known = self.0.credential.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(credential) = &*known {
            return slots.unlock(credential, None, &Limits::default());
        }
        let limits = Limits::default();
        let (unlocked, credential) =
            self.0.sources.unlock_and_keep(slots, &limits, &*self.0.ask)?;
        *known = Some(credential);
        Ok(unlocked)
    }

    /// `None` if there is no such secret, or no vault at all.
    ///
    /// # Errors
    /// The vault does not open.
    pub fn find(&self, name: &str) -> Result<Option<Secret>> {
        if !self.0.path.exists() {
            return Ok(None);
        }
        self.with_open(|file| match file.open().contains(name) {
            true => file.open().get(name).map(Some),
            false => Ok(None),
        })
    }

    /// Sets a secret, and says whether that changes anything.
    ///
    /// # Errors
    /// No vault, a bad name, or the file cannot be written.
    pub fn set(&self, name: &str, value: SecretValue) -> Result<bool> {
        let secret = Secret::new(name, value);
        self.0.redactor.add(&secret);
        self.change(|vault| vault.set(name, secret.value()))
    }

    /// # Errors
    /// No vault, no such secret, or the file cannot be written.
    pub fn remove(&self, name: &str) -> Result<()> {
        self.change(|vault| vault.remove(name))
    }

    fn change<T>(&self, change: impl FnOnce(&mut OpenVault) -> Result<T, VaultError>) -> Result<T> {
        let dry_run = self.0.dry_run;
        self.with_open(|file| match dry_run {
            true => change(file.open_mut()),
            false => file.update(change),
        })
    }

    fn with_open<T>(
        &self,
        work: impl FnOnce(&mut VaultFile) -> Result<T, VaultError>,
    ) -> Result<T> {
        self.opened()
            .and_then(|mut opened| match opened.as_mut() {
                Some(file) => work(file),
                None => Err(VaultError::Missing),
            })
            .map_err(|error| error.in_file(&self.0.path))
    }

    fn opened(&self) -> Result<MutexGuard<'_, Option<VaultFile>>, VaultError> {
        let mut opened = self.0.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if opened.is_none() {
            let vault = file::read(&self.0.path)?;
            let unlocked = self.unlock_by_slots(&vault)?;
            let open = OpenVault::new(vault, unlocked)?;
            let secrets: Result<Vec<_>, _> = open.names().map(|name| open.get(name)).collect();
            self.0.redactor.add_all(secrets?);
            let states = self.0.watch.as_ref().map(|watch| watch.states.clone());
            let file = VaultFile::new(&self.0.path, open)?.remembered_in(states);
            if let (Some(watch), Some(warning)) = (&self.0.watch, went_back(&file)) {
                (watch.warn)(&warning);
            }
            *opened = Some(file);
        }
        Ok(opened)
    }
}

/// What to tell the user if this is an older version than one that was seen before.
pub fn went_back(file: &VaultFile) -> Option<String> {
    let versions = match file.newer_versions_seen() {
        0 => return None,
        1 => "a newer version".to_owned(),
        count => format!("{count} newer versions"),
    };
    let name = file.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
    Some(format!(
        "warning: {name} went back in time: this machine has seen {versions} of it\n\
         hint: `git log {name}` shows who put it back. If it was you, `pirun vault verify --accept` makes it the newest."
    ))
}

impl fmt::Debug for ProjectVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<vault {}>", self.0.path.display())
    }
}
