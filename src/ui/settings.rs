//! What the user wants to see.

use std::io::IsTerminal;

/// When to colour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set; everywhere with `CLICOLOR_FORCE`.
    #[default]
    Auto,
    Always,
    Never,
}

/// What the command line says about output.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    pub color: Color,
    /// Events as NDJSON on stdout; text for people on stderr.
    pub json: bool,
    /// Only failures and the recap.
    pub quiet: bool,
    /// 1: log lines and what commands print. 2: also every step, and verbs that changed nothing.
    pub verbose: u8,
    /// Diffs in a real run too; a dry run always has them.
    pub diff: bool,
    /// Answers every question with yes.
    pub yes: bool,
    /// Columns of the terminal; measured when `None`.
    pub width: Option<usize>,
}

/// An output stream as far as its look is concerned.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    pub color: bool,
    /// Columns; `None` if nobody wraps there.
    pub width: Option<usize>,
}

impl Look {
    /// The look of a stream that `terminal` describes, given the environment.
    pub fn of(
        stream: &(impl IsTerminal + std::os::fd::AsFd),
        settings: &Settings,
        env: impl Fn(&str) -> Option<String>,
    ) -> Self {
        let terminal = stream.is_terminal();
        let measured = terminal.then(|| columns(stream)).flatten();
        Self { color: colored(settings.color, terminal, env), width: settings.width.or(measured) }
    }
}

/// The columns of the terminal behind `stream`.
pub(super) fn columns(stream: impl std::os::fd::AsFd) -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(stream).ok()?;
    (size.ws_col > 0).then_some(usize::from(size.ws_col))
}

fn colored(wish: Color, terminal: bool, env: impl Fn(&str) -> Option<String>) -> bool {
    let set = |name| env(name).is_some_and(|value| !value.is_empty());
    match wish {
        Color::Always => true,
        Color::Never => false,
        Color::Auto if set("NO_COLOR") => false,
        Color::Auto if set("CLICOLOR_FORCE") => env("CLICOLOR_FORCE").as_deref() != Some("0"),
        Color::Auto => terminal && env("TERM").as_deref() != Some("dumb"),
    }
}

/// Whether a locale was chosen that cannot show more than ASCII. No locale at all is no choice.
pub(super) fn ascii_only(env: impl Fn(&str) -> Option<String>) -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .find_map(|name| env(name).filter(|value| !value.is_empty()));
    locale.is_some_and(|locale| {
        let locale = locale.to_lowercase();
        !locale.contains("utf-8") && !locale.contains("utf8")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env<'a>(pairs: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        |name| pairs.iter().find(|pair| pair.0 == name).map(|pair| pair.1.to_owned())
    }

    #[test]
    fn the_environment_decides_on_colour_only_where_the_user_did_not() {
        assert!(colored(Color::Auto, true, env(&[])));
        assert!(!colored(Color::Auto, false, env(&[])));
        assert!(!colored(Color::Auto, true, env(&[("NO_COLOR", "1")])));
        assert!(colored(Color::Auto, true, env(&[("NO_COLOR", "")])));
        assert!(colored(Color::Auto, false, env(&[("CLICOLOR_FORCE", "1")])));
        assert!(!colored(Color::Auto, true, env(&[("TERM", "dumb")])));
        assert!(colored(Color::Always, false, env(&[("NO_COLOR", "1")])));
        assert!(!colored(Color::Never, true, env(&[("CLICOLOR_FORCE", "1")])));
    }

    #[test]
    fn the_first_locale_variable_that_is_set_counts() {
        assert!(!ascii_only(env(&[])));
        assert!(ascii_only(env(&[("LANG", "C")])));
        assert!(!ascii_only(env(&[("LANG", "C.UTF-8")])));
        assert!(ascii_only(env(&[("LC_ALL", "POSIX"), ("LANG", "de_DE.UTF-8")])));
    }
}
