//! From a password to a key: Argon2id (RFC 9106), with bounds that are checked before any work.

use std::fmt;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use zeroize::{Zeroize, Zeroizing};

use super::VaultError;
use super::crypto::Key;

/// The cost of one try at a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kdf {
    /// Memory in KiB (`m`).
    pub memory: u32,
    /// Passes over the memory (`t`).
    pub passes: u32,
    /// Lanes that can be filled in parallel (`p`).
    pub lanes: u32,
}

impl Kdf {
    /// About one second of CPU time on a laptop. The same on every machine: parameters that are measured on a fast one
    /// cannot be opened on a slow one.
    pub const DEFAULT: Self = Self { memory: 256 * 1024, passes: 3, lanes: 4 };
    /// The second recommendation of RFC 9106: opens on a Raspberry Pi with 1 GB.
    pub const SMALL: Self = Self { memory: 64 * 1024, passes: 3, lanes: 4 };

    /// Refuses a slot that would cost too much, or that is too cheap to protect anything.
    ///
    /// # Errors
    /// [`VaultError::KdfTooExpensive`] or [`VaultError::KdfTooWeak`].
    pub fn check(&self, label: &str, limits: &Limits) -> Result<(), VaultError> {
        let work = u64::from(self.memory) * u64::from(self.passes);
        let slot = label.to_owned();
        let valid =
            self.passes > 0 && self.lanes > 0 && self.memory >= self.lanes.saturating_mul(8);
        if !valid {
            return Err(VaultError::KdfInvalid { slot });
        }
        if self.memory > limits.max_memory
            || work > limits.max_work
            || self.lanes > limits.max_lanes
        {
            return Err(VaultError::KdfTooExpensive { slot, kdf: *self });
        }
        if self.memory < limits.min_memory || work < limits.min_work {
            return Err(VaultError::KdfTooWeak { slot, kdf: *self });
        }
        Ok(())
    }

    /// Runs Argon2id version 0x13. The caller has [checked](Self::check) the cost.
    pub(super) fn derive(&self, password: &[u8], salt: &[u8; 16]) -> Result<Key, VaultError> {
        let out_of_memory = || VaultError::OutOfMemory { kdf: *self };
        let params = Params::new(self.memory, self.passes, self.lanes, Some(32))
            .map_err(|_| VaultError::KdfInvalid { slot: String::new() })?;
        let mut memory = Memory::new(params.block_count()).ok_or_else(out_of_memory)?;
        let mut key = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into_with_memory(password, salt, &mut key[..], &mut memory.0[..])
            .map_err(|_| out_of_memory())?;
        Ok(key)
    }
}

/// `64 MiB, 3 passes, 4 lanes`
impl fmt::Display for Kdf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (size, unit) = match self.memory {
            0..1024 => (self.memory, "KiB"),
            _ => (self.memory / 1024, "MiB"),
        };
        let (passes, lanes) = (count(self.passes, "pass", "es"), count(self.lanes, "lane", "s"));
        write!(f, "{size} {unit}, {passes}, {lanes}")
    }
}

fn count(number: u32, one: &str, plural: &str) -> String {
    let ending = if number == 1 { "" } else { plural };
    format!("{number} {one}{ending}")
}

/// Argon2's memory. The argon2 crate would free its own unwiped (0.6, with its `zeroize` feature too).
struct Memory(Vec<Block>);

impl Memory {
    fn new(blocks: usize) -> Option<Self> {
        let mut memory = Vec::new();
        memory.try_reserve_exact(blocks).ok()?;
        memory.resize(blocks, Block::new());
        Some(Self(memory))
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(Zeroize::zeroize);
    }
}

/// What a vault file may ask for. A file is not trusted before it is opened, and opening costs what the file says.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// KiB.
    pub max_memory: u32,
    /// KiB times passes.
    pub max_work: u64,
    pub max_lanes: u32,
    /// KiB.
    pub min_memory: u32,
    /// KiB times passes.
    pub min_work: u64,
}

impl Default for Limits {
    /// At most 2 GiB and 8 GiB-passes; at least what OWASP's password storage cheat sheet accepts.
    fn default() -> Self {
        Self {
            max_memory: 2 << 20,
            max_work: 8 << 20,
            max_lanes: 16,
            min_memory: 12 << 10,
            min_work: 36 << 10,
        }
    }
}

impl Limits {
    /// No lower bound, for tests that must not spend a second on each vault.
    pub fn without_floor() -> Self {
        Self { min_memory: 0, min_work: 0, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_within_the_limits() {
        for kdf in [Kdf::DEFAULT, Kdf::SMALL] {
            kdf.check("laptop", &Limits::default()).unwrap();
        }
    }

    #[test]
    fn costs_outside_the_limits_are_refused() {
        let refused = |memory, passes, lanes| {
            Kdf { memory, passes, lanes }.check("x", &Limits::default()).unwrap_err()
        };
        assert!(matches!(refused(u32::MAX, 1, 1), VaultError::KdfTooExpensive { .. }));
        assert!(matches!(refused(64 << 10, u32::MAX, 4), VaultError::KdfTooExpensive { .. }));
        assert!(matches!(refused(64 << 10, 3, 17), VaultError::KdfTooExpensive { .. }));
        assert!(matches!(refused(64 << 10, 3, u32::MAX), VaultError::KdfInvalid { .. }));
        assert!(matches!(refused(64 << 10, 0, 4), VaultError::KdfInvalid { .. }));
        assert!(matches!(refused(64, 3, 4), VaultError::KdfTooWeak { .. }));
        assert!(matches!(refused(12 << 10, 2, 4), VaultError::KdfTooWeak { .. }));
    }
}
