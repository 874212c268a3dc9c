//! The one error of the program: what went wrong, on which host, at which place, and what to try.
//!
//! Domain modules may keep a small `thiserror` enum of their own; its `From` for [`Error`] is where
//! the hints live, so that no call site writes advice. Rendering is the business of `report.rs`.

use std::fmt;

use serde::Serialize;

/// The result of everything that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure it is. Scripts see it as `err.kind`, in lower case; the exit code follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The command line is wrong.
    Usage,
    /// The playbook is wrong, or it called `fail`.
    Playbook,
    /// `inventory.yaml` or a variables file is wrong.
    Inventory,
    /// A template is wrong, or one of its variables is undefined.
    Template,
    /// The vault cannot be opened.
    Vault,
    /// A host cannot be reached or refuses the login.
    Connect,
    /// A command on a node ended with an unexpected exit code.
    Command,
    /// A file or directory, here or on a node, cannot be read or written.
    File,
    /// A package, mirror, image or signature is not what it should be.
    Image,
    /// A card or disk cannot, or must not, be written.
    Device,
    /// A node's slots, or what is to go into one, are not what an upgrade needs.
    Upgrade,
    /// A backup, or the place where backups are kept, is not what it should be.
    Backup,
    /// A wait or a command ran out of time.
    Timeout,
    /// A host failed; its own error was shown when it happened.
    HostsFailed,
    /// The user pressed Ctrl-C.
    Cancelled,
    /// pirun itself is wrong.
    Bug,
}

impl ErrorKind {
    /// The word that scripts and JSON events use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::Playbook => "playbook",
            Self::Inventory => "inventory",
            Self::Template => "template",
            Self::Vault => "vault",
            Self::Connect => "connect",
            Self::Command => "command",
            Self::File => "file",
            Self::Image => "image",
            Self::Device => "device",
            Self::Upgrade => "upgrade",
            Self::Backup => "backup",
            Self::Timeout => "timeout",
            Self::HostsFailed => "hosts_failed",
            Self::Cancelled => "cancelled",
            Self::Bug => "bug",
        }
    }

    /// The exit code of a program that ends with this error.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Usage | Self::Playbook | Self::Inventory | Self::Template => 2,
            Self::Vault => 4,
            Self::Cancelled => 130,
            _ => 1,
        }
    }
}

/// A place in a text that the user wrote. Line and column count from 1; column counts characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Site {
    /// The file as shown to the user; texts built into pirun are named `<stdlib>/k3s.rhai`.
    pub file: String,
    pub line: usize,
    pub column: usize,
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// One line of a call stack: `call` was called at `site`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Frame {
    pub call: String,
    pub site: Site,
}

/// What went wrong, where, and what to try. Cheap to move, and cloned only into scripts.
#[derive(Debug, Clone)]
pub struct Error(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    kind: ErrorKind,
    message: String,
    host: Option<String>,
    site: Option<Site>,
    stack: Vec<Frame>,
    hints: Vec<String>,
    detail: Option<String>,
    code: Option<i32>,
}

impl Error {
    /// An error with a message that starts in lower case and has no full stop.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            host: None,
            site: None,
            stack: Vec::new(),
            hints: Vec::new(),
            detail: None,
            code: None,
        }))
    }

    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Usage, message)
    }

    pub fn playbook(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Playbook, message)
    }

    pub fn file(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::File, message)
    }

    pub fn bug(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Bug, message)
            .hint("This is a mistake in pirun. Please report it with the log file of the run.")
    }

    /// The run was stopped by the user.
    pub fn cancelled() -> Self {
        Self::new(ErrorKind::Cancelled, "cancelled")
    }

    /// An input/output error of the operator's own machine on `path`.
    pub fn io(path: impl AsRef<std::path::Path>, source: &std::io::Error) -> Self {
        Self::file(format!("{}: {}", path.as_ref().display(), plain_io(source)))
    }

    /// Adds advice: a full sentence.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hints.push(hint.into());
        self
    }

    /// Names the host, unless a host is named already.
    #[must_use]
    pub fn on_host(mut self, host: impl Into<String>) -> Self {
        self.0.host.get_or_insert_with(|| host.into());
        self
    }

    /// Names the place, unless a place is named already: the innermost place is the one that helps.
    #[must_use]
    pub fn at(mut self, site: Site) -> Self {
        self.0.site.get_or_insert(site);
        self
    }

    /// Adds the next outer call.
    #[must_use]
    pub fn called_from(mut self, frame: Frame) -> Self {
        self.0.stack.push(frame);
        self
    }

    /// Adds raw text that explains the error, such as the last lines that a command printed.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        if !detail.trim().is_empty() {
            self.0.detail = Some(detail);
        }
        self
    }

    /// Remembers the exit code of the command that failed.
    #[must_use]
    pub fn with_code(mut self, code: i32) -> Self {
        self.0.code = Some(code);
        self
    }

    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    pub fn message(&self) -> &str {
        &self.0.message
    }

    pub fn host(&self) -> Option<&str> {
        self.0.host.as_deref()
    }

    pub fn site(&self) -> Option<&Site> {
        self.0.site.as_ref()
    }

    /// Calls from the innermost to the outermost.
    pub fn stack(&self) -> &[Frame] {
        &self.0.stack
    }

    pub fn hints(&self) -> &[String] {
        &self.0.hints
    }

    /// Raw text that explains the error, such as what a failed command printed to stderr.
    pub fn explanation(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    /// The exit code of the command that failed.
    pub fn code(&self) -> Option<i32> {
        self.0.code
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Error {}

/// The text of an input/output error without Rust's "(os error 2)".
pub(crate) fn plain_io(error: &std::io::Error) -> String {
    let text = error.to_string();
    let plain = text.split(" (os error").next().unwrap_or(&text);
    let mut chars = plain.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_host_and_place_win() {
        let site = |line| Site { file: "a.rhai".into(), line, column: 1 };
        let error = Error::file("no").on_host("rpi40").on_host("rpi41").at(site(1)).at(site(2));
        assert_eq!(error.host(), Some("rpi40"));
        assert_eq!(error.site(), Some(&site(1)));
    }

    #[test]
    fn an_io_error_reads_like_a_sentence() {
        let source = std::io::Error::from_raw_os_error(2);
        assert_eq!(Error::io("a/b", &source).message(), "a/b: no such file or directory");
    }
}
