//! Finds all forms of all secrets in a text at once.

use aho_corasick::AhoCorasick;

use super::forms::Forms;
use crate::vault::secret::{Secret, placeholder};

/// A part of a text that shows a secret: from `start` to before `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub start: usize,
    pub end: usize,
    /// Length of the form that names it.
    length: usize,
    secret: usize,
}

/// The search for a fixed set of secrets.
pub struct Matcher {
    names: Vec<String>,
    plain: Index,
    wrapped: Index,
}

impl Matcher {
    pub fn new(secrets: &[Secret]) -> Self {
        let (mut plain, mut wrapped) = (Vec::new(), Vec::new());
        for (number, secret) in secrets.iter().enumerate() {
            let forms = Forms::of(secret);
            plain.extend(forms.plain.into_iter().map(|form| (form, number)));
            wrapped.extend(forms.wrapped.into_iter().map(|form| (form, number)));
        }
        let names = secrets.iter().map(|secret| placeholder(secret.name())).collect();
        Self { names, plain: Index::new(plain), wrapped: Index::new(wrapped) }
    }

    /// Where secrets are, in order; none touches the next.
    pub fn spans(&self, text: &[u8]) -> Vec<Span> {
        let mut spans = self.plain.find(text);
        if let Some(joined) = Joined::of(text) {
            let torn = self.wrapped.find(&joined.text).into_iter().map(|span| joined.in_text(span));
            // Those within a line are found already.
            spans.extend(torn.filter(|span| span.end - span.start > span.length));
        }
        merge(spans)
    }

    /// The first byte from which on `text` may go on to become a secret.
    pub fn undecided_from(&self, text: &[u8], long_run: bool) -> usize {
        let plain = self.plain.undecided_from(text);
        if !long_run {
            return plain;
        }
        let Some(joined) = Joined::unfinished(text) else { return plain };
        let torn = self.wrapped.undecided_from(&joined.text);
        plain.min(joined.at.get(torn).copied().unwrap_or(text.len()))
    }

    pub fn replace(&self, text: &[u8], spans: &[Span]) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len());
        let mut done = 0;
        for span in spans {
            out.extend_from_slice(&text[done..span.start]);
            out.extend_from_slice(self.names[span.secret].as_bytes());
            done = span.end;
        }
        out.extend_from_slice(&text[done..]);
        out
    }
}

/// Overlapping finds become one, named after the longest: what sticks out of one secret may be the end of another.
fn merge(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_unstable_by_key(|span| (span.start, span.end));
    let mut merged: Vec<Span> = Vec::new();
    for span in spans {
        match merged.last_mut() {
            Some(last)
                if span.start < last.end
                    || (span.start == last.end && span.secret == last.secret) =>
            {
                last.end = last.end.max(span.end);
                if span.length > last.length {
                    (last.length, last.secret) = (span.length, span.secret);
                }
            }
            _ => merged.push(span),
        }
    }
    merged
}

/// Forms, to be found whole or begun.
struct Index {
    search: Option<AhoCorasick>,
    /// Sorted; the search's pattern numbers are positions in here.
    forms: Vec<(Vec<u8>, usize)>,
    begins_with: [bool; 256],
    longest: usize,
}

impl Index {
    fn new(mut forms: Vec<(Vec<u8>, usize)>) -> Self {
        forms.sort_unstable();
        forms.dedup_by(|next, kept| next.0 == kept.0);
        let mut begins_with = [false; 256];
        for (form, _) in &forms {
            begins_with[usize::from(form[0])] = true;
        }
        let longest = forms.iter().map(|(form, _)| form.len()).max().unwrap_or(0);
        // Only sizes that no set of secrets reaches are refused.
        let search = match forms.is_empty() {
            true => None,
            false => Some(
                AhoCorasick::new(forms.iter().map(|(form, _)| form))
                    .expect("a vault's forms fit into an automaton"),
            ),
        };
        Self { search, forms, begins_with, longest }
    }

    fn find(&self, text: &[u8]) -> Vec<Span> {
        let Some(search) = &self.search else { return Vec::new() };
        search
            .find_overlapping_iter(text)
            .map(|found| Span {
                start: found.start(),
                end: found.end(),
                length: found.len(),
                secret: self.forms[found.pattern().as_usize()].1,
            })
            .collect()
    }

    /// The first position whose rest is the beginning of a form, or the length of the text.
    fn undecided_from(&self, text: &[u8]) -> usize {
        let first = text.len().saturating_sub(self.longest.saturating_sub(1));
        (first..text.len())
            .find(|start| {
                self.begins_with[usize::from(text[*start])] && self.begins(&text[*start..])
            })
            .unwrap_or(text.len())
    }

    /// Whether `rest` is a proper beginning of a form.
    fn begins(&self, rest: &[u8]) -> bool {
        let next = self.forms.partition_point(|(form, _)| form.as_slice() <= rest);
        self.forms.get(next).is_some_and(|(form, _)| form.starts_with(rest))
    }
}

/// A text without its line ends and the blanks around them.
struct Joined {
    text: Vec<u8>,
    /// Where each byte stands in the original.
    at: Vec<usize>,
}

impl Joined {
    /// `None` if there is no line end.
    fn of(text: &[u8]) -> Option<Self> {
        Self::without_breaks(text, line_break)
    }

    /// The same for a text that goes on: what may become a line end counts as one.
    fn unfinished(text: &[u8]) -> Option<Self> {
        Self::without_breaks(text, |rest| match line_break(rest) {
            0 if may_become_a_break(rest) => rest.len(),
            length => length,
        })
    }

    fn without_breaks(text: &[u8], line_break: impl Fn(&[u8]) -> usize) -> Option<Self> {
        let mut joined = Self { text: Vec::new(), at: Vec::new() };
        let mut position = 0;
        let mut found = false;
        while position < text.len() {
            match line_break(&text[position..]) {
                0 => {
                    joined.text.push(text[position]);
                    joined.at.push(position);
                    position += 1;
                }
                length => {
                    found = true;
                    position += length;
                }
            }
        }
        found.then_some(joined)
    }

    fn in_text(&self, span: Span) -> Span {
        Span { start: self.at[span.start], end: self.at[span.end - 1] + 1, ..span }
    }
}

const BREAKS: [&[u8]; 3] = [b"\n", b"\\n", b"\\r\\n"];

fn blanks(text: &[u8]) -> usize {
    text.iter().take_while(|byte| b" \t\r".contains(byte)).count()
}

/// Length of the line end at the start of `text`, real or written as `\n`, with the blanks around it.
fn line_break(text: &[u8]) -> usize {
    let before = blanks(text);
    let Some(end) = BREAKS.into_iter().find(|end| text[before..].starts_with(end)) else {
        return 0;
    };
    let length = before + end.len();
    length + blanks(&text[length..])
}

fn may_become_a_break(rest: &[u8]) -> bool {
    let after_blanks = &rest[blanks(rest)..];
    BREAKS.iter().any(|end| end.starts_with(after_blanks))
}
