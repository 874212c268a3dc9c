//! Words: quotes, variables and command substitutions.

use super::parse::{Parser, Unknown};
use super::syntax::{Default, Operation, Part, Word};

/// Ends a word that stands unquoted in a command.
const SEPARATORS: &str = " \t\n;&|<>()";

fn text(text: impl Into<String>, quoted: bool) -> Part {
    Part::Text { text: text.into(), quoted }
}

impl Parser {
    /// The word that begins here; `None` at a separator.
    pub(super) fn word(&mut self) -> Result<Option<Word>, Unknown> {
        let word = self.word_until(SEPARATORS)?;
        Ok((!word.is_empty()).then_some(word))
    }

    fn word_until(&mut self, ends: &str) -> Result<Word, Unknown> {
        let mut word = Word::new();
        while let Some(char) = self.peek().filter(|char| !ends.contains(*char)) {
            match char {
                '\'' => {
                    self.next();
                    let quoted = self.single_quoted()?;
                    word.push(text(quoted, true));
                }
                '"' => {
                    self.next();
                    // Quotes around nothing still are an argument.
                    word.push(text("", true));
                    self.nested(|parser| parser.expanded(Some('"'), &mut word))?;
                }
                '$' => word.push(self.dollar(false)?),
                '`' => return Err(self.unknown("a command in backquotes")),
                '\\' => {
                    self.next();
                    match self.next() {
                        Some('\n') => {}
                        Some(char) => word.push(text(char, true)),
                        None => return Err(self.unknown("a backslash at the end")),
                    }
                }
                _ => {
                    self.next();
                    match word.last_mut() {
                        Some(Part::Text { text, quoted: false }) => text.push(char),
                        _ => word.push(text(char, false)),
                    }
                }
            }
        }
        Ok(word)
    }

    fn single_quoted(&mut self) -> Result<String, Unknown> {
        let (line, mut quoted) = (self.line(), String::new());
        loop {
            match self.next() {
                Some('\'') => return Ok(quoted),
                Some(char) => quoted.push(char),
                None => return Err(Unknown { line, what: "a quote is not closed".into() }),
            }
        }
    }

    /// The text of a here-document.
    pub(super) fn document(&mut self) -> Result<Word, Unknown> {
        let mut word = Word::new();
        self.expanded(None, &mut word)?;
        Ok(word)
    }

    /// Text in which only `$` and `\` mean something, up to `end`.
    fn expanded(&mut self, end: Option<char>, word: &mut Word) -> Result<(), Unknown> {
        let line = self.line();
        let mut plain = String::new();
        loop {
            let Some(char) = self.peek() else {
                if end.is_some() {
                    return Err(Unknown { line, what: "a quote is not closed".into() });
                }
                break;
            };
            if Some(char) == end {
                self.next();
                break;
            }
            match char {
                '$' => {
                    word.push(text(std::mem::take(&mut plain), true));
                    word.push(self.dollar(true)?);
                }
                '`' => return Err(self.unknown("a command in backquotes")),
                '\\' => {
                    self.next();
                    match self.peek() {
                        Some('\n') => {
                            self.next();
                        }
                        Some(escaped @ ('$' | '`' | '"' | '\\')) => {
                            self.next();
                            plain.push(escaped);
                        }
                        _ => plain.push('\\'),
                    }
                }
                _ => {
                    self.next();
                    plain.push(char);
                }
            }
        }
        word.push(text(plain, true));
        Ok(())
    }

    fn dollar(&mut self, quoted: bool) -> Result<Part, Unknown> {
        self.next();
        if self.eat("((") {
            return Err(self.unknown("arithmetic (`$((`)"));
        }
        if self.eat("(") {
            let list = self.nested(Self::list)?;
            self.close()?;
            return Ok(Part::Output { list, quoted });
        }
        if self.eat("{") {
            return self.nested(|parser| parser.braced(quoted));
        }
        match self.parameter() {
            Some(name) => Ok(Part::Variable { name, operation: None, quoted }),
            None => Ok(text("$", quoted)),
        }
    }

    /// The name of a variable, the number of an argument, or one of `@*#?`.
    fn parameter(&mut self) -> Option<String> {
        if let Some(name) = self.name() {
            return Some(name);
        }
        let char = self.peek().filter(|char| char.is_ascii_digit() || "@*#?".contains(*char))?;
        self.next();
        Some(char.to_string())
    }

    fn braced(&mut self, quoted: bool) -> Result<Part, Unknown> {
        if self.peek() == Some('#') && self.peek_at(1) != Some('}') {
            self.next();
            let name = self.parameter().ok_or_else(|| self.unknown("`${#` without a name"))?;
            return match self.eat("}") {
                true => Ok(Part::Variable { name, operation: Some(Operation::Length), quoted }),
                false => Err(self.unknown(format!("`${{#{name}` without `}}`"))),
            };
        }
        let name = self.parameter().ok_or_else(|| self.unknown("`${` without a name"))?;
        if self.eat("}") {
            return Ok(Part::Variable { name, operation: None, quoted });
        }
        let operation = self.operation(&name)?;
        if !self.eat("}") {
            return Err(self.unknown(format!("`${{{name}` without `}}`")));
        }
        Ok(Part::Variable { name, operation: Some(operation), quoted })
    }

    fn operation(&mut self, name: &str) -> Result<Operation, Unknown> {
        for (sign, suffix, longest) in
            [("##", false, true), ("#", false, false), ("%%", true, true), ("%", true, false)]
        {
            if self.eat(sign) {
                return Ok(Operation::Trim { suffix, longest, pattern: self.word_until("}")? });
            }
        }
        let start = self.unknown(format!("`${{{name}{}`", self.peek().unwrap_or(' ')));
        let empty = self.eat(":");
        for (sign, how) in
            [("-", Default::Use), ("=", Default::Assign), ("+", Default::Alternative)]
        {
            if self.eat(sign) {
                return Ok(Operation::Default { how, empty, word: self.word_until("}")? });
            }
        }
        Err(start)
    }
}
