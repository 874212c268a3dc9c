//! Reads what ansible-vault made: whole files, and YAML files with inline `!vault` values.

mod envelope;
mod error;
mod values;

pub use error::AnsibleError;
pub use values::read;

use super::Password;

/// ansible-vault's passwords, each with the vault id it belongs to.
#[derive(Default)]
pub struct AnsiblePasswords(Vec<(Option<String>, Password)>);

impl AnsiblePasswords {
    /// Adds a password. Without an id, it is for texts without one.
    pub fn add(&mut self, id: Option<String>, password: Password) {
        self.0.push((id, password));
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those for `id` first, then the others: as Ansible does, which takes an id for a hint.
    fn for_id<'a>(&'a self, id: Option<&str>) -> impl Iterator<Item = &'a Password> {
        let (same, other): (Vec<_>, Vec<_>) =
            self.0.iter().partition(|(known, _)| known.as_deref() == id);
        same.into_iter().chain(other).map(|(_, password)| password)
    }
}
