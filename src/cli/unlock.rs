//! The options that say where the vault's password is, for every command that may need it.

use std::path::PathBuf;

use clap::Args;

use crate::ui::Ui;
use crate::vault::{Ask, Sources, Watch};

/// Where the vault's password is.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Vault password")]
pub struct UnlockArgs {
    /// Ask for the vault's password, whatever the environment says.
    #[arg(short = 'J', long, alias = "ask-vault-password", global = true, group = "vault_source")]
    ask_vault_pass: bool,

    /// Read the vault's password from this file. Others must not be able to read it.
    #[arg(
        long,
        alias = "vault-pass-file",
        value_name = "FILE",
        global = true,
        group = "vault_source"
    )]
    vault_password_file: Option<PathBuf>,

    /// Run this shell command, and take what it prints as the vault's password.
    #[arg(
        long,
        alias = "vault-pass-cmd",
        value_name = "COMMAND",
        global = true,
        group = "vault_source"
    )]
    vault_password_command: Option<String>,

    /// Open the vault with this key file.
    #[arg(long, value_name = "FILE", global = true, group = "vault_source")]
    vault_key_file: Option<PathBuf>,

    /// Try only this slot of the vault.
    #[arg(long, value_name = "LABEL", global = true)]
    vault_slot: Option<String>,
}

impl UnlockArgs {
    /// What the options say; the environment adds the rest.
    pub fn sources(&self) -> Sources {
        Sources {
            command: self.vault_password_command.clone(),
            password_file: self.vault_password_file.clone(),
            key_file: self.vault_key_file.clone(),
            ask: self.ask_vault_pass,
            slot: self.vault_slot.clone(),
        }
    }
}

/// Asks on the terminal.
pub fn ask(ui: &Ui) -> Box<Ask> {
    let ui = ui.clone();
    Box::new(move |prompt| ui.password(prompt))
}

/// Warns on the terminal about a vault that went back in time.
pub fn watch(ui: &Ui) -> Option<Watch> {
    let ui = ui.clone();
    Some(Watch { states: states()?, warn: Box::new(move |warning| ui.note(warning)) })
}

/// Where pirun remembers what belongs to no project. `None`: the user has no home.
pub fn states() -> Option<PathBuf> {
    let base =
        std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|dir| dir.is_absolute());
    let base = base.or_else(|| Some(std::env::home_dir()?.join(".local/state")));
    base.map(|dir| dir.join("pirun"))
}
