//! The text of a script read into its [`syntax`](super::syntax). What is not read is refused with its line, never
//! guessed at.

use std::cell::OnceCell;
use std::rc::Rc;

use super::syntax::{AndOr, Command, Connector, Kind, List, Part, Pipeline, Redirect, Word};

/// What in a script is beyond the interpreter, and the line it stands in, from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    pub line: usize,
    pub what: String,
}

/// How deep commands may be inside one another. Real scripts stay below ten.
const MAX_DEPTH: usize = 40;

/// Words that end a list of commands.
const CLOSERS: &[&str] = &["then", "elif", "else", "fi", "do", "done", "esac", "}"];

/// Reads a whole script.
pub fn parse(text: &str) -> Result<List, Unknown> {
    let mut parser = Parser::new(text, 1);
    let list = parser.list()?;
    match parser.peek() {
        None if parser.documents.is_empty() => Ok(list),
        None => Err(parser.unknown("a here-document without a text")),
        Some(char) => Err(parser.unknown(format!("unexpected `{char}`"))),
    }
}

pub(super) struct Parser {
    chars: Vec<char>,
    at: usize,
    line: usize,
    depth: usize,
    /// Here-documents whose text begins behind the line's end.
    documents: Vec<Document>,
}

struct Document {
    delimiter: String,
    strip_tabs: bool,
    /// A quoted delimiter: nothing in the text is replaced.
    literal: bool,
    text: Rc<OnceCell<Word>>,
}

impl Parser {
    pub(super) fn new(text: &str, line: usize) -> Self {
        Self { chars: text.chars().collect(), at: 0, line, depth: 0, documents: Vec::new() }
    }

    pub(super) fn line(&self) -> usize {
        self.line
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    pub(super) fn peek_at(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let char = self.peek()?;
        self.at += 1;
        if char == '\n' {
            self.line += 1;
        }
        Some(char)
    }

    pub(super) fn eat(&mut self, text: &str) -> bool {
        let found = text.chars().enumerate().all(|(i, char)| self.peek_at(i) == Some(char));
        if found {
            for _ in text.chars() {
                self.next();
            }
        }
        found
    }

    pub(super) fn unknown(&self, what: impl Into<String>) -> Unknown {
        Unknown { line: self.line, what: what.into() }
    }

    fn expect(&mut self, word: &str) -> Result<(), Unknown> {
        if self.keyword(word) {
            return Ok(());
        }
        Err(self.unknown(format!("`{word}` is missing")))
    }

    /// Guards what may be nested without end.
    pub(super) fn nested<T>(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<T, Unknown>,
    ) -> Result<T, Unknown> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.unknown("commands are nested too deeply"));
        }
        let result = inner(self);
        self.depth -= 1;
        result
    }

    /// Skips blanks, comments and joined lines, not line ends.
    fn blanks(&mut self) {
        loop {
            match self.peek() {
                Some(' ' | '\t') => {
                    self.next();
                }
                Some('\\') if self.peek_at(1) == Some('\n') => {
                    self.eat("\\\n");
                }
                Some('#') => {
                    while self.peek().is_some_and(|char| char != '\n') {
                        self.next();
                    }
                }
                _ => return,
            }
        }
    }

    /// Skips blanks and line ends, and reads the here-documents that begin behind them.
    fn lines(&mut self) -> Result<(), Unknown> {
        loop {
            self.blanks();
            if self.peek() != Some('\n') {
                return Ok(());
            }
            self.end_of_line()?;
        }
    }

    fn end_of_line(&mut self) -> Result<(), Unknown> {
        self.next();
        for document in std::mem::take(&mut self.documents) {
            let (line, mut text) = (self.line, String::new());
            loop {
                if self.peek().is_none() {
                    return Err(self.unknown(format!("`{}` is missing", document.delimiter)));
                }
                let mut read = String::new();
                while let Some(char) = self.next() {
                    if char == '\n' {
                        break;
                    }
                    read.push(char);
                }
                let read = if document.strip_tabs { read.trim_start_matches('\t') } else { &read };
                if read == document.delimiter {
                    break;
                }
                text.push_str(read);
                text.push('\n');
            }
            let word = match document.literal {
                true => vec![Part::Text { text, quoted: true }],
                false => Self::new(&text, line).document()?,
            };
            document.text.get_or_init(|| word);
        }
        Ok(())
    }

    /// A word that means something by its place, and is then taken.
    fn keyword(&mut self, word: &str) -> bool {
        if !self.at_keyword(word) {
            return false;
        }
        self.eat(word)
    }

    fn at_keyword(&self, word: &str) -> bool {
        let len = word.chars().count();
        word.chars().enumerate().all(|(i, char)| self.peek_at(i) == Some(char))
            && self.peek_at(len).is_none_or(|char| char.is_whitespace() || ";&|()".contains(char))
    }

    pub(super) fn list(&mut self) -> Result<List, Unknown> {
        let mut list = List::new();
        loop {
            self.lines()?;
            if matches!(self.peek(), None | Some(')' | ';'))
                || CLOSERS.iter().any(|word| self.at_keyword(word))
            {
                break;
            }
            list.push(self.and_or()?);
            self.blanks();
            match (self.peek(), self.peek_at(1)) {
                (Some(';'), Some(';')) => break,
                (Some(';'), _) => {
                    self.next();
                }
                (Some('&'), _) => return Err(self.unknown("a command in the background (`&`)")),
                _ => {}
            }
        }
        Ok(list)
    }

    fn and_or(&mut self) -> Result<AndOr, Unknown> {
        let first = self.pipeline()?;
        let mut rest = Vec::new();
        loop {
            self.blanks();
            let connector = match () {
                () if self.eat("&&") => Connector::And,
                () if self.eat("||") => Connector::Or,
                () => return Ok(AndOr { first, rest }),
            };
            self.lines()?;
            rest.push((connector, self.pipeline()?));
        }
    }

    fn pipeline(&mut self) -> Result<Pipeline, Unknown> {
        let mut negated = false;
        while self.keyword("!") {
            negated = !negated;
            self.blanks();
        }
        let mut commands = vec![self.nested(Self::command)?];
        loop {
            self.blanks();
            if self.peek() != Some('|') || self.peek_at(1) == Some('|') {
                return Ok(Pipeline { negated, commands });
            }
            self.next();
            self.lines()?;
            commands.push(self.nested(Self::command)?);
        }
    }

    fn command(&mut self) -> Result<Command, Unknown> {
        self.blanks();
        let line = self.line;
        let kind = match () {
            () if self.keyword("if") => self.branches()?,
            () if self.keyword("for") => self.for_loop()?,
            () if self.keyword("while") => self.while_loop(false)?,
            () if self.keyword("until") => self.while_loop(true)?,
            () if self.keyword("case") => self.case()?,
            () if self.keyword("{") => {
                let list = self.list()?;
                self.expect("}")?;
                Kind::Group(list)
            }
            () if self.peek() == Some('(') => {
                self.next();
                let list = self.list()?;
                self.close()?;
                Kind::Subshell(list)
            }
            () => match self.function_name() {
                Some(name) => {
                    self.lines()?;
                    Kind::Function { name, body: Box::new(self.nested(Self::command)?) }
                }
                None => return self.simple(line),
            },
        };
        let mut redirects = Vec::new();
        if !matches!(kind, Kind::Function { .. }) {
            loop {
                self.blanks();
                match self.redirect()? {
                    Some(redirect) => redirects.push(redirect),
                    None => break,
                }
            }
        }
        Ok(Command { line, kind, redirects })
    }

    pub(super) fn close(&mut self) -> Result<(), Unknown> {
        self.lines()?;
        if self.eat(")") { Ok(()) } else { Err(self.unknown("`)` is missing")) }
    }

    fn branches(&mut self) -> Result<Kind, Unknown> {
        let (mut branches, mut otherwise) = (Vec::new(), List::new());
        loop {
            let condition = self.list()?;
            self.expect("then")?;
            branches.push((condition, self.list()?));
            if self.keyword("elif") {
                continue;
            }
            if self.keyword("else") {
                otherwise = self.list()?;
            }
            self.expect("fi")?;
            return Ok(Kind::If { branches, otherwise });
        }
    }

    fn for_loop(&mut self) -> Result<Kind, Unknown> {
        self.blanks();
        let name = self.name().ok_or_else(|| self.unknown("`for` without a name"))?;
        self.lines()?;
        let words = match self.keyword("in") {
            true => Some(self.words()?),
            false => None,
        };
        self.blanks();
        self.eat(";");
        let body = self.block()?;
        Ok(Kind::For { name, words, body })
    }

    fn while_loop(&mut self, until: bool) -> Result<Kind, Unknown> {
        let condition = self.list()?;
        let body = self.block()?;
        Ok(Kind::While { until, condition, body })
    }

    /// From `do` to `done`.
    fn block(&mut self) -> Result<List, Unknown> {
        self.lines()?;
        self.expect("do")?;
        let body = self.list()?;
        self.expect("done")?;
        Ok(body)
    }

    fn case(&mut self) -> Result<Kind, Unknown> {
        self.blanks();
        let word = self.word()?.ok_or_else(|| self.unknown("`case` without a word"))?;
        self.lines()?;
        self.expect("in")?;
        let mut arms = Vec::new();
        loop {
            self.lines()?;
            if self.keyword("esac") {
                return Ok(Kind::Case { word, arms });
            }
            self.eat("(");
            let mut patterns = Vec::new();
            loop {
                self.blanks();
                patterns.push(self.word()?.ok_or_else(|| self.unknown("a pattern is missing"))?);
                self.blanks();
                if !self.eat("|") {
                    break;
                }
            }
            if !self.eat(")") {
                return Err(self.unknown("`)` is missing behind a pattern"));
            }
            arms.push((patterns, self.list()?));
            self.lines()?;
            if !self.eat(";;") && !self.at_keyword("esac") {
                return Err(self.unknown("`;;` is missing"));
            }
        }
    }

    /// Words up to the line's end or a separator.
    fn words(&mut self) -> Result<Vec<Word>, Unknown> {
        let mut words = Vec::new();
        loop {
            self.blanks();
            match self.word()? {
                Some(word) => words.push(word),
                None => return Ok(words),
            }
        }
    }

    fn simple(&mut self, line: usize) -> Result<Command, Unknown> {
        let (mut assignments, mut words, mut redirects) = (Vec::new(), Vec::new(), Vec::new());
        loop {
            self.blanks();
            if let Some(redirect) = self.redirect()? {
                redirects.push(redirect);
            } else if let Some(name) = words.is_empty().then(|| self.assignment()).flatten() {
                assignments.push((name, self.word()?.unwrap_or_default()));
            } else if let Some(word) = self.word()? {
                words.push(word);
            } else {
                break;
            }
        }
        if assignments.is_empty() && words.is_empty() && redirects.is_empty() {
            let what = match self.peek() {
                Some(char) => format!("unexpected `{char}`"),
                None => "a command is missing at the end".into(),
            };
            return Err(self.unknown(what));
        }
        Ok(Command { line, kind: Kind::Simple { assignments, words }, redirects })
    }

    /// `name=`, which is then taken.
    fn assignment(&mut self) -> Option<String> {
        let start = self.at;
        if let Some(name) = self.name()
            && self.eat("=")
        {
            return Some(name);
        }
        self.at = start;
        None
    }

    /// `name()`, which is then taken.
    fn function_name(&mut self) -> Option<String> {
        let start = self.at;
        if let Some(name) = self.name() {
            self.blanks();
            if self.eat("(") {
                self.blanks();
                if self.eat(")") {
                    return Some(name);
                }
            }
        }
        self.at = start;
        None
    }

    pub(super) fn name(&mut self) -> Option<String> {
        let mut name = String::new();
        while let Some(char) = self.peek() {
            let first = name.is_empty();
            if char != '_' && !char.is_ascii_alphabetic() && (first || !char.is_ascii_digit()) {
                break;
            }
            name.push(char);
            self.at += 1;
        }
        (!name.is_empty()).then_some(name)
    }

    fn redirect(&mut self) -> Result<Option<Redirect>, Unknown> {
        let start = self.at;
        if self.eat("&>") {
            let append = self.eat(">");
            let target = self.target()?;
            return Ok(Some(Redirect::Write { descriptors: vec![1, 2], append, target }));
        }
        let mut digits = String::new();
        while let Some(digit) = self.peek().filter(char::is_ascii_digit) {
            digits.push(digit);
            self.at += 1;
        }
        let descriptor = digits.parse::<u32>().ok();
        if self.eat("<<") {
            return self.document_ahead().map(Some);
        }
        if self.eat("<") {
            return Ok(Some(Redirect::Read(self.target()?)));
        }
        if !self.eat(">") {
            self.at = start;
            return Ok(None);
        }
        let descriptor = descriptor.unwrap_or(1);
        if self.eat("&") {
            let from = self.peek().and_then(|char| char.to_digit(10));
            self.next();
            return match from {
                Some(from) => Ok(Some(Redirect::Duplicate { descriptor, from })),
                None => Err(self.unknown("`>&` without a number")),
            };
        }
        let append = self.eat(">");
        let target = self.target()?;
        Ok(Some(Redirect::Write { descriptors: vec![descriptor], append, target }))
    }

    fn target(&mut self) -> Result<Word, Unknown> {
        self.blanks();
        self.word()?.ok_or_else(|| self.unknown("a redirection without a file"))
    }

    /// The text comes behind the line's end.
    fn document_ahead(&mut self) -> Result<Redirect, Unknown> {
        let strip_tabs = self.eat("-");
        let word = self.target()?;
        let (mut delimiter, mut literal) = (String::new(), false);
        for part in word {
            let Part::Text { text, quoted } = part else {
                return Err(self.unknown("a here-document that ends at a variable"));
            };
            delimiter.push_str(&text);
            literal |= quoted;
        }
        let text = Rc::new(OnceCell::new());
        self.documents.push(Document { delimiter, strip_tabs, literal, text: Rc::clone(&text) });
        Ok(Redirect::Text(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        let unknown = parse(text).unwrap_err();
        format!("{}: {}", unknown.line, unknown.what)
    }

    #[test]
    fn refuses_what_it_does_not_know_with_its_line() {
        assert_eq!(refused("true\nsleep 5 &"), "2: a command in the background (`&`)");
        assert_eq!(refused("echo $((1 + 1))"), "1: arithmetic (`$((`)");
        assert_eq!(refused("if true; then\ntrue\n"), "3: `fi` is missing");
        assert_eq!(refused("echo 'x"), "1: a quote is not closed");
        assert_eq!(refused("cat <<EOF\nx"), "2: `EOF` is missing");
        assert_eq!(refused("${x/a/b}"), "1: `${x/`");
    }

    #[test]
    fn reads_the_shapes_that_scripts_have() {
        let text = "#!/bin/sh\nset -e\n[ -e \"$a\" ] && ln -s \\\n a b || :\ncase $x in\n  (a|b) ;;\n  *) f;; esac\n\
                    f() {\n\tlocal x=$1\n}\nfor i in \"$@\"; do echo >&2 $i; done 2>/dev/null\nwhile false\ndo x=; done\n";
        assert_eq!(parse(text).unwrap().len(), 6);
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in "[a-z ${}()'\"<>&|;#\\\\\n=!-]{0,80}") {
            let _ = parse(&text);
        }
    }

    #[test]
    fn deep_nesting_is_an_error() {
        assert_eq!(refused(&"(".repeat(10_000)), "1: commands are nested too deeply");
        assert_eq!(refused(&"$(".repeat(10_000)), "1: commands are nested too deeply");
        assert_eq!(refused(&"${a:-".repeat(10_000)), "1: commands are nested too deeply");
    }
}
