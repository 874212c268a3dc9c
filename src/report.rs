//! The one renderer of errors: message, place, source excerpt with a caret, call stack, what a command
//! printed, and hints.
//!
//! The excerpt is drawn by annotate-snippets, the renderer of rustc: it knows tabs, wide characters and
//! long lines. miette was tried first; its boxes do not fit below a host's line, and it wants the error
//! type to be its own.

use std::borrow::Cow;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::error::{Error, ErrorKind, Site};
use crate::visible::visible;

/// The last lines of a failed command's output that are shown; all of them are in the log.
const DETAIL_LINES: usize = 20;
/// A file larger than this is no playbook, and is not read for an excerpt.
const LARGEST_SOURCE: u64 = 4 << 20;

/// How a line is meant; the terminal picks a colour by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tone {
    Plain,
    /// Less important than its surroundings.
    Dim,
    Added,
    Removed,
    Hunk,
    /// The message of an error.
    Error,
    /// Advice: `hint: …`.
    Hint,
    /// Source text with line numbers, or the carets under it.
    Excerpt,
}

/// One line of output, without a line end.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Line {
    pub tone: Tone,
    pub text: String,
}

impl Line {
    /// A line that is safe to print, whatever `text` holds.
    pub fn new(tone: Tone, text: &str) -> Self {
        Self { tone, text: visible(text).into_owned() }
    }
}

/// Where excerpts come from, and what must not be seen in them.
pub struct Sources<'a> {
    /// The text of a file that is not on the disk, such as `<stdlib>/k3s.rhai`.
    pub lookup: &'a dyn Fn(&str) -> Option<String>,
    /// Hides secrets.
    pub filter: &'a dyn Fn(&str) -> String,
}

impl Sources<'_> {
    fn line(&self, site: &Site) -> Option<String> {
        let text = (self.lookup)(&site.file).or_else(|| read(&site.file))?;
        let line = text.lines().nth(site.line.checked_sub(1)?)?;
        Some(line.to_owned())
    }
}

fn read(file: &str) -> Option<String> {
    let about = std::fs::metadata(file).ok()?;
    let readable = about.is_file() && about.len() <= LARGEST_SOURCE;
    let bytes = readable.then(|| std::fs::read(file).ok())??;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The whole error, as it is shown when it ends the program.
pub fn render(error: &Error, sources: &Sources<'_>) -> Vec<Line> {
    let host = error.host().map(|host| format!("{host}: ")).unwrap_or_default();
    let message = format!("error: {host}{}", error.message());
    let mut lines = vec![Line::new(Tone::Error, message.lines().next().unwrap_or_default())];
    lines.extend(explain(error, sources));
    lines
}

/// Everything but the first line of the message, for a place that shows that line itself.
pub fn explain(error: &Error, sources: &Sources<'_>) -> Vec<Line> {
    let mut lines: Vec<Line> =
        error.message().lines().skip(1).map(|line| Line::new(Tone::Plain, line)).collect();
    // Whichever verb comes first finds a node unreachable: its place explains nothing.
    if error.kind() != ErrorKind::Connect {
        lines.extend(trace(error, sources));
    }
    if let Some(detail) = error.explanation() {
        lines.extend(tail(detail));
    }
    for hint in error.hints() {
        lines.extend(advice(hint));
    }
    lines
}

/// Where in the playbook it happened, and through which calls.
fn trace(error: &Error, sources: &Sources<'_>) -> Vec<Line> {
    let mut lines = error.site().map(|site| place(site, sources)).unwrap_or_default();
    lines.extend(error.stack().iter().map(|frame| {
        Line::new(Tone::Dim, &format!("in `{}`, called at {}", frame.call, frame.site))
    }));
    lines
}

/// ` --> file:line:column` and the excerpt, if the source can be had.
fn place(site: &Site, sources: &Sources<'_>) -> Vec<Line> {
    let mut lines = Vec::new();
    // Line 0 is a place without a position: the file is all that is known.
    if site.line == 0 {
        return vec![Line::new(Tone::Dim, &format!("--> {}", site.file))];
    }
    let gutter = site.line.to_string().len();
    lines.push(Line::new(Tone::Dim, &format!("{:gutter$}--> {site}", "")));
    let Some(source) = sources.line(site) else {
        return lines;
    };
    let shown = (sources.filter)(&source);
    // A caret into a line whose secrets were replaced would point somewhere else.
    let column = (shown == source).then_some(site.column);
    lines.extend(excerpt(&shown, site.line, column));
    lines
}

fn excerpt(source: &str, line: usize, column: Option<usize>) -> Vec<Line> {
    let source = escape_in_place(source);
    let span = column.map_or(0..source.len(), |column| token_at(&source, column));
    let kind = if column.is_some() { AnnotationKind::Primary } else { AnnotationKind::Visible };
    let snippet = Snippet::source(source.as_ref()).line_start(line).annotation(kind.span(span));
    let group = Group::with_level(Level::ERROR).element(snippet);
    let drawn = Renderer::plain().render(&[group]);
    drawn
        .lines()
        .map(|line| Line { tone: Tone::Excerpt, text: line.trim_end().to_owned() })
        .collect()
}

/// Control characters replaced one for one, so that columns keep their meaning.
fn escape_in_place(source: &str) -> Cow<'_, str> {
    let line = source.strip_suffix('\r').unwrap_or(source);
    if visible(line) == line {
        return Cow::Borrowed(line);
    }
    let mut one = [0; 4];
    let safe =
        |c: char| if visible(c.encode_utf8(&mut one)).len() == c.len_utf8() { c } else { '?' };
    Cow::Owned(line.chars().map(safe).collect())
}

/// The bytes of the token at `column`: a word with its module path, a string, or one character.
fn token_at(line: &str, column: usize) -> Range<usize> {
    let start = line.char_indices().nth(column.saturating_sub(1)).map_or(line.len(), |(at, _)| at);
    let rest = &line[start..];
    let Some(first) = rest.chars().next() else {
        return start..start;
    };
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let length = match first {
        '"' | '`' | '\'' => rest[1..].find(first).map_or(rest.len(), |end| end + 2),
        c if word(c) => {
            let end = |text: &str| text.find(|c| !word(c)).unwrap_or(text.len());
            let mut length = end(rest);
            while rest[length..].starts_with("::") {
                length += 2 + end(&rest[length + 2..]);
            }
            length
        }
        c => c.len_utf8(),
    };
    start..start + length
}

/// The last lines of what a command printed, with a count of those left out.
fn tail(detail: &str) -> Vec<Line> {
    let all: Vec<&str> = detail.trim_end().lines().collect();
    let skipped = all.len().saturating_sub(DETAIL_LINES);
    let mut lines = Vec::new();
    if skipped > 0 {
        let s = if skipped == 1 { "" } else { "s" };
        lines.push(Line::new(Tone::Dim, &format!("  … {skipped} line{s} before, see the log")));
    }
    lines.extend(all[skipped..].iter().map(|line| Line::new(Tone::Plain, &format!("  {line}"))));
    lines
}

fn advice(hint: &str) -> Vec<Line> {
    let mut prefix = "hint: ";
    hint.lines()
        .map(|line| {
            Line::new(Tone::Hint, &format!("{}{line}", std::mem::replace(&mut prefix, "      ")))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::error::Frame;

    const PLAY: &str =
        "let a = 1;\n\thost.fiel(\"/etc/motd\", a);\nlet grün = k3s::confg(\"日本\", 1);\n";

    fn shown(error: &Error) -> String {
        shown_without(error, |text| text.to_owned())
    }

    fn shown_without(error: &Error, filter: impl Fn(&str) -> String) -> String {
        let lookup = |file: &str| (file == "<stdlib>/play.rhai").then(|| PLAY.to_owned());
        let lines = render(error, &Sources { lookup: &lookup, filter: &filter });
        lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>().join("\n")
    }

    fn at(line: usize, column: usize) -> Site {
        Site { file: "<stdlib>/play.rhai".into(), line, column }
    }

    #[test]
    fn an_error_shows_place_excerpt_stack_and_hint() {
        let error = Error::playbook("unknown verb `fiel`")
            .at(at(2, 7))
            .called_from(Frame { call: "setup".into(), site: at(1, 5) })
            .hint("Did you mean `file`?");
        assert_snapshot!(shown(&error), @r#"
        error: unknown verb `fiel`
         --> <stdlib>/play.rhai:2:7
          |
        2 |     host.fiel("/etc/motd", a);
          |          ^^^^
        in `setup`, called at <stdlib>/play.rhai:1:5
        hint: Did you mean `file`?
        "#);
    }

    #[test]
    fn the_caret_stands_under_the_token_behind_wide_characters() {
        assert_snapshot!(shown(&Error::playbook("unknown function").at(at(3, 12))), @r#"
        error: unknown function
         --> <stdlib>/play.rhai:3:12
          |
        3 | let grün = k3s::confg("日本", 1);
          |            ^^^^^^^^^^
        "#);
        assert_snapshot!(shown(&Error::playbook("not a number").at(at(3, 23))), @r#"
        error: not a number
         --> <stdlib>/play.rhai:3:23
          |
        3 | let grün = k3s::confg("日本", 1);
          |                       ^^^^^^
        "#);
        assert_snapshot!(shown(&Error::playbook("beyond the text").at(at(3, 29))), @r#"
        error: beyond the text
         --> <stdlib>/play.rhai:3:29
          |
        3 | let grün = k3s::confg("日本", 1);
          |                               ^
        "#);
    }

    #[test]
    fn a_place_that_is_not_there_is_only_named() {
        assert_snapshot!(shown(&Error::playbook("gone").at(at(99, 3))), @"
        error: gone
          --> <stdlib>/play.rhai:99:3
        ");
        let site = Site { file: "no/such.rhai".into(), line: 0, column: 0 };
        assert_snapshot!(shown(&Error::playbook("gone").at(site)), @"
        error: gone
        --> no/such.rhai
        ");
    }

    #[test]
    fn an_excerpt_shows_no_secret() {
        let error = Error::playbook("no").at(at(2, 7));
        let filter = |text: &str| text.replace("/etc/motd", "<secret motd>");
        assert_snapshot!(shown_without(&error, filter), @r#"
        error: no
         --> <stdlib>/play.rhai:2:7
          |
        2 |     host.fiel("<secret motd>", a);
          |
        "#);
    }

    #[test]
    fn the_last_twenty_lines_of_a_command_are_shown() {
        let stderr: String = (1..=25).map(|n| format!("line {n}\n")).collect();
        let error = Error::new(ErrorKind::Command, "`apk add foo` ended with exit code 1")
            .on_host("rpi41")
            .detail(stderr)
            .hint("Is the mirror up?\nTry `apk update`.");
        let text = shown(&error);
        assert!(text.starts_with("error: rpi41: `apk add foo` ended with exit code 1\n  … 5 lines before, see the log\n  line 6\n"));
        assert!(text.ends_with("  line 25\nhint: Is the mirror up?\n      Try `apk update`."));
    }
}
