//! YAML as far as secrets need it: every scalar is the text that was written, and tags are kept.
//!
//! What a general loader makes of `0644`, `yes` or `1.10` would be no secret's value any more.

use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};
use zeroize::Zeroizing;

/// Deeper nesting is refused.
const MAX_DEPTH: usize = 64;
/// More nodes, those behind aliases counted, are refused.
const MAX_NODES: usize = 200_000;

/// A YAML node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    Scalar(Scalar),
    List(Vec<Node>),
    /// In the order of the file; no key is there twice.
    Map(Vec<(String, Node)>),
}

/// A text in a YAML file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar {
    pub text: Zeroizing<String>,
    /// Without quotes or block marks, so that YAML may take it for a number, a truth value or nothing.
    pub plain: bool,
    /// `vault` for `!vault`.
    pub tag: Option<String>,
}

/// Why a text is no YAML that can be used. Shows nothing of the text. Lines and columns count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {why}")]
pub struct YamlError {
    pub line: usize,
    pub column: usize,
    pub why: &'static str,
}

impl Node {
    /// Reads one document. `None`: there is nothing but comments in it.
    ///
    /// # Errors
    /// Broken YAML, a key that is there twice or is no text, more than one document, too many nodes.
    pub fn parse(text: &str) -> Result<Option<Self>, YamlError> {
        let mut reader = Reader {
            events: Parser::new_from_str(text),
            last: None,
            anchors: HashMap::new(),
            nodes: 0,
        };
        reader.document()
    }

    fn size(&self) -> usize {
        match self {
            Self::Scalar(_) => 1,
            Self::List(items) => 1 + items.iter().map(Self::size).sum::<usize>(),
            Self::Map(entries) => 1 + entries.iter().map(|(_, value)| value.size()).sum::<usize>(),
        }
    }
}

struct Reader<'a> {
    events: Parser<'a, saphyr_parser::StrInput<'a>>,
    last: Option<Span>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
}

impl<'a> Reader<'a> {
    fn document(&mut self) -> Result<Option<Node>, YamlError> {
        let mut document = None;
        loop {
            match self.next()? {
                Event::StreamEnd => return Ok(document),
                Event::StreamStart
                | Event::DocumentStart(_)
                | Event::DocumentEnd
                | Event::Nothing => {}
                _ if document.is_some() => return Err(self.wrong("there is a second document")),
                event => document = Some(self.node(event, 0)?),
            }
        }
    }

    fn next(&mut self) -> Result<Event<'a>, YamlError> {
        match self.events.next() {
            Some(Ok((event, span))) => {
                self.last = Some(span);
                Ok(event)
            }
            Some(Err(error)) => {
                let marker = error.marker();
                let (line, column) = (marker.line(), marker.col() + 1);
                Err(YamlError { line, column, why: "this is not valid YAML" })
            }
            None => Ok(Event::StreamEnd),
        }
    }

    fn node(&mut self, event: Event<'a>, depth: usize) -> Result<Node, YamlError> {
        self.count(1)?;
        if depth > MAX_DEPTH {
            return Err(self.wrong("this is nested too deeply"));
        }
        let (anchor, node) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                let text = Zeroizing::new(text.into_owned());
                (anchor, Node::Scalar(Scalar { text, plain, tag: tag.as_deref().map(tag_name) }))
            }
            Event::SequenceStart(anchor, _) => (anchor, self.list(depth)?),
            Event::MappingStart(anchor, _) => (anchor, self.map(depth)?),
            Event::Alias(anchor) => return self.alias(anchor),
            _ => return Err(self.wrong("this is not valid YAML")),
        };
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn list(&mut self, depth: usize) -> Result<Node, YamlError> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                Event::SequenceEnd => return Ok(Node::List(items)),
                event => items.push(self.node(event, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Node, YamlError> {
        let (mut entries, mut merged, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
        loop {
            let event = self.next()?;
            if event == Event::MappingEnd {
                merge(&mut entries, merged);
                return Ok(Node::Map(entries));
            }
            let Event::Scalar(key, style, ..) = event else {
                return Err(self.wrong("a key has to be a text"));
            };
            if !seen.insert(key.to_string()) {
                return Err(self.wrong("this key is there twice"));
            }
            let event = self.next()?;
            let value = self.node(event, depth + 1)?;
            match key == "<<" && style == ScalarStyle::Plain {
                true => merged.push(value),
                false => entries.push((key.into_owned(), value)),
            }
        }
    }

    fn alias(&mut self, anchor: usize) -> Result<Node, YamlError> {
        let Some(node) = self.anchors.get(&anchor) else {
            return Err(self.wrong("this alias stands inside its own anchor"));
        };
        let node = node.clone();
        self.count(node.size())?;
        Ok(node)
    }

    fn count(&mut self, nodes: usize) -> Result<(), YamlError> {
        self.nodes += nodes;
        match self.nodes > MAX_NODES {
            true => Err(self.wrong("there are too many values")),
            false => Ok(()),
        }
    }

    fn wrong(&self, why: &'static str) -> YamlError {
        let place = self.last.map(|span| (span.start.line(), span.start.col() + 1));
        let (line, column) = place.unwrap_or((1, 1));
        YamlError { line, column, why }
    }
}

fn tag_name(tag: &Tag) -> String {
    format!("{}{}", tag.handle.trim_start_matches('!'), tag.suffix)
}

/// Adds what `<<` brings in: keys that are not there yet.
fn merge(entries: &mut Vec<(String, Node)>, merged: Vec<Node>) {
    for node in merged {
        match node {
            Node::List(items) => merge(entries, items),
            Node::Map(more) => {
                for (key, value) in more {
                    if !entries.iter().any(|(known, _)| *known == key) {
                        entries.push((key, value));
                    }
                }
            }
            Node::Scalar(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str, plain: bool, tag: Option<&str>) -> Node {
        let (text, tag) = (Zeroizing::new(text.to_owned()), tag.map(str::to_owned));
        Node::Scalar(Scalar { text, plain, tag })
    }

    #[test]
    fn scalars_stay_as_they_were_written() {
        let parsed =
            Node::parse("a: 0644\nb: yes\nc: !vault |\n  $ANSIBLE\n  12\nd: '1.10'\n").unwrap();
        let wanted = [
            ("a", text("0644", true, None)),
            ("b", text("yes", true, None)),
            ("c", text("$ANSIBLE\n12\n", false, Some("vault"))),
            ("d", text("1.10", false, None)),
        ];
        let wanted = wanted.into_iter().map(|(key, node)| (key.to_owned(), node)).collect();
        assert_eq!(parsed, Some(Node::Map(wanted)));
        assert_eq!(Node::parse("# nothing\n").unwrap(), None);
    }

    #[test]
    fn aliases_and_merges_are_resolved() {
        let parsed = Node::parse("a: &x {k: 1}\nb:\n  <<: *x\n  l: 2\n").unwrap().unwrap();
        let Node::Map(entries) = parsed else { panic!() };
        let Node::Map(b) = &entries[1].1 else { panic!() };
        assert_eq!(b.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), ["l", "k"]);
    }

    #[test]
    fn attacks_and_mistakes_are_refused_with_a_place() {
        let bomb = format!(
            "a: &a [x,x]\n{}",
            (0..30)
                .map(|i| {
                    let (from, to) = (format!("a{i}"), format!("a{}", i + 1));
                    let from = if i == 0 { "a".to_owned() } else { from };
                    format!("{to}: &{to} [*{from},*{from}]\n")
                })
                .collect::<String>()
        );
        let why = |text: &str| Node::parse(text).unwrap_err().to_string();
        assert!(why(&bomb).ends_with("there are too many values"), "{}", why(&bomb));
        assert!(why(&"[".repeat(100)).ends_with("nested too deeply"));
        assert_eq!(why("a: 1\nb: 2\na: 3\n"), "line 3, column 1: this key is there twice");
        assert_eq!(why("a: 1\n---\nb: 2\n"), "line 3, column 1: there is a second document");
        assert_eq!(why("a: \"x\nb: 2"), "line 1, column 4: this is not valid YAML");
        assert_eq!(why("[a]: 1"), "line 1, column 1: a key has to be a text");
    }
}
