//! Recovery words: a password for paper.

use zeroize::Zeroizing;

use crate::error::Result;
use crate::ui::Ui;
use crate::vault::{Credential, recovery_words};

/// A new credential, and its words.
pub fn make() -> Result<(Credential, Zeroizing<String>)> {
    let words = recovery_words()?;
    Ok((Credential::password(words.as_bytes())?, words))
}

/// Shows the words, once.
pub fn show(ui: &Ui, words: &str) {
    let words: Vec<&str> = words.split(' ').collect();
    ui.note("");
    ui.note("These words open the vault. Write them down, and keep the paper; they are not shown again:");
    ui.note("");
    for row in words.chunks(4) {
        let row: Vec<String> = row.iter().map(|word| format!("{word:10}")).collect();
        ui.note(format!("    {}", row.join("")).trim_end());
    }
    ui.note("");
}
