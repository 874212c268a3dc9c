//! What a command prints on a node, on its way to the user: pieces in, lines without secrets out.

use crate::vault::{RedactStream, Redactor};

/// One output of one command. A secret is hidden wherever the pieces were cut, and across line ends.
pub struct OutputLines {
    hide: RedactStream,
    /// The beginning of a line whose end has not come yet.
    begun: Vec<u8>,
}

impl OutputLines {
    pub(super) fn new(redactor: &Redactor) -> Self {
        Self { hide: redactor.stream(), begun: Vec::new() }
    }

    /// Takes the next piece, and gives the lines that are whole and decided now.
    pub fn push(&mut self, piece: &[u8]) -> Vec<String> {
        let shown = self.hide.push(piece);
        self.begun.extend(shown);
        let Some(end) = self.begun.iter().rposition(|byte| *byte == b'\n') else {
            return Vec::new();
        };
        let rest = self.begun.split_off(end + 1);
        let whole = std::mem::replace(&mut self.begun, rest);
        whole[..end].split(|byte| *byte == b'\n').map(as_shown).collect()
    }

    /// The command has ended: gives what is left.
    pub fn finish(&mut self) -> Vec<String> {
        let shown = self.hide.finish();
        self.begun.extend(shown);
        let rest = std::mem::take(&mut self.begun);
        let rest = rest.strip_suffix(b"\n").unwrap_or(&rest);
        match rest {
            [] => Vec::new(),
            rest => rest.split(|byte| *byte == b'\n').map(as_shown).collect(),
        }
    }
}

/// A line as a terminal leaves it: a progress meter returns to the start of its line and writes over it.
fn as_shown(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let last = line.rsplit(|byte| *byte == b'\r').next().unwrap_or(line);
    String::from_utf8_lossy(last).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::vault::Secret;

    fn hiding(secret: &str) -> Redactor {
        let redactor = Redactor::new();
        redactor.add(&Secret::text("token", secret));
        redactor
    }

    #[test]
    fn a_secret_is_hidden_wherever_the_pieces_are_cut() {
        const SECRET: &str = "K10abcdef::server:0123456789";
        let text = format!("token is {SECRET}\nand {SECRET} again\nlast");
        for cut in 1..text.len() {
            let mut lines = OutputLines::new(&hiding(SECRET));
            let (one, two) = text.as_bytes().split_at(cut);
            let mut shown = lines.push(one);
            shown.extend(lines.push(two));
            shown.extend(lines.finish());
            assert_eq!(shown, ["token is <secret:token>", "and <secret:token> again", "last"]);
        }
    }

    #[test]
    fn the_same_secret_twice_in_a_row_is_shown_once_wherever_it_is_cut() {
        for size in 1..9 {
            let mut lines = OutputLines::new(&hiding("abba"));
            let mut shown: Vec<String> =
                b"abbaabba".chunks(size).flat_map(|piece| lines.push(piece)).collect();
            shown.extend(lines.finish());
            assert_eq!(shown, ["<secret:token>"], "in pieces of {size}");
        }
    }

    #[test]
    fn lines_come_as_soon_as_they_are_whole() {
        let mut lines = OutputLines::new(&hiding("hunter2hunter2"));
        assert_eq!(lines.push(b"fetch 1\nfetch 2\nfet"), ["fetch 1", "fetch 2"]);
        assert_eq!(lines.push(b"ch 3\r\n\n"), ["fetch 3", ""]);
        assert_eq!(lines.push(b"10 %\r20 %\r100 %\nend"), ["100 %"]);
        assert_eq!(lines.finish(), ["end"]);
        assert!(lines.finish().is_empty());
    }

    proptest! {
        #[test]
        fn the_cuts_make_no_difference(text in "[ab\n]{0,60}", size in 1_usize..9) {
            let mut whole = OutputLines::new(&hiding("abba"));
            let mut expected = whole.push(text.as_bytes());
            expected.extend(whole.finish());
            let mut cut = OutputLines::new(&hiding("abba"));
            let mut shown: Vec<String> =
                text.as_bytes().chunks(size).flat_map(|piece| cut.push(piece)).collect();
            shown.extend(cut.finish());
            prop_assert_eq!(shown, expected);
        }
    }
}
