//! Questions to the person at the terminal. They go to the terminal itself, whatever stdin and stdout are.

use std::fs::OpenOptions;
use std::io::{self, BufRead, BufReader, IsTerminal, Write};

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

    /// Asks a question that an empty line answers with yes.
    ///
    /// # Errors
    /// There is no terminal.
    pub fn offer(&self, question: &str) -> io::Result<bool> {
        let mut terminal = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
        write!(terminal, "{question} [Y/n] ")?;
        let mut answer = String::new();
        BufReader::new(terminal).read_line(&mut answer)?;
        Ok(matches!(answer.trim().to_lowercase().as_str(), "" | "y" | "yes"))
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
