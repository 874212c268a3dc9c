use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use super::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::vault::ansible::{self, AnsiblePasswords};
use crate::vault::{Credential, SecretValue, Source};

/// Takes over the secrets of ansible-vault: whole files, and YAML with inline `!vault` values.
///
/// Nothing is written but the vault. Texts stay texts; lists and mappings become JSON.
#[derive(Debug, Args)]
pub struct ImportAnsibleArgs {
    #[arg(required = true)]
    files: Vec<PathBuf>,

    /// A password of ansible-vault: a file, or `prompt`. Can be repeated.
    #[arg(long, value_name = "[ID@]FILE")]
    ansible_vault_id: Vec<String>,

    /// The file with ansible-vault's password.
    #[arg(long, value_name = "FILE")]
    ansible_password_file: Option<PathBuf>,

    /// Put this in front of each name.
    #[arg(long, default_value = "")]
    prefix: String,

    /// Replace secrets that are in the vault already with another value.
    #[arg(long)]
    replace: bool,
}

pub fn run(args: ImportAnsibleArgs, context: &Context<'_>) -> Result<()> {
    let contents: Vec<_> = args.files.iter().map(|path| read(path)).collect::<Result<_>>()?;
    let mut file = context.open()?;
    let passwords = args.passwords(context)?;
    let mut values = Vec::new();
    for (path, content) in args.files.iter().zip(&contents) {
        let read = ansible::read(content, &passwords, &stem(path));
        let read = read.map_err(|error| error.in_file(path))?;
        values.extend(
            read.into_iter().map(|(name, value)| (format!("{}{name}", args.prefix), value)),
        );
    }
    let changed = file.update(|vault| -> Result<Vec<String>> {
        if !args.replace {
            refuse_others(vault, &values)?;
        }
        let mut changed = Vec::new();
        for (name, value) in &values {
            if vault.set(name, value)? {
                changed.push(name.clone());
            }
        }
        Ok(changed)
    })?;
    for name in &changed {
        context.ui.out(name);
    }
    let (new, all) = (changed.len(), values.len());
    context.ui.note(&format!("imported: {new}, already there: {}", all - new));
    Ok(())
}

fn refuse_others(vault: &crate::vault::OpenVault, values: &[(String, SecretValue)]) -> Result<()> {
    let differs = |(name, value): &&(String, SecretValue)| {
        vault.get(name).is_ok_and(|secret| secret.value() != value)
    };
    let names: Vec<&str> = values.iter().filter(differs).map(|(name, _)| name.as_str()).collect();
    if names.is_empty() {
        return Ok(());
    }
    let message = format!("the vault has other values for {}", names.join(", "));
    Err(Error::new(ErrorKind::Vault, message)
        .hint("Take the imported ones with `--replace`, or keep both with `--prefix`.")
        .hint("Nothing was changed."))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|error| Error::io(path, &error))
}

/// The name of a secret that is a whole file.
fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

impl ImportAnsibleArgs {
    fn passwords(&self, context: &Context<'_>) -> Result<AnsiblePasswords> {
        let mut passwords = AnsiblePasswords::default();
        for given in &self.ansible_vault_id {
            let (id, source) = match given.rsplit_once('@') {
                Some((id, source)) => (Some(id.to_owned()), source),
                None => (None, given.as_str()),
            };
            let source = match source {
                "prompt" => Source::Terminal,
                path => Source::PasswordFile(path.into()),
            };
            add(&mut passwords, id, &source, context)?;
        }
        if let Some(path) = &self.ansible_password_file {
            add(&mut passwords, None, &Source::PasswordFile(path.clone()), context)?;
        }
        if passwords.is_empty() {
            add(&mut passwords, None, &Source::Terminal, context)?;
        }
        Ok(passwords)
    }
}

fn add(
    passwords: &mut AnsiblePasswords,
    id: Option<String>,
    source: &Source,
    context: &Context<'_>,
) -> Result<()> {
    let prompt = match &id {
        Some(id) => format!("ansible-vault password for `{id}`: "),
        None => "ansible-vault password: ".to_owned(),
    };
    let read = source.read(&prompt, &*crate::cli::unlock::ask(context.ui));
    if let Credential::Password(password) = read.map_err(no_source)? {
        passwords.add(id, password);
    }
    Ok(())
}

fn no_source(error: crate::vault::VaultError) -> Error {
    match error {
        crate::vault::VaultError::NoSource => Error::new(
            ErrorKind::Vault,
            "no password for ansible-vault: there is no terminal to ask on",
        )
        .hint("Give `--ansible-password-file FILE`, or `--ansible-vault-id ID@FILE` for several."),
        other => other.into(),
    }
}
