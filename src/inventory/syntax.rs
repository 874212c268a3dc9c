//! What to tell somebody whose file is not YAML.

use std::sync::Arc;

use saphyr_parser::ScanError;

use super::mark::Mark;
use crate::error::{Error, Result};

/// The text of a file, without a byte order mark.
///
/// # Errors
/// The place of the first byte that is not UTF-8.
pub(crate) fn utf8<'a>(file: &Arc<str>, bytes: &'a [u8]) -> Result<&'a str> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Mark::new(file, line, column)
            .error("this file is not UTF-8 text")
            .hint("Save it with the encoding UTF-8.")
    })
}

/// The parser's complaint in a user's words, with what to try where the mistake is a usual one.
pub(crate) fn explain(file: &Arc<str>, text: &str, error: &ScanError) -> Error {
    let line_number = error.marker().line().max(1);
    let mark = Mark::new(file, line_number, error.marker().col() + 1);
    let line = text.lines().nth(line_number - 1).unwrap_or_default();
    let indent = line.len() - line.trim_start().len();
    if let Some(tab) = line[..indent].find('\t') {
        return Mark::new(file, line_number, tab + 1)
            .error("a tab is used for indentation")
            .hint("YAML is indented with spaces only.");
    }
    if text.trim_start().starts_with('[') && looks_like_ini(text) {
        return mark
            .error("this is an INI file, and the inventory is YAML")
            .hint("Convert it once: `ansible-inventory -i FILE --list --yaml > inventory.yaml`.");
    }
    let info = error.info();
    if info.contains("quoted scalar")
        && (info.contains("end of stream") || info.contains("indentation"))
    {
        return mark.error("a quote is opened here and not closed");
    }
    let plain = mark.error(format!("not valid YAML: {}", plain_words(info)));
    match hint(info, line) {
        Some(hint) => plain.hint(hint),
        None => plain,
    }
}

/// A first line like `[server]` or `[server:vars]`.
fn looks_like_ini(text: &str) -> bool {
    let first = text.trim_start().lines().next().unwrap_or_default().trim_end();
    first.ends_with(']') && !first.contains([',', '"'])
}

/// Without the parser's view of itself ("while scanning a …, ").
fn plain_words(info: &str) -> &str {
    match info.split_once(", ") {
        Some((context, rest)) if context.starts_with("while ") => rest,
        _ => info,
    }
}

fn hint(info: &str, line: &str) -> Option<&'static str> {
    if line.contains("{{") {
        return Some("Quote a value that starts with `{{`: \"{{ name }}\".");
    }
    if info.starts_with("unexpected character") {
        return Some("Quote a value that starts with `@`, `%` or a backtick.");
    }
    if info.contains("mapping values are not allowed") {
        return Some(
            "Quote a value that contains `: `, and indent the names of one map equally far.",
        );
    }
    if info.contains("simple key expect ':'") {
        return Some("A `:` is missing after a name, or a line is not indented far enough.");
    }
    if info.contains("unknown anchor") {
        return Some(
            "Define the anchor with `&name` further up, or quote a value that starts with `*`.",
        );
    }
    if info.contains("did not find expected") && !info.contains("flow") {
        return Some("Look at the indentation of this line and the one before it.");
    }
    None
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use crate::inventory::testing::{fails, shows};
    use crate::inventory::yaml::parse;

    fn refused(text: impl AsRef<[u8]>) -> String {
        shows(&fails(parse("inventory.yaml", text.as_ref())))
    }

    #[test]
    fn names_a_tab() {
        assert_snapshot!(refused("all:\n\thosts:\n"), @"
        inventory.yaml:2:1: a tab is used for indentation
        hint: YAML is indented with spaces only.
        ");
        assert_snapshot!(refused("all:\n  hosts:\n\t  rpi40:\n"), @"
        inventory.yaml:3:1: a tab is used for indentation
        hint: YAML is indented with spaces only.
        ");
    }

    #[test]
    fn names_a_quote_that_is_not_closed() {
        assert_snapshot!(refused("a: \"x\nb: 1\n"), @"inventory.yaml:1:4: a quote is opened here and not closed");
        assert_snapshot!(refused("a: 'x\n"), @"inventory.yaml:1:4: a quote is opened here and not closed");
    }

    #[test]
    fn names_the_first_byte_that_is_not_utf8() {
        assert_snapshot!(refused(b"all:\n  gr\xc3\xb6\xdfe: 1\n"), @"
        inventory.yaml:2:6: this file is not UTF-8 text
        hint: Save it with the encoding UTF-8.
        ");
    }

    #[test]
    fn says_what_to_try_for_usual_mistakes() {
        assert_snapshot!(refused("a: b: c\n"), @"
        inventory.yaml:1:5: not valid YAML: mapping values are not allowed in this context
        hint: Quote a value that contains `: `, and indent the names of one map equally far.
        ");
        assert_snapshot!(refused("a:\n  - 1\nb\n"), @"
        inventory.yaml:4:1: not valid YAML: simple key expect ':'
        hint: A `:` is missing after a name, or a line is not indented far enough.
        ");
        assert_snapshot!(refused("a: @failed\n"), @"
        inventory.yaml:1:4: not valid YAML: unexpected character: `@'
        hint: Quote a value that starts with `@`, `%` or a backtick.
        ");
        assert_snapshot!(refused("a: *x\n"), @"
        inventory.yaml:1:4: not valid YAML: found unknown anchor
        hint: Define the anchor with `&name` further up, or quote a value that starts with `*`.
        ");
        assert_snapshot!(refused("[server]\nrpi40\n"), @"
        inventory.yaml:2:1: this is an INI file, and the inventory is YAML
        hint: Convert it once: `ansible-inventory -i FILE --list --yaml > inventory.yaml`.
        ");
    }
}
