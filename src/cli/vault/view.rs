use clap::Args;
use zeroize::Zeroizing;

use super::context::Context;
use super::edit::text::entry;
use crate::error::{Error, Result};
use crate::vault::{OpenVault, ValueKind, VaultError};

/// Prints all secrets as YAML. Of those that are bytes only the length.
#[derive(Debug, Args)]
pub struct ViewArgs {}

pub fn run(_: ViewArgs, context: &Context<'_>) -> Result<()> {
    let file = context.open()?;
    let text = yaml(file.open()).map_err(|error| context.in_file(error))?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    context.ui.reveal(text.as_bytes()).map_err(|error| Error::io("stdout", &error))
}

fn yaml(vault: &OpenVault) -> Result<Zeroizing<String>, VaultError> {
    let mut out = Zeroizing::new(String::with_capacity(64 << 10));
    for name in vault.names() {
        let secret = vault.get(name)?;
        match (secret.kind(), secret.expose_text()) {
            (ValueKind::Text, Some(text)) => out.push_str(&entry(name, text)),
            // JSON is YAML, once it is on one line.
            (ValueKind::Json, Some(json)) => {
                let value: serde_json::Value = serde_json::from_str(json).unwrap_or_default();
                out.push_str(&Zeroizing::new(format!("{name}: {value}")));
            }
            _ => out.push_str(&format!("# {name}: {} bytes", secret.len())),
        }
        out.push('\n');
    }
    Ok(out)
}
