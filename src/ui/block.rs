//! What is said about one host at one moment: a line with a sign, and lines below it.

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
        let mut text = String::new();
        let head = format!("{}  {} {}", pad(host, layout.hosts), self.mark.sign(), self.text);
        let remark_below = !self.remark.is_empty() && !layout.fits(&head, &self.remark);
        let colored = match self.mark {
            Mark::Failed => self.failed(paint),
            Mark::Same | Mark::Output | Mark::Step => {
                paint.mark(self.mark, &format!("{} {}", self.mark.sign(), self.text))
            }
            mark => format!("{} {}", paint.mark(mark, mark.sign()), self.text),
        };
        text.push_str(&format!("{}  {colored}", paint.bold(&pad(host, layout.hosts))));
        if !self.remark.is_empty() && !remark_below {
            let gap = layout.remark_column().saturating_sub(width(&head)).max(2);
            text.push_str(&format!("{}{}", " ".repeat(gap), paint.dim(&self.remark)));
        }
        let mut text = text.trim_end().to_owned();
        text.push('\n');
        if remark_below {
            push_below(&mut text, layout, &Line::new(Tone::Dim, &self.remark));
        }
        self.body.iter().for_each(|line| push_below(&mut text, layout, line));
        text
    }

    /// The word that says how a host failed is coloured with its sign.
    fn failed(&self, paint: Paint) -> String {
        let (word, rest) = self.text.split_once(' ').unwrap_or((&self.text, ""));
        let sign = self.mark.sign();
        format!("{} {rest}", paint.mark(self.mark, &format!("{sign} {word}")))
    }
}

fn push_below(text: &mut String, layout: Layout, line: &Line) {
    let indented = format!("{}{}", " ".repeat(layout.hosts + 4), layout.paint.line(line));
    text.push_str(indented.trim_end());
    text.push('\n');
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
}
