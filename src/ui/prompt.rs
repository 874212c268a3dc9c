//! Questions to the person at the terminal. They go to the terminal itself, whatever stdin and stdout are.

use std::io::{self, IsTerminal, Write};

use zeroize::Zeroizing;

use super::Ui;

impl Ui {
    /// Asks for a password, and reads it without showing it.
    ///
    /// # Errors
    /// There is no terminal; Ctrl-C gives `Interrupted`, Ctrl-D `UnexpectedEof`.
    pub fn password(&self, prompt: &str) -> io::Result<Zeroizing<String>> {
        rpassword::prompt_password(prompt).map(Zeroizing::new)
    }

    /// Prints to stdout what the user asked to see, and nothing else: no redaction, and a line end only on a terminal.
    ///
    /// # Errors
    /// Bytes that are no text are not written to a terminal.
    pub fn reveal(&self, content: &[u8]) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        if stdout.is_terminal() {
            let text = std::str::from_utf8(content).map_err(io::Error::other)?;
            return writeln!(stdout, "{text}");
        }
        stdout.write_all(content)?;
        stdout.flush()
    }
}
