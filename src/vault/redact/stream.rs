//! Redaction of a text that comes in pieces, where a secret may lie across their borders.

use super::Redactor;
use super::matcher::{Matcher, Span};

/// A line that ends with so many characters of base64 may be a wrapped dump that goes on in the next line.
const WRAPPED_WIDTH: usize = 32;
/// A secret that is longer than this in the output is hidden in parts.
const PATIENCE: usize = 64 << 10;

/// Gives out what is certain to be no part of a secret, and holds back the rest. Lines that look like nothing secret
/// come out at once.
pub struct RedactStream {
    redactor: Redactor,
    held: Vec<u8>,
    /// How many characters of base64 the text given out so far ends with.
    run: usize,
}

impl RedactStream {
    pub(super) fn new(redactor: Redactor) -> Self {
        Self { redactor, held: Vec::new(), run: 0 }
    }

    /// Takes the next piece, and gives what can be shown now.
    pub fn push(&mut self, piece: &[u8]) -> Vec<u8> {
        self.held.extend_from_slice(piece);
        let Some(matcher) = self.redactor.matcher() else { return std::mem::take(&mut self.held) };
        let mut spans = matcher.spans(&self.held);
        let settled = self.settled(&matcher, &spans);
        spans.retain_mut(|span| {
            // Only a secret beyond all patience is cut here.
            span.end = span.end.min(settled);
            span.start < settled
        });
        self.give(&matcher, &spans, settled)
    }

    /// The text has ended: gives what was held back. The stream can be used for another text then.
    pub fn finish(&mut self) -> Vec<u8> {
        let Some(matcher) = self.redactor.matcher() else { return std::mem::take(&mut self.held) };
        let spans = matcher.spans(&self.held);
        let out = self.give(&matcher, &spans, self.held.len());
        self.run = 0;
        out
    }

    /// How many bytes can be decided: not those that may become a secret, nor a secret that may go on in them. One that
    /// ends where they begin waits too: with the same secret right behind it, both are shown as one.
    fn settled(&self, matcher: &Matcher, spans: &[Span]) -> usize {
        let undecided = matcher.undecided_from(&self.held, self.holds_a_dump());
        let reaching = spans.iter().find(|span| span.start < undecided && undecided <= span.end);
        match reaching {
            Some(_) if self.held.len() > PATIENCE => undecided,
            Some(span) => span.start,
            None => undecided,
        }
    }

    /// Whether a line of what is held looks like a dump that was wrapped.
    fn holds_a_dump(&self) -> bool {
        let lines = self.held.split(|byte| b"\n\\".contains(byte));
        lines.enumerate().any(|(index, line)| {
            let line = line.trim_ascii_end();
            let run = trailing_run(line);
            let before = if index == 0 && run == line.len() { self.run } else { 0 };
            before + run >= WRAPPED_WIDTH
        })
    }

    fn give(&mut self, matcher: &Matcher, spans: &[Span], length: usize) -> Vec<u8> {
        let rest = self.held.split_off(length);
        let given = std::mem::replace(&mut self.held, rest);
        let run = trailing_run(&given);
        self.run = if run == given.len() { self.run + run } else { run };
        matcher.replace(&given, spans)
    }
}

fn trailing_run(text: &[u8]) -> usize {
    let in_alphabet = |byte: &&u8| byte.is_ascii_alphanumeric() || b"+/-_=".contains(byte);
    text.iter().rev().take_while(in_alphabet).count()
}
