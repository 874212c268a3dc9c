//! Colours, and how wide things are on the screen.

use std::time::Duration;

use unicode_width::UnicodeWidthStr;

use super::block::Mark;
use crate::report::{Line, Tone};

/// Colours text, or leaves it as it is.
#[derive(Debug, Clone, Copy)]
pub struct Paint(pub bool);

const BOLD: &str = "1";
const DIM: &str = "2";
const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";
const CYAN: &str = "36";
const BOLD_RED: &str = "1;31";

impl Paint {
    fn with(self, code: &str, text: &str) -> String {
        match self.0 && !text.is_empty() {
            true => format!("\x1b[{code}m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }

    pub fn bold(self, text: &str) -> String {
        self.with(BOLD, text)
    }

    pub fn dim(self, text: &str) -> String {
        self.with(DIM, text)
    }

    pub fn red(self, text: &str) -> String {
        self.with(RED, text)
    }

    pub fn yellow(self, text: &str) -> String {
        self.with(YELLOW, text)
    }

    /// The sign of a line, and for some of them the line's text too.
    pub fn mark(self, mark: Mark, text: &str) -> String {
        match mark {
            Mark::Created => self.with(GREEN, text),
            Mark::Removed => self.with(RED, text),
            Mark::Changed => self.with(YELLOW, text),
            Mark::Failed => self.with(BOLD_RED, text),
            Mark::Warning => self.with(YELLOW, text),
            Mark::Same | Mark::Output | Mark::Step => self.with(DIM, text),
            Mark::Said => text.to_owned(),
        }
    }

    /// A line below a host's line.
    pub fn line(self, line: &Line) -> String {
        match line.tone {
            Tone::Plain => line.text.clone(),
            Tone::Dim => self.with(DIM, &line.text),
            Tone::Added => self.with(GREEN, &line.text),
            Tone::Removed => self.with(RED, &line.text),
            Tone::Hunk | Tone::Hint => self.with(CYAN, &line.text),
            Tone::Error => self.error(&line.text),
            Tone::Excerpt => self.excerpt(&line.text),
        }
    }

    fn error(self, text: &str) -> String {
        match text.split_once(": ") {
            Some((word, rest)) => format!("{}: {}", self.with(BOLD_RED, word), self.bold(rest)),
            None => self.with(BOLD_RED, text),
        }
    }

    /// Line numbers step back, carets step forward.
    fn excerpt(self, text: &str) -> String {
        let Some((gutter, source)) = text.split_once('|') else {
            return text.to_owned();
        };
        let carets = !source.is_empty() && source.chars().all(|c| c == ' ' || c == '^');
        let source = if carets { self.with(BOLD_RED, source) } else { source.to_owned() };
        format!("{}{source}", self.dim(&format!("{gutter}|")))
    }
}

/// Columns that `text` takes.
pub fn width(text: &str) -> usize {
    text.width()
}

/// `text` filled up with spaces to `columns`.
pub fn pad(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width(text))))
}

/// `text` cut to `columns`, with `…` where something is missing.
pub fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += unicode_width::UnicodeWidthChar::width(c).unwrap_or(0);
        if used > columns {
            break;
        }
        kept.push(c);
    }
    if columns > 0 {
        kept.push('…');
    }
    kept
}

/// `0.3 s`, `12 s`, `3m 05s`, `1h 02m`.
pub fn time(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", (time.as_secs_f64() * 10.0).floor() / 10.0),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h {:02}m", seconds / 3600, seconds / 60 % 60),
    }
}

/// `1 host`, `3 hosts`.
pub fn count(number: usize, noun: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{s}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_by_columns_not_by_characters() {
        assert_eq!(cut("日本語", 6), "日本語");
        assert_eq!(cut("日本語", 5), "日本…");
        assert_eq!(cut("日本語", 4), "日…");
        assert_eq!(cut("abc", 0), "");
    }

    #[test]
    fn times_are_short() {
        let times = [0.31, 9.99, 12.0, 185.0, 3720.0].map(|s| time(Duration::from_secs_f64(s)));
        assert_eq!(times, ["0.3 s", "9.9 s", "12 s", "3m 05s", "1h 02m"]);
    }
}
