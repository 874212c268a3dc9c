//! What is said about one host at one moment: a line with a sign, and lines below it.

use unicode_width::UnicodeWidthChar;

use super::paint::{Paint, pad, width};
use crate::error::Error;
use crate::report::{self, Line, Sources, Tone};
use crate::visible::visible;

/// The sign in front of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mark {
    Created,
    Removed,
    Changed,
    /// Nothing to change.
    Same,
    Failed,
    Warning,
    /// A line that a command printed.
    Output,
    /// What is going on.
    Step,
    /// Text of the playbook's author.
    Said,
}

impl Mark {
    fn sign(self) -> &'static str {
        match self {
            Self::Created => "+",
            Self::Removed => "-",
            Self::Changed => "~",
            Self::Same => "=",
            Self::Failed => "!",
            Self::Warning => "?",
            Self::Output => "|",
            Self::Step => ".",
            Self::Said => " ",
        }
    }
}

/// One line about a host, with what belongs below it. Equal blocks of several hosts are shown once.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Block {
    pub mark: Mark,
    pub text: String,
    /// Stands at the end of the line, in a column of its own.
    pub remark: String,
    pub body: Vec<Line>,
}

impl Block {
    /// A block of text; lines after the first go below it.
    pub fn new(mark: Mark, text: &str) -> Self {
        let mut lines = text.lines();
        let first = visible(lines.next().unwrap_or_default()).into_owned();
        let body = lines.map(|line| Line::new(Tone::Plain, line)).collect();
        Self { mark, text: first, remark: String::new(), body }
    }

    /// A host that failed.
    pub fn failure(error: &Error, unreachable: bool, sources: &Sources<'_>) -> Self {
        let word = if unreachable { "unreachable" } else { "failed" };
        let first = error.message().lines().next().unwrap_or_default();
        let text = visible(&format!("{word}   {first}")).into_owned();
        let body = report::explain(error, sources);
        Self { mark: Mark::Failed, text, remark: String::new(), body }
    }

    /// The lines of this block, each with its line end.
    pub fn print(&self, host: &str, layout: Layout) -> String {
        let paint = layout.paint;
        let mut pieces = layout.wrapped(&self.text).into_iter();
        let first = pieces.next().unwrap_or_default();
        let head = format!("{}  {} {first}", pad(host, layout.hosts), self.mark.sign());
        let rest: Vec<Line> =
            pieces.map(|text| Line { tone: Tone::Plain, text: format!("{HANG}{text}") }).collect();
        let remark_below =
            !self.remark.is_empty() && (!rest.is_empty() || !layout.fits(&head, &self.remark));
        let colored = match self.mark {
            Mark::Failed => self.failed(first, paint),
            Mark::Same | Mark::Output | Mark::Step => {
                paint.mark(self.mark, &format!("{} {first}", self.mark.sign()))
            }
            mark => format!("{} {first}", paint.mark(mark, mark.sign())),
        };
        let mut text = format!("{}  {colored}", paint.bold(&pad(host, layout.hosts)));
        if !self.remark.is_empty() && !remark_below {
            let gap = layout.remark_column().saturating_sub(width(&head)).max(2);
            text.push_str(&format!("{}{}", " ".repeat(gap), paint.dim(&self.remark)));
        }
        let mut text = format!("{}\n", text.trim_end());
        text.extend(rest.iter().map(|line| layout.below(line)));
        if remark_below {
            text.push_str(&layout.below(&Line::new(Tone::Dim, &self.remark)));
        }
        text.extend(self.body.iter().map(|line| layout.below(line)));
        text
    }

    /// The word that says how a host failed is coloured with its sign.
    fn failed(&self, first: &str, paint: Paint) -> String {
        let (word, rest) = first.split_once(' ').unwrap_or((first, ""));
        let sign = self.mark.sign();
        format!("{} {rest}", paint.mark(self.mark, &format!("{sign} {word}")))
    }
}

/// The columns of a fan-out.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    pub paint: Paint,
    /// Columns of the longest host name.
    pub hosts: usize,
    /// Columns of the terminal; `None` if nobody wraps there.
    pub width: Option<usize>,
}

impl Layout {
    /// Where remarks begin, if nothing longer stands before them.
    fn remark_column(self) -> usize {
        self.width.map_or(65, |width| width.saturating_sub(15).min(65))
    }

    fn fits(self, head: &str, remark: &str) -> bool {
        self.width.is_none_or(|columns| width(head) + 2 + width(remark) <= columns)
    }

    /// Lines under a host's line, each with its line end.
    pub fn below(self, line: &Line) -> String {
        let indent = " ".repeat(self.hosts + 4);
        // Carets point at nothing in a line that is broken.
        let pieces = match line.tone {
            Tone::Excerpt => vec![&*line.text],
            _ => self.wrapped(&line.text),
        };
        let mut hang = "";
        let print = |piece| {
            let text = format!("{}{piece}", std::mem::replace(&mut hang, HANG));
            let piece = self.paint.line(&Line { tone: line.tone, text });
            format!("{}\n", format!("{indent}{piece}").trim_end())
        };
        pieces.into_iter().map(print).collect()
    }

    /// `text` in pieces that fit beside the hosts' names.
    fn wrapped(self, text: &str) -> Vec<&str> {
        let columns = self.width.map(|width| width.saturating_sub(self.hosts + 4 + HANG.len()));
        match columns {
            Some(columns) if columns >= NARROWEST => wrap(text, columns),
            _ => vec![text],
        }
    }
}

/// Stands before what a line was too long for.
const HANG: &str = "  ";
/// In fewer columns than this, broken lines read worse than what the terminal makes of whole ones.
const NARROWEST: usize = 16;

/// `text` in pieces: the first may be as much wider as the others are indented.
fn wrap(text: &str, columns: usize) -> Vec<&str> {
    let (mut pieces, mut rest, mut room) = (Vec::new(), text, columns + HANG.len());
    while rest.chars().map(columns_of).sum::<usize>() > room {
        let at = break_at(rest, room);
        pieces.push(&rest[..at]);
        rest = &rest[at..];
        room = columns;
    }
    pieces.push(rest);
    pieces
}

fn columns_of(c: char) -> usize {
    UnicodeWidthChar::width(c).unwrap_or(0)
}

/// Where a text that is wider than `columns` is broken: behind a space, unless that is far from the end.
fn break_at(text: &str, columns: usize) -> usize {
    let mut used = 0;
    let fits = |&(_, c): &(usize, char)| {
        used += columns_of(c);
        used <= columns
    };
    let most = text.char_indices().take_while(fits).last();
    let end = most.map_or(text.len(), |(at, c)| at + c.len_utf8());
    match text[..end].rfind(' ') {
        Some(space) if space + 1 > end / 2 => space + 1,
        _ => end,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_long_line_is_broken_at_words_and_stays_below_its_host() {
        let mut block = Block::new(Mark::Failed, "failed   `apk add curl` ended with code 99");
        block.body = vec![
            Line::new(
                Tone::Added,
                "+K3S_OPTS=--node-name=rpi41,--token-file=/etc/rancher/k3s/token",
            ),
            Line::new(Tone::Hint, "hint: the mirror is not there; try again later"),
        ];
        let layout = Layout { paint: Paint(false), hosts: 5, width: Some(40) };
        insta::assert_snapshot!(block.print("rpi41", layout), @r#"
    rpi41  ! failed   `apk add curl` ended
               with code 99
             +K3S_OPTS=--node-name=rpi41,--t
               oken-file=/etc/rancher/k3s/to
               ken
             hint: the mirror is not there;
               try again later
    "#);
    }

    proptest! {
        #[test]
        fn wrapping_loses_nothing_and_keeps_to_the_columns(text in ".{0,200}", columns in 16usize..60) {
            let pieces = wrap(&text, columns);
            prop_assert_eq!(pieces.concat(), &*text);
            for piece in pieces {
                prop_assert!(piece.chars().map(columns_of).sum::<usize>() <= columns + HANG.len());
            }
        }
    }
}
