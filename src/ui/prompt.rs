//! Questions to the person at the terminal. They go to the terminal itself, whatever stdin and stdout are.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};

use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};
use zeroize::Zeroizing;

use super::Ui;

/// A terminal that shows nothing of what is typed, until this is dropped.
///
/// rpassword alone would show what is typed before it gets ready, and would leave the terminal silent after Ctrl-C.
struct Silent {
    file: File,
    before: Termios,
}

impl Silent {
    fn new() -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
        let before = tcgetattr(&file)?;
        let mut silent = before.clone();
        silent.local_modes -=
            LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG;
        silent.special_codes[SpecialCodeIndex::VMIN] = 1;
        silent.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(&file, OptionalActions::Now, &silent)?;
        Ok(Self { file, before })
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        let _ = tcsetattr(&self.file, OptionalActions::Now, &self.before);
    }
}

/// The keys of the terminal. Ctrl-C is an error here: rpassword would end the whole program.
struct Keys(File);

impl Read for Keys {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        const CTRL_C: u8 = 3;
        let length = self.0.read(buffer)?;
        match buffer[..length].contains(&CTRL_C) {
            // `Interrupted` would mean: read again.
            true => Err(io::ErrorKind::ConnectionAborted.into()),
            false => Ok(length),
        }
    }
}

impl Ui {
    /// Asks for a password, and reads it without showing it.
    ///
    /// # Errors
    /// There is no terminal; Ctrl-C gives `Interrupted`, Ctrl-D `UnexpectedEof`.
    pub fn password(&self, prompt: &str) -> io::Result<Zeroizing<String>> {
        let mut terminal = Silent::new()?;
        terminal.file.write_all(prompt.as_bytes())?;
        let keys = Keys(terminal.file.try_clone()?);
        let config = rpassword::ConfigBuilder::new().input_reader(keys).output_discard().build();
        let typed = rpassword::read_password_with_config(config).map(Zeroizing::new);
        writeln!(terminal.file)?;
        typed.map_err(|error| match error.kind() {
            io::ErrorKind::ConnectionAborted => io::ErrorKind::Interrupted.into(),
            _ => error,
        })
    }

    /// Asks a question that an empty line answers with yes.
    ///
    /// # Errors
    /// There is no terminal.
    pub fn offer(&self, question: &str) -> io::Result<bool> {
        let mut terminal = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
        terminal.write_all(format!("{question} [Y/n] ").as_bytes())?;
        let mut answer = String::new();
        BufReader::new(terminal).read_line(&mut answer)?;
        Ok(matches!(answer.trim().to_lowercase().as_str(), "" | "y" | "yes"))
    }

    /// Asks for a text, which is shown as it is typed. Gives it without its line end.
    ///
    /// # Errors
    /// There is no terminal.
    pub fn typed(&self, question: &str) -> io::Result<String> {
        self.close();
        let mut terminal = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
        terminal.write_all(question.as_bytes())?;
        let mut answer = String::new();
        BufReader::new(terminal).read_line(&mut answer)?;
        Ok(answer.trim_end_matches(['\n', '\r']).to_owned())
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
