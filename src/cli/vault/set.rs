use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use zeroize::Zeroizing;

use super::context::Context;
use crate::error::{Error, Result};
use crate::vault::SecretValue;

/// Sets a secret: typed, from stdin, from a file, or random.
#[derive(Debug, Args)]
pub struct SetArgs {
    name: String,

    /// Never used: a value on the command line is refused.
    #[arg(hide = true)]
    value: Option<String>,

    /// Take the content of this file, exactly.
    #[arg(long, value_name = "FILE", group = "from")]
    file: Option<PathBuf>,

    /// Make a random text of so many letters and digits.
    #[arg(long, value_name = "LENGTH", group = "from", value_parser = clap::value_parser!(u16).range(8..=1024))]
    random: Option<u16>,

    /// The value is JSON.
    #[arg(long, group = "kind")]
    json: bool,

    /// The value is bytes, even if it could be read as text.
    #[arg(long, group = "kind")]
    bytes: bool,

    /// Keep the line end of a single line from stdin.
    #[arg(long)]
    exact: bool,
}

pub fn run(args: SetArgs, context: &Context<'_>) -> Result<()> {
    if args.value.is_some() {
        return Err(Error::usage("a secret does not belong on the command line")
            .hint("Other users see it in the process list, and the shell keeps it in its history.")
            .hint(format!(
                "Run `pirun vault set {}` and type it, or send it through stdin. Change this one.",
                args.name
            )));
    }
    // First the password: nobody wants to type a secret in vain.
    let mut file = context.open()?;
    let value = typed(&content(&args, context)?, &args)?;
    let changed = file
        .update(|vault| vault.set(&args.name, &value))
        .map_err(|error| context.in_file(error))?;
    context.ui.note(match changed {
        true => "the secret is set",
        false => "the secret has this value already: nothing was changed",
    });
    Ok(())
}

fn content(args: &SetArgs, context: &Context<'_>) -> Result<Zeroizing<Vec<u8>>> {
    if let Some(length) = args.random {
        return random_text(length);
    }
    match &args.file {
        Some(path) => read_file(path),
        None if std::io::stdin().is_terminal() => {
            let typed = context.ask_secret(&format!("Secret `{}`: ", args.name))?;
            Ok(Zeroizing::new(typed.as_bytes().to_vec()))
        }
        None => read_stdin(args.exact),
    }
}

fn typed(content: &[u8], args: &SetArgs) -> Result<SecretValue> {
    if args.bytes {
        return Ok(SecretValue::bytes(content));
    }
    if args.json {
        let text = std::str::from_utf8(content)
            .map_err(|_| Error::usage("JSON is text, and this is not"))?;
        return SecretValue::json(text).map_err(|error| Error::usage(error.to_string()));
    }
    Ok(SecretValue::text_or_bytes(content))
}

fn read_file(path: &Path) -> Result<Zeroizing<Vec<u8>>> {
    std::fs::read(path).map(Zeroizing::new).map_err(|error| Error::io(path, &error))
}

/// A single line loses its line end, which `echo` adds and nobody means.
fn read_stdin(exact: bool) -> Result<Zeroizing<Vec<u8>>> {
    let mut content = Zeroizing::new(Vec::new());
    std::io::stdin()
        .lock()
        .read_to_end(&mut content)
        .map_err(|error| Error::io("stdin", &error))?;
    let is_one_line =
        content.iter().position(|byte| *byte == b'\n') == content.len().checked_sub(1);
    if is_one_line && !content.is_empty() && !exact {
        content.pop();
    }
    Ok(content)
}

fn random_text(length: u16) -> Result<Zeroizing<Vec<u8>>> {
    crate::vault::random_text(usize::from(length))
        .map(|text| Zeroizing::new(text.as_bytes().to_vec()))
        .map_err(Error::from)
}
