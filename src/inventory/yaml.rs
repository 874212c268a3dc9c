//! YAML in which every value knows its file, line and column.
//!
//! Stricter than most readers where that catches mistakes: a key that stands twice is an error, and
//! so is an unknown tag. Aliases and merge keys (`<<`) are resolved here, within limits, so that
//! nobody else sees them.

use std::collections::HashMap;
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput, Tag};
use serde_json::Value;

use super::map::MapBuilder;
use super::mark::{Mark, shown, wrong};
use super::{scalar, syntax};
use crate::error::{Error, Result};

/// Nothing that people write nests deeper; what follows may recurse.
const MAX_DEPTH: usize = 64;
/// Bytes of one file.
const MAX_BYTES: usize = 8 << 20;
/// Values that anchors and aliases may copy, over a whole file.
const MAX_COPIES: usize = 200_000;

/// A value and its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub mark: Mark,
    pub data: Data,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Data {
    /// Null, a boolean or a number.
    Plain(Value),
    Text(String),
    /// `!unsafe`: text in which `{{` means nothing.
    Literal(String),
    /// `!vault`: what ansible-vault encrypted.
    Vault(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One `key: value` of a map. Keys are text, however they are written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub key: String,
    pub key_mark: Mark,
    pub value: Node,
}

impl Node {
    pub fn is_null(&self) -> bool {
        matches!(self.data, Data::Plain(Value::Null))
    }

    /// What a person would call this kind of value.
    pub fn kind(&self) -> &'static str {
        match &self.data {
            Data::Plain(Value::Null) => "nothing",
            Data::Plain(Value::Bool(_)) => "a boolean",
            Data::Plain(_) => "a number",
            Data::Text(_) | Data::Literal(_) => "text",
            Data::Vault(_) => "an ansible-vault value",
            Data::List(_) => "a list",
            Data::Map(_) => "a map",
        }
    }

    /// Whether `test` holds for this value or one inside it.
    pub fn any(&self, test: &impl Fn(&Data) -> bool) -> bool {
        test(&self.data)
            || match &self.data {
                Data::List(items) => items.iter().any(|item| item.any(test)),
                Data::Map(entries) => entries.iter().any(|entry| entry.value.any(test)),
                _ => false,
            }
    }

    /// The value as JSON; `!vault` becomes `{"__ansible_vault": "…"}`, as Ansible writes it.
    pub fn to_json(&self) -> Value {
        match &self.data {
            Data::Plain(value) => value.clone(),
            Data::Text(text) | Data::Literal(text) => Value::String(text.clone()),
            Data::Vault(text) => serde_json::json!({ "__ansible_vault": text }),
            Data::List(items) => items.iter().map(Self::to_json).collect(),
            Data::Map(entries) => {
                entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json())).collect()
            }
        }
    }

    fn size(&self) -> usize {
        1 + match &self.data {
            Data::List(items) => items.iter().map(Self::size).sum(),
            Data::Map(entries) => entries.iter().map(|entry| entry.value.size()).sum::<usize>(),
            _ => 0,
        }
    }
}

/// Reads the one document of a file; an empty file is null.
///
/// # Errors
/// Whatever is not UTF-8 or not YAML, with its place; more than one document; a key that stands
/// twice; a file beyond the limits.
pub(crate) fn parse(file: &str, bytes: &[u8]) -> Result<Node> {
    if bytes.len() > MAX_BYTES {
        return Err(wrong(format!("{file} is larger than {} MiB", MAX_BYTES >> 20)));
    }
    let file: Arc<str> = file.into();
    let text = syntax::utf8(&file, bytes)?;
    Reader { parser: Parser::new_from_str(text), file, text, anchors: HashMap::new(), copies: 0 }
        .document()
}

struct Reader<'a> {
    file: Arc<str>,
    text: &'a str,
    parser: Parser<'a, StrInput<'a>>,
    anchors: HashMap<usize, Node>,
    copies: usize,
}

impl<'a> Reader<'a> {
    fn document(mut self) -> Result<Node> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => break,
                Event::DocumentStart(_) if root.is_some() => {
                    return Err(self
                        .mark(&span)
                        .error("a second YAML document starts here")
                        .hint("Only one document can be read from a file: remove the `---`."));
                }
                Event::StreamStart
                | Event::DocumentStart(_)
                | Event::DocumentEnd
                | Event::Nothing => {}
                event => root = Some(self.node(event, &span, 0)?),
            }
        }
        Ok(root.unwrap_or_else(|| Node {
            mark: Mark::new(&self.file, 1, 1),
            data: Data::Plain(Value::Null),
        }))
    }

    fn next(&mut self) -> Result<(Event<'a>, Span)> {
        match self.parser.next_event() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => Err(syntax::explain(&self.file, self.text, &error)),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn mark(&self, span: &Span) -> Mark {
        Mark::new(&self.file, span.start.line().max(1), span.start.col() + 1)
    }

    fn node(&mut self, event: Event<'a>, span: &Span, depth: usize) -> Result<Node> {
        let mark = self.mark(span);
        if depth > MAX_DEPTH {
            return Err(mark.error(format!("values are nested deeper than {MAX_DEPTH} levels")));
        }
        let (anchor, node) = match event {
            Event::Alias(anchor) => return self.alias(anchor, &mark),
            Event::Scalar(text, style, anchor, tag) => {
                let data = scalar_data(&text, style, tag.as_deref(), &mark)?;
                (anchor, Node { mark, data })
            }
            Event::SequenceStart(anchor, tag) => {
                check_collection_tag(tag.as_deref(), "seq", &mark)?;
                (anchor, Node { mark, data: Data::List(self.list(depth)?) })
            }
            Event::MappingStart(anchor, tag) => {
                check_collection_tag(tag.as_deref(), "map", &mark)?;
                (anchor, Node { mark, data: Data::Map(self.map(depth)?) })
            }
            _ => return Err(mark.error("a value is missing here")),
        };
        if anchor != 0 {
            self.spend(&node)?;
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn alias(&mut self, anchor: usize, mark: &Mark) -> Result<Node> {
        let Some(node) = self.anchors.get(&anchor).cloned() else {
            return Err(mark.error("this alias refers to the value that contains it"));
        };
        self.spend(&node)?;
        Ok(node)
    }

    fn spend(&mut self, node: &Node) -> Result<()> {
        self.copies += node.size();
        if self.copies > MAX_COPIES {
            return Err(node.mark.error("the aliases of this anchor add up to too many values"));
        }
        Ok(())
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node>> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::SequenceEnd {
                return Ok(items);
            }
            items.push(self.node(event, &span, depth + 1)?);
        }
    }

    fn map(&mut self, depth: usize) -> Result<Vec<Entry>> {
        let mut map = MapBuilder::default();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(map.finish());
            }
            let key_mark = self.mark(&span);
            let (key, merge) = self.key(event, &key_mark)?;
            let (event, span) = self.next()?;
            let value = self.node(event, &span, depth + 1)?;
            if merge {
                map.merge(value, key_mark)?;
            } else {
                map.insert(Entry { key, key_mark, value })?;
            }
        }
    }

    /// A key, and whether it is the merge key.
    fn key(&mut self, event: Event<'a>, mark: &Mark) -> Result<(String, bool)> {
        match event {
            Event::Scalar(text, style, ..) => {
                let merge = text == "<<" && style == ScalarStyle::Plain;
                if text.is_empty() && style == ScalarStyle::Plain {
                    return Err(mark.error("the name before the `:` is missing"));
                }
                Ok((text.into_owned(), merge))
            }
            Event::Alias(anchor) => match self.anchors.get(&anchor).map(Node::to_json) {
                Some(Value::String(text)) => Ok((text, false)),
                _ => Err(mark.error("only text can be a key")),
            },
            _ => Err(self.collection_as_key(mark)),
        }
    }

    fn collection_as_key(&self, mark: &Mark) -> Error {
        let line = self.text.lines().nth(mark.line - 1).unwrap_or_default();
        let error = mark.error("a list or a map cannot be a key");
        match line.contains("{{") {
            true => error.hint("Quote a value that starts with `{{`: \"{{ name }}\"."),
            false => error,
        }
    }
}

fn scalar_data(text: &str, style: ScalarStyle, tag: Option<&Tag>, mark: &Mark) -> Result<Data> {
    let plain = || scalar::resolve(text).map_or_else(|| Data::Text(text.to_owned()), Data::Plain);
    let Some(tag) = tag else {
        return Ok(if style == ScalarStyle::Plain { plain() } else { Data::Text(text.into()) });
    };
    let typed = |wanted: fn(&Value) -> bool| {
        scalar::resolve(text).filter(wanted).map(Data::Plain).ok_or_else(|| {
            mark.error(format!("`{}` is not what its tag `!!{}` says", shown(text), tag.suffix))
        })
    };
    match (tag.is_yaml_core_schema(), tag.suffix.as_str()) {
        (true, "str") => Ok(Data::Text(text.into())),
        (true, "int") => typed(|value| value.is_i64() || value.is_u64()),
        (true, "float") => typed(Value::is_number),
        (true, "bool") => typed(Value::is_boolean),
        (true, "null") => typed(Value::is_null),
        (false, "vault" | "vault-encrypted") if tag.handle == "!" => Ok(Data::Vault(text.into())),
        (false, "unsafe") if tag.handle == "!" => Ok(Data::Literal(text.into())),
        // The non-specific tag: `! text`.
        (false, "") if tag.handle == "!" => Ok(Data::Text(text.into())),
        _ => Err(unknown_tag(tag, mark)),
    }
}

fn check_collection_tag(tag: Option<&Tag>, expected: &str, mark: &Mark) -> Result<()> {
    match tag {
        Some(tag) if !(tag.is_yaml_core_schema() && tag.suffix == expected) => {
            Err(unknown_tag(tag, mark))
        }
        _ => Ok(()),
    }
}

fn unknown_tag(tag: &Tag, mark: &Mark) -> Error {
    let name = match tag.is_yaml_core_schema() {
        true => format!("!!{}", tag.suffix),
        false => format!("{}{}", tag.handle, tag.suffix),
    };
    mark.error(format!("the tag `{}` is not known here", shown(&name)))
        .hint("Known tags are `!vault`, `!unsafe`, `!!str`, `!!int`, `!!float` and `!!bool`.")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use insta::assert_snapshot;
    use serde_json::json;

    use super::*;
    use crate::inventory::testing::{fails, shows};

    fn read(text: &str) -> Value {
        parse("vars.yaml", text.as_bytes()).unwrap().to_json()
    }

    fn refused(text: &str) -> String {
        shows(&fails(parse("vars.yaml", text.as_bytes())))
    }

    #[test]
    fn values_know_their_place() {
        let node = parse("vars.yaml", b"# first\na:\n  b: [1, x]\n").unwrap();
        let Data::Map(entries) = &node.data else { panic!("not a map") };
        let Data::Map(inner) = &entries[0].value.data else { panic!("not a map") };
        assert_eq!(inner[0].key_mark.site().to_string(), "vars.yaml:3:3");
        let Data::List(items) = &inner[0].value.data else { panic!("not a list") };
        assert_eq!(items[1].mark.site().to_string(), "vars.yaml:3:10");
    }

    #[test]
    fn merge_keys_yield_to_what_is_written() {
        let text = "
base: &base { disk: sd, gpu: 16 }
more: &more { gpu: 32, fan: true }
host:
  disk: ssd
  <<: [*base, *more]
quoted: { '<<': 1 }
";
        assert_eq!(
            read(text)["host"],
            json!({ "gpu": 16, "fan": true, "disk": "ssd" }),
            "the first of a list wins, the written one over all"
        );
        assert_eq!(read(text)["quoted"], json!({ "<<": 1 }));
    }

    #[test]
    fn tags_decide_the_type() {
        assert_eq!(
            read("{a: !!str 1, b: !!int 2, c: !!float 1, d: !unsafe '{{ x }}', e: !!bool true}"),
            json!({ "a": "1", "b": 2, "c": 1, "d": "{{ x }}", "e": true })
        );
        assert_eq!(
            read("a: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  3132\n"),
            json!({ "a": { "__ansible_vault": "$ANSIBLE_VAULT;1.1;AES256\n3132\n" } })
        );
    }

    #[test]
    fn an_empty_file_is_null_and_keys_are_text() {
        assert_eq!(read(""), json!(null));
        assert_eq!(read("# nothing\n"), json!(null));
        assert_eq!(read("40: a\ntrue: b\n"), json!({ "40": "a", "true": "b" }));
    }

    #[test]
    fn refuses_a_key_that_stands_twice() {
        assert_snapshot!(refused("a: 1\nb: 2\na: 3\n"), @"
        vars.yaml:3:1: `a` stands twice in the same map
        hint: It stands first in line 1. YAML would silently keep only one.
        ");
    }

    #[test]
    fn refuses_a_key_that_stands_twice_in_a_large_map() {
        let mut text: String = (0..40).map(|number| format!("k{number}: 1\n")).collect();
        assert!(parse("vars.yaml", text.as_bytes()).is_ok());
        for key in ["k0", "k15", "k16", "k39"] {
            let error = refused(&format!("{text}{key}: 2\n"));
            assert!(error.starts_with("vars.yaml:41:1: "), "{error}");
        }
        text = format!(
            "base: &b {{ k1: merged, new: 1 }}\nbig:\n  <<: *b\n{}",
            text.replace('k', "  k")
        );
        let big = &read(&text)["big"];
        assert_eq!((&big["k1"], &big["new"]), (&json!(1), &json!(1)));
    }

    #[test]
    fn refuses_an_alias_bomb() {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..10 {
            let before = format!("*a{}", level - 1);
            text += &format!("a{level}: &a{level} [{}]\n", vec![before; 10].join(", "));
        }
        assert_snapshot!(refused(&text), @"vars.yaml:5:5: the aliases of this anchor add up to too many values");
    }

    #[test]
    fn refuses_values_that_nest_too_deep() {
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        assert_snapshot!(refused(&deep), @"vars.yaml:1:66: values are nested deeper than 64 levels");
        let mut block = String::new();
        for level in 0..20_000 {
            block += &" ".repeat(level % 300);
            block += "- ";
        }
        assert!(parse("vars.yaml", block.as_bytes()).is_err());
    }

    #[test]
    fn refuses_what_would_be_read_differently_than_meant() {
        assert_snapshot!(refused("a: &x\n  <<: *x\n"), @"vars.yaml:2:7: this alias refers to the value that contains it");
        assert_snapshot!(refused("address: {{ ip }}\n"), @r#"
        vars.yaml:1:11: a list or a map cannot be a key
        hint: Quote a value that starts with `{{`: "{{ name }}".
        "#);
        assert_snapshot!(refused("a: !secret x\n"), @"
        vars.yaml:1:4: the tag `!secret` is not known here
        hint: Known tags are `!vault`, `!unsafe`, `!!str`, `!!int`, `!!float` and `!!bool`.
        ");
        assert_snapshot!(refused("a: !!int x\n"), @"vars.yaml:1:4: `x` is not what its tag `!!int` says");
        assert_snapshot!(refused("a: 1\n---\nb: 2\n"), @"
        vars.yaml:2:1: a second YAML document starts here
        hint: Only one document can be read from a file: remove the `---`.
        ");
        assert_snapshot!(refused("a:\n  <<: 7\n"), @"vars.yaml:2:7: `<<` merges maps, and this is a number");
        assert_snapshot!(refused(": x\n"), @"vars.yaml:1:1: the name before the `:` is missing");
    }
}
