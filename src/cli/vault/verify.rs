use clap::Args;

use super::context::Context;
use crate::cli::unlock;
use crate::error::{Error, ErrorKind, Result};
use crate::vault::{OpenVault, Unlocked, Vault, VaultError, VaultFile};

/// Checks every byte of the vault: form, slots, secrets, and that nobody changed the list of them.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Accept a list of secrets and slots that was changed without the password, by a merge for example.
    #[arg(long)]
    accept: bool,
}

pub fn run(args: VerifyArgs, context: &Context<'_>) -> Result<()> {
    let vault = context.sealed()?;
    let unlocked = context.unlock(&vault)?;
    refuse_altered(&vault, &unlocked, context)?;
    let contents = contents(&vault);
    match OpenVault::new(vault.clone(), unlocked.clone()) {
        // An older version that is to be the newest is written as it is.
        Ok(_) if args.accept => accept(vault, unlocked, context),
        Ok(_) => {
            context.open_with(vault, unlocked)?;
            context.ui.out(&format!("{}: genuine, {contents}", context.path.display()));
            Ok(())
        }
        Err(VaultError::SetChanged) if args.accept => accept(vault, unlocked, context),
        Err(VaultError::SetChanged) => {
            Err(context.in_file(VaultError::SetChanged).detail(contents))
        }
        Err(error) => Err(context.in_file(error)),
    }
}

/// Names all altered secrets, not only the first.
fn refuse_altered(vault: &Vault, unlocked: &Unlocked, context: &Context<'_>) -> Result<()> {
    let altered = vault.altered(unlocked);
    if altered.len() < 2 {
        return Ok(());
    }
    let message = format!(
        "{}: {} secrets were altered or moved: {}",
        context.path.display(),
        altered.len(),
        altered.join(", ")
    );
    Err(Error::new(ErrorKind::Vault, message)
        .hint("Take the file from git or a backup, for example with `git checkout vault.enc`."))
}

fn accept(vault: Vault, unlocked: Unlocked, context: &Context<'_>) -> Result<()> {
    let contents = contents(&vault);
    OpenVault::accept_set(vault, unlocked)
        .and_then(|open| VaultFile::new(&context.path, open))
        .and_then(|file| file.remembered_in(unlock::states()).overwrite())
        .map_err(|error| context.in_file(error))?;
    context.ui.out(&format!("{}: accepted, {contents}", context.path.display()));
    Ok(())
}

fn contents(vault: &Vault) -> String {
    let names: Vec<_> = vault.names().collect();
    let slots: Vec<_> = vault.slots().iter().map(|slot| slot.label()).collect();
    let count = |number: usize, what: &str| match number {
        1 => format!("1 {what}"),
        number => format!("{number} {what}s"),
    };
    format!(
        "{} ({}), {} ({})",
        count(slots.len(), "slot"),
        slots.join(", "),
        count(names.len(), "secret"),
        names.join(", ")
    )
}
