//! The project that a run belongs to: its inventory, and what pirun keeps in `.pirun/`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::inventory::{ExtraVars, Host, Inventory, Warning};
use crate::script::context::{HostState, Hosts};

/// A directory with `inventory.yaml`, or a place without one.
pub struct Project {
    root: PathBuf,
    inventory: Option<Arc<Inventory>>,
}

impl Project {
    /// The project that `here` lies in, without reading its inventory.
    pub fn around(here: &Path) -> Self {
        let root = here.ancestors().find(|dir| dir.join("inventory.yaml").is_file());
        Self { root: root.unwrap_or(here).to_owned(), inventory: None }
    }

    /// The project with its inventory. A playbook that needs no hosts can run where there is none.
    pub fn load(here: &Path, file: Option<&Path>, extra: ExtraVars) -> Result<Self> {
        let around = Self::around(here);
        if file.is_none() && !around.root.join("inventory.yaml").is_file() {
            return Ok(around);
        }
        let inventory = Inventory::loader(Path::new(".")).file(file).extra_vars(extra).load()?;
        let root = std::path::absolute(inventory.root()).unwrap_or(around.root);
        Ok(Self { root, inventory: Some(Arc::new(inventory)) })
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn warnings(&self) -> &[Warning] {
        self.inventory.as_ref().map_or(&[], |inventory| inventory.warnings())
    }

    pub fn hosts(&self) -> Arc<dyn Hosts> {
        match &self.inventory {
            Some(inventory) => inventory.clone(),
            None => Arc::new(NoInventory),
        }
    }

    /// Where logs go.
    pub fn logs(&self) -> PathBuf {
        self.root.join(".pirun/logs")
    }

    fn failed_file(&self) -> PathBuf {
        match &self.inventory {
            Some(inventory) => inventory.failed_file().to_owned(),
            None => self.root.join(".pirun/failed"),
        }
    }

    /// The pattern of `--limit`; with `--resume`, what of it the last run did not bring to its end.
    pub fn limit(&self, limit: Option<&str>, resume: bool) -> Result<Option<String>> {
        if !resume {
            return Ok(limit.map(str::to_owned));
        }
        let left = std::fs::read_to_string(self.failed_file()).unwrap_or_default();
        if left.trim().is_empty() {
            return Err(Error::usage("there is nothing to resume").hint(
                "The last run brought every host to its end. Run the playbook without `--resume`.",
            ));
        }
        Ok(Some(match limit {
            Some(limit) => format!("{limit}:&@failed"),
            None => "@failed".to_owned(),
        }))
    }

    /// Keeps the names of hosts that failed or were not finished, for `@failed` and `--resume`.
    pub fn remember_failed(&self, states: &[Arc<HostState>]) -> Result<()> {
        let mut text = String::new();
        for state in states.iter().filter(|state| state.failure().is_some() || state.unfinished()) {
            let _ = writeln!(text, "{}", state.host.name);
        }
        let file = self.failed_file();
        if let Some(dir) = file.parent() {
            std::fs::create_dir_all(dir).map_err(|error| Error::io(dir, &error))?;
        }
        std::fs::write(&file, text).map_err(|error| Error::io(&file, &error))
    }
}

/// A place without an inventory: a playbook finds out when it asks for hosts.
struct NoInventory;

impl Hosts for NoInventory {
    fn all(&self) -> Vec<Arc<Host>> {
        Vec::new()
    }

    fn select(&self, _pattern: &str) -> Result<Vec<Arc<Host>>> {
        // The loader says it best: where it looked, and what to do.
        Inventory::find_and_load(Path::new("."), None).map(|inventory| inventory.hosts().to_vec())
    }
}
