//! Two texts compared, as a reader wants to see it: unified hunks whose lines are safe to print.

use std::collections::HashSet;
use std::time::Duration;

use similar::{DiffOp, TextDiff};

use crate::visible::{bare, visible};

/// Lines of context around a difference.
const CONTEXT: usize = 3;
/// A longer line is cut: nobody reads the rest of a minified file.
const LONGEST_LINE: usize = 500;
/// A longer diff is cut, with a count of what is left out.
const MOST_LINES: usize = 200;
/// After this time similar stops to look for the smallest diff and takes a coarse one.
const PATIENCE: Duration = Duration::from_millis(500);

/// What a line of a diff is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `@@ -1,7 +1,7 @@`
    Hunk,
    Context,
    Removed,
    Added,
    /// A remark about the lines: no newline at the end, lines left out.
    Note,
}

/// One line of a diff, its sign included, escaped and without a line end.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Line {
    pub kind: Kind,
    pub text: String,
}

/// The unified diff of two texts; empty if they are equal.
pub fn unified(before: &str, after: &str) -> Vec<Line> {
    let diff = compare(before, after);
    let mut lines: Vec<Line> = diff
        .grouped_ops(CONTEXT)
        .iter()
        .filter(|ops| ops.iter().any(|op| !matches!(op, DiffOp::Equal { .. })))
        .flat_map(|ops| hunk(&diff, ops))
        .collect();
    cut(&mut lines);
    lines
}

/// How many lines differ, for content that must not be shown. A line that was altered counts once.
pub fn lines_changed(before: &str, after: &str) -> usize {
    compare(before, after)
        .ops()
        .iter()
        .filter(|op| !matches!(op, DiffOp::Equal { .. }))
        .map(|op| op.old_range().len().max(op.new_range().len()))
        .sum()
}

/// Whether content is something else than text: it has a NUL early on (git's test) or is not UTF-8.
pub fn is_binary(content: &[u8]) -> bool {
    content.iter().take(8000).any(|byte| *byte == 0) || std::str::from_utf8(content).is_err()
}

fn compare<'a>(before: &'a str, after: &'a str) -> TextDiff<'a, 'a, str> {
    TextDiff::configure().timeout(PATIENCE).diff_lines(before, after)
}

fn hunk(diff: &TextDiff<'_, '_, str>, ops: &[DiffOp]) -> Vec<Line> {
    let range = |pick: fn(&DiffOp) -> std::ops::Range<usize>| {
        let start = ops.first().map_or(0, |op| pick(op).start);
        let end = ops.last().map_or(0, |op| pick(op).end);
        place(start, end)
    };
    let header = format!("@@ -{} +{} @@", range(DiffOp::old_range), range(DiffOp::new_range));
    let mut lines = vec![Line { kind: Kind::Hunk, text: header }];
    for op in ops {
        let old: Vec<&str> = op.old_range().filter_map(|i| diff.old_slice(i)).collect();
        let new: Vec<&str> = op.new_range().filter_map(|i| diff.new_slice(i)).collect();
        if let DiffOp::Equal { .. } = op {
            old.iter().for_each(|line| push(&mut lines, Kind::Context, line, false));
        } else {
            side(&mut lines, Kind::Removed, &old, &new);
            side(&mut lines, Kind::Added, &new, &old);
        }
    }
    lines
}

/// Line numbers as `diff -u` writes them: `start,count`, where a count of 1 is left out and an empty
/// range names the line before it.
fn place(start: usize, end: usize) -> String {
    match end - start {
        0 => format!("{start},0"),
        1 => (start + 1).to_string(),
        count => format!("{},{count}", start + 1),
    }
}

/// One side of a difference. A line that looks like one of the other side has its whitespace shown.
fn side(lines: &mut Vec<Line>, kind: Kind, own: &[&str], other: &[&str]) {
    let looks: HashSet<String> = other.iter().map(|line| look(line)).collect();
    let exact: HashSet<&str> = other.iter().map(|line| without_end(line)).collect();
    for line in own {
        let deceives = looks.contains(&look(line)) && !exact.contains(without_end(line));
        push(lines, kind, line, deceives);
    }
}

/// A line as the eye sees it: whitespace is whitespace, and none at the end.
fn look(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn without_end(line: &str) -> &str {
    line.strip_suffix('\n').unwrap_or(line)
}

fn push(lines: &mut Vec<Line>, kind: Kind, line: &str, deceives: bool) {
    let sign = match kind {
        Kind::Removed => '-',
        Kind::Added => '+',
        _ => ' ',
    };
    let plain = without_end(line);
    let shown = match deceives {
        true => bare(plain),
        // A carriage return matters only where it is the difference.
        false => visible(plain.strip_suffix('\r').unwrap_or(plain)).into_owned(),
    };
    let mut text = format!("{sign}{shown}");
    if let Some((cut, _)) = text.char_indices().nth(LONGEST_LINE) {
        text.truncate(cut);
        text.push('…');
    }
    lines.push(Line { kind, text });
    if !line.ends_with('\n') {
        lines.push(Line { kind: Kind::Note, text: "\\ No newline at end of file".into() });
    }
}

fn cut(lines: &mut Vec<Line>) {
    if lines.len() > MOST_LINES {
        let rest = lines.len() - MOST_LINES;
        lines.truncate(MOST_LINES);
        lines.push(Line { kind: Kind::Note, text: format!("… {rest} more lines") });
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    fn shown(before: &str, after: &str) -> String {
        let lines = unified(before, after);
        lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn hunks_have_three_lines_of_context() {
        let before: String = (1..=20).map(|n| format!("line {n}\n")).collect();
        let after = before.replace("line 9\n", "line nine\n").replace("line 20\n", "");
        assert_snapshot!(shown(&before, &after), @r"
        @@ -6,7 +6,7 @@
         line 6
         line 7
         line 8
        -line 9
        +line nine
         line 10
         line 11
         line 12
        @@ -17,4 +17,3 @@
         line 17
         line 18
         line 19
        -line 20
        ");
    }

    #[test]
    fn a_new_file_and_a_missing_newline_look_as_in_diff() {
        assert_snapshot!(shown("", "a\nb"), @r"
        @@ -0,0 +1,2 @@
        +a
        +b
        \ No newline at end of file
        ");
        assert_snapshot!(shown("a\nb", "a\nb\n"), @r"
        @@ -1,2 +1,2 @@
         a
        -b
        \ No newline at end of file
        +b
        ");
    }

    #[test]
    fn equal_texts_have_no_diff() {
        assert_eq!(unified("a\n", "a\n"), []);
    }

    #[test]
    fn differences_that_the_eye_cannot_see_are_made_visible() {
        assert_snapshot!(shown("\tkey: 1\nend \nsame\r\nx\n", "    key: 1\nend\nsame\ny\n"), @r"
        @@ -1,4 +1,4 @@
        -\tkey: 1
        -end·
        -same\r
        -x
        +    key: 1
        +end
        +same
        +y
        ");
    }

    #[test]
    fn content_cannot_drive_the_terminal() {
        assert_snapshot!(shown("", "\x1b[2Jboo\x07\n"), @r"
        @@ -0,0 +1 @@
        +\x1b[2Jboo\x07
        ");
    }

    #[test]
    fn long_lines_and_long_diffs_are_cut() {
        let lines = unified("", &"x".repeat(600));
        assert_eq!(lines[1].text.chars().count(), 501);
        let lines = unified("", &"x\n".repeat(320));
        assert_eq!(lines.len(), 201);
        assert_eq!(lines[200].text, "… 121 more lines");
    }

    #[test]
    fn an_altered_line_counts_once() {
        assert_eq!(lines_changed("a\nb\nc\n", "a\nB\nc\n"), 1);
        assert_eq!(lines_changed("", "a\nb\n"), 2);
        assert_eq!(lines_changed("a\n", "a\n"), 0);
    }

    #[test]
    fn binary_is_what_git_calls_binary() {
        assert!(is_binary(b"a\0b"));
        assert!(is_binary(&[0xff, 0xfe, b'a']));
        assert!(!is_binary("grün\n".as_bytes()));
    }
}
