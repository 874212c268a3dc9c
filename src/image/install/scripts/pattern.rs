//! The shell's patterns: `*`, `?`, `[a-z]`, `[!x]`.

/// A character and whether it is quoted: a quoted one only means itself.
pub type Glyph = (char, bool);

#[derive(Debug, Clone, PartialEq)]
pub struct Pattern(Vec<Token>);

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Char(char),
    One,
    Any,
    Set { negated: bool, ranges: Vec<(char, char)> },
}

impl Pattern {
    pub fn new(glyphs: &[Glyph]) -> Self {
        let mut tokens = Vec::new();
        let mut at = 0;
        while let Some((char, quoted)) = glyphs.get(at).copied() {
            at += 1;
            tokens.push(match char {
                '*' if !quoted => Token::Any,
                '?' if !quoted => Token::One,
                '[' if !quoted => match set(&glyphs[at..]) {
                    Some((token, len)) => {
                        at += len;
                        token
                    }
                    None => Token::Char('['),
                },
                char => Token::Char(char),
            });
        }
        Self(tokens)
    }

    /// Whether nothing in it stands for several texts.
    pub fn is_plain(&self) -> bool {
        self.0.iter().all(|token| matches!(token, Token::Char(_)))
    }

    /// Whether it stands for the whole text.
    pub fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        // Which ends in the text the tokens so far can have.
        let mut ends = vec![false; text.len() + 1];
        ends[0] = true;
        for token in &self.0 {
            let mut next = vec![false; text.len() + 1];
            let mut reached = false;
            for end in 0..=text.len() {
                reached |= ends[end];
                match token {
                    Token::Any => next[end] = reached,
                    _ if ends[end] && end < text.len() && token.matches(text[end]) => {
                        next[end + 1] = true;
                    }
                    _ => {}
                }
            }
            ends = next;
        }
        ends[text.len()]
    }

    /// The text without the part at its end, or beginning, that the pattern stands for.
    pub fn trim<'a>(&self, text: &'a str, suffix: bool, longest: bool) -> &'a str {
        let mut cuts: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        cuts.push(text.len());
        // Of a suffix, the longest begins first; of a prefix, the longest ends last.
        if suffix != longest {
            cuts.reverse();
        }
        for cut in cuts {
            let (head, tail) = text.split_at(cut);
            let (part, rest) = if suffix { (tail, head) } else { (head, tail) };
            if self.matches(part) {
                return rest;
            }
        }
        text
    }
}

impl From<&str> for Pattern {
    /// Nothing in the text is quoted.
    fn from(text: &str) -> Self {
        Self::new(&text.chars().map(|char| (char, false)).collect::<Vec<_>>())
    }
}

impl Token {
    fn matches(&self, char: char) -> bool {
        match self {
            Self::Char(wanted) => *wanted == char,
            Self::One | Self::Any => true,
            Self::Set { negated, ranges } => {
                ranges.iter().any(|(from, to)| (*from..=*to).contains(&char)) != *negated
            }
        }
    }
}

/// What is behind `[`, with the number of glyphs it takes; `None` if it is no set.
fn set(glyphs: &[Glyph]) -> Option<(Token, usize)> {
    let negated = matches!(glyphs.first(), Some(('!' | '^', false)));
    let start = usize::from(negated);
    // A `]` right at the beginning means itself.
    let end = (start + 1..glyphs.len()).find(|at| glyphs[*at] == (']', false))?;
    let (mut ranges, mut at) = (Vec::new(), start);
    while at < end {
        let from = glyphs[at].0;
        if at + 2 < end && glyphs[at + 1] == ('-', false) {
            ranges.push((from, glyphs[at + 2].0));
            at += 3;
        } else {
            ranges.push((from, from));
            at += 1;
        }
    }
    Some((Token::Set { negated, ranges }, end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::from(text)
    }

    #[test]
    fn stands_for_what_the_shell_says() {
        for (text, yes, no) in [
            ("*.*", "a.b", "ab"),
            ("/lib/modules/*", "/lib/modules/6.12", "/lib/firmware"),
            ("[!a-c]?", "dx", "ax"),
            ("[]x]", "]", "y"),
            ("[a", "[a", "a"),
            ("", "", "x"),
        ] {
            assert!(pattern(text).matches(yes), "{text} {yes}");
            assert!(!pattern(text).matches(no), "{text} {no}");
        }
        assert!(!Pattern::new(&[('*', true)]).matches("x"));
    }

    #[test]
    fn trims_the_shortest_or_the_longest_part() {
        let text = "/lib/modules/6.12-rpi";
        assert_eq!(pattern("*/").trim(text, false, true), "6.12-rpi");
        assert_eq!(pattern("*/").trim(text, false, false), "lib/modules/6.12-rpi");
        assert_eq!(pattern("/*").trim(text, true, false), "/lib/modules");
        assert_eq!(pattern("/*").trim(text, true, true), "");
        assert_eq!(pattern("*/lib/modules/").trim(text, false, false), "6.12-rpi");
        assert_eq!(pattern("x").trim(text, true, true), text);
    }
}
