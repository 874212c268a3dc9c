//! Text from elsewhere made safe to show: nothing that a file or a node holds may drive the terminal.

use std::borrow::Cow;
use std::fmt::Write;

/// `text` with control, bidirectional and zero-width characters escaped. Tabs and line ends stay.
pub fn visible(text: &str) -> Cow<'_, str> {
    escape(text, |c| acts(c) && c != '\t' && c != '\n')
}

/// `text` with whitespace that the eye cannot tell apart made visible too: tabs, carriage returns,
/// unusual spaces, and spaces at the end of the line as `·`.
pub fn bare(text: &str) -> String {
    let end = text.trim_end_matches([' ', '\t', '\r']).len();
    let (body, tail) = text.split_at(end);
    let body = escape(body, |c| acts(c) || (c.is_whitespace() && c != ' '));
    let tail = tail.replace(' ', "·");
    format!("{body}{}", escape(&tail, acts))
}

/// Whether a terminal would act on `c`, or show nothing for it, instead of drawing it.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

fn escape(text: &str, hide: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(&hide) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            _ if !hide(c) => shown.push(c),
            '\t' => shown.push_str("\\t"),
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            _ if (c as u32) < 0x100 => _ = write!(shown, "\\x{:02x}", c as u32),
            _ => _ = write!(shown, "\\u{{{:x}}}", c as u32),
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_drives_a_terminal_passes() {
        assert_eq!(visible("a\x1b[2J\x07\u{9b}b\tc\u{202e}"), "a\\x1b[2J\\x07\\x9bb\tc\\u{202e}");
        assert!(matches!(visible("plain → text\n"), Cow::Borrowed(_)));
    }

    #[test]
    fn whitespace_can_be_made_visible() {
        assert_eq!(bare("\ta b\u{a0}c \t\r"), "\\ta b\\xa0c·\\t\\r");
    }
}
