//! YAML as PyYAML with libyaml writes it, byte for byte: which scalars are quoted and how, where long
//! lines are folded, and how lists are indented. The rules are those of libyaml 0.2.5's `emitter.c`.

use std::sync::LazyLock;

use minijinja::value::ValueKind;
use minijinja::{Error, Value};
use regex::Regex;

use super::text::plain;

/// The options of `yaml.dump`.
pub struct Style {
    /// Collections in one line: always, never, or those that hold only scalars.
    pub flow: Option<bool>,
    pub indent: usize,
    pub width: usize,
    pub sort_keys: bool,
    pub allow_unicode: bool,
    pub explicit_start: bool,
}

/// `value` as a YAML document.
pub fn dump(value: &Value, style: &Style) -> Result<String, Error> {
    let mut emitter = Emitter {
        style,
        out: String::new(),
        column: 0,
        indent: None,
        flow: 0,
        whitespace: true,
        indention: true,
    };
    if style.explicit_start {
        emitter.raw("---");
        emitter.whitespace = false;
        emitter.indention = false;
        if !emitter.starts_on_line(value)? {
            emitter.write_indent();
        }
    }
    emitter.node(value, false, false)?;
    if !emitter.out.ends_with('\n') || emitter.column > 0 {
        emitter.out.push('\n');
    }
    Ok(emitter.out)
}

/// Whether `text` can stand in a YAML file without quotes, in any place, and stays text.
pub fn is_plain(text: &str) -> bool {
    let about = Analysis::of(text, true);
    !text.is_empty() && about.flow_plain && about.block_plain && !resolves(text)
}

struct Emitter<'a> {
    style: &'a Style,
    out: String,
    column: usize,
    indent: Option<usize>,
    /// Depth of collections in one line.
    flow: usize,
    /// The last character was a space, or a line has just begun.
    whitespace: bool,
    /// Nothing but indentation and indicators is on this line.
    indention: bool,
}

impl Emitter<'_> {
    /// Whether a document can begin beside `---`.
    fn starts_on_line(&self, value: &Value) -> Result<bool, Error> {
        let mut values = Vec::new();
        match value.kind() {
            ValueKind::Seq | ValueKind::Iterable => values.extend(value.try_iter()?),
            ValueKind::Map => {
                for key in value.try_iter()? {
                    values.push(value.get_item(&key)?);
                }
            }
            _ => return Ok(true),
        }
        Ok(self.in_line(values.is_empty(), values.iter()))
    }

    fn node(&mut self, value: &Value, in_mapping: bool, simple_key: bool) -> Result<(), Error> {
        match value.kind() {
            ValueKind::Seq | ValueKind::Iterable => {
                let items: Vec<Value> = value.try_iter()?.collect();
                self.sequence(&items, in_mapping)
            }
            ValueKind::Map => self.mapping(value),
            _ => {
                self.scalar(value, simple_key);
                Ok(())
            }
        }
    }

    fn sequence(&mut self, items: &[Value], in_mapping: bool) -> Result<(), Error> {
        let outer = self.indent;
        if self.in_line(items.is_empty(), items.iter()) {
            self.indicator("[", true, true, false);
            self.deeper(true, false);
            self.flow += 1;
            for (at, item) in items.iter().enumerate() {
                self.flow_separator(at);
                self.node(item, false, false)?;
            }
            self.flow -= 1;
            self.indent = outer;
            self.indicator("]", false, false, false);
            return Ok(());
        }
        // A list below its key is not indented.
        self.deeper(false, in_mapping && !self.indention);
        for item in items {
            self.write_indent();
            self.indicator("-", true, false, true);
            self.node(item, false, false)?;
        }
        self.indent = outer;
        Ok(())
    }

    fn mapping(&mut self, map: &Value) -> Result<(), Error> {
        let mut keys: Vec<Value> = map.try_iter()?.collect();
        // Python cannot sort keys of several types and then leaves them alone.
        if self.style.sort_keys && keys.iter().all(|key| key.as_str().is_some()) {
            keys.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
        }
        let pairs: Result<Vec<(Value, Value)>, Error> =
            keys.into_iter().map(|key| Ok((key.clone(), map.get_item(&key)?))).collect();
        let pairs = pairs?;
        let outer = self.indent;
        if self.in_line(pairs.is_empty(), pairs.iter().map(|(_, value)| value)) {
            self.indicator("{", true, true, false);
            self.deeper(true, false);
            self.flow += 1;
            for (at, (key, value)) in pairs.iter().enumerate() {
                self.flow_separator(at);
                self.pair(key, value)?;
            }
            self.flow -= 1;
            self.indent = outer;
            self.indicator("}", false, false, false);
            return Ok(());
        }
        self.deeper(false, false);
        for (key, value) in &pairs {
            self.write_indent();
            self.pair(key, value)?;
        }
        self.indent = outer;
        Ok(())
    }

    fn pair(&mut self, key: &Value, value: &Value) -> Result<(), Error> {
        if is_simple_key(key) {
            self.node(key, true, true)?;
            self.indicator(":", false, false, false);
        } else {
            let block = self.flow == 0;
            self.indicator("?", true, false, block);
            self.node(key, true, false)?;
            if block || self.column > self.style.width {
                self.write_indent();
            }
            self.indicator(":", true, false, block);
        }
        self.node(value, true, false)
    }

    fn in_line<'v>(&self, empty: bool, mut values: impl Iterator<Item = &'v Value>) -> bool {
        let collection = |value: &Value| {
            matches!(value.kind(), ValueKind::Seq | ValueKind::Map | ValueKind::Iterable)
        };
        empty || self.flow > 0 || self.style.flow.unwrap_or_else(|| !values.any(collection))
    }

    fn flow_separator(&mut self, at: usize) {
        if at > 0 {
            self.indicator(",", false, false, false);
        }
        if self.column > self.style.width {
            self.write_indent();
        }
    }

    fn deeper(&mut self, flow: bool, same: bool) {
        self.indent = Some(match self.indent {
            None if flow => self.style.indent,
            None => 0,
            Some(indent) if same => indent,
            Some(indent) => indent + self.style.indent,
        });
    }

    fn raw(&mut self, text: &str) {
        self.out.push_str(text);
        self.column += text.chars().count();
    }

    fn line_end(&mut self) {
        self.out.push('\n');
        self.column = 0;
    }

    fn indicator(&mut self, sign: &str, space: bool, whitespace: bool, indention: bool) {
        if space && !self.whitespace {
            self.raw(" ");
        }
        self.raw(sign);
        self.whitespace = whitespace;
        self.indention = self.indention && indention;
    }

    fn write_indent(&mut self) {
        let indent = self.indent.unwrap_or(0);
        if !self.indention || self.column > indent || (self.column == indent && !self.whitespace) {
            self.line_end();
        }
        self.raw(&" ".repeat(indent.saturating_sub(self.column)));
        self.whitespace = true;
        self.indention = true;
    }

    fn scalar(&mut self, value: &Value, simple_key: bool) {
        let outer = self.indent;
        self.deeper(true, false);
        match value.as_str() {
            Some(text) => self.text(text, simple_key),
            None => self.plain(&scalar_text(value), false),
        }
        self.indent = outer;
    }

    fn text(&mut self, text: &str, simple_key: bool) {
        let about = Analysis::of(text, self.style.allow_unicode);
        let bare = if self.flow > 0 { about.flow_plain } else { about.block_plain };
        let nothing = text.is_empty() && (self.flow > 0 || simple_key);
        if bare && !nothing && !resolves(text) {
            self.plain(text, !simple_key);
        } else if about.single_quoted {
            self.single_quoted(text, !simple_key);
        } else {
            self.double_quoted(text, !simple_key);
        }
    }

    fn plain(&mut self, text: &str, breaks: bool) {
        if !self.whitespace && (!text.is_empty() || self.flow > 0) {
            self.raw(" ");
        }
        self.folded(text, breaks, |_, _| true, |_| false);
        self.whitespace = false;
        self.indention = false;
    }

    fn single_quoted(&mut self, text: &str, breaks: bool) {
        self.indicator("'", true, false, false);
        let last = text.chars().count().saturating_sub(1);
        let inside = move |at: usize, _: char| at != 0 && at != last;
        let in_break = self.folded(text, breaks, inside, |c| c == '\'');
        if in_break {
            self.write_indent();
        }
        self.indicator("'", false, false, false);
        self.whitespace = false;
        self.indention = false;
    }

    /// Text with long lines folded at single spaces that `may_fold`, and some characters `doubled`.
    /// Answers whether it ended in a line break.
    fn folded(
        &mut self,
        text: &str,
        breaks: bool,
        may_fold: impl Fn(usize, char) -> bool,
        doubled: impl Fn(char) -> bool,
    ) -> bool {
        let chars: Vec<char> = text.chars().collect();
        let (mut in_spaces, mut in_breaks) = (false, false);
        for (at, &c) in chars.iter().enumerate() {
            if c == ' ' {
                let fold = breaks
                    && !in_spaces
                    && self.column > self.style.width
                    && may_fold(at, c)
                    && chars.get(at + 1) != Some(&' ');
                if fold {
                    self.write_indent()
                } else {
                    self.raw(" ")
                }
                in_spaces = true;
            } else if c == '\n' {
                if !in_breaks {
                    self.line_end();
                }
                self.line_end();
                self.indention = true;
                in_breaks = true;
            } else {
                if in_breaks {
                    self.write_indent();
                }
                if doubled(c) {
                    self.raw(c.encode_utf8(&mut [0; 4]));
                }
                self.raw(c.encode_utf8(&mut [0; 4]));
                self.indention = false;
                in_spaces = false;
                in_breaks = false;
            }
        }
        in_breaks
    }

    fn double_quoted(&mut self, text: &str, breaks: bool) {
        self.indicator("\"", true, false, false);
        let chars: Vec<char> = text.chars().collect();
        let mut in_spaces = false;
        for (at, &c) in chars.iter().enumerate() {
            let shown = printable(c) && (c.is_ascii() || self.style.allow_unicode);
            if !shown || matches!(c, '\u{feff}' | '\n' | '"' | '\\') {
                self.raw(&escaped(c));
                in_spaces = false;
            } else if c == ' ' {
                let inside = at != 0 && at + 1 != chars.len();
                if breaks && !in_spaces && self.column > self.style.width && inside {
                    self.write_indent();
                    if chars.get(at + 1) == Some(&' ') {
                        self.raw("\\");
                    }
                } else {
                    self.raw(" ");
                }
                in_spaces = true;
            } else {
                self.raw(c.encode_utf8(&mut [0; 4]));
                in_spaces = false;
            }
        }
        self.indicator("\"", false, false, false);
        self.whitespace = false;
        self.indention = false;
    }
}

/// Whether a key can stand in front of its colon without a `?`.
fn is_simple_key(key: &Value) -> bool {
    key.as_str().is_none_or(|text| text.len() <= 128 && !text.contains(['\n', '\r']))
}

/// What is no text and no collection.
fn scalar_text(value: &Value) -> String {
    match value.kind() {
        ValueKind::None | ValueKind::Undefined => "null".into(),
        ValueKind::Bool => value.is_true().to_string(),
        ValueKind::Number => {
            let number = plain(value);
            match number.as_str() {
                "inf" => ".inf".into(),
                "-inf" => "-.inf".into(),
                "nan" | "NaN" => ".nan".into(),
                // YAML 1.1 wants a dot in a float.
                _ if !number.contains('.') => number.replacen('e', ".0e", 1),
                _ => number,
            }
        }
        _ => plain(value),
    }
}

fn escaped(c: char) -> String {
    match c {
        '\0' => "\\0".into(),
        '\x07' => "\\a".into(),
        '\x08' => "\\b".into(),
        '\t' => "\\t".into(),
        '\n' => "\\n".into(),
        '\x0b' => "\\v".into(),
        '\x0c' => "\\f".into(),
        '\r' => "\\r".into(),
        '\x1b' => "\\e".into(),
        '"' => "\\\"".into(),
        '\\' => "\\\\".into(),
        '\u{85}' => "\\N".into(),
        '\u{a0}' => "\\_".into(),
        '\u{2028}' => "\\L".into(),
        '\u{2029}' => "\\P".into(),
        c if (c as u32) < 0x100 => format!("\\x{:02X}", c as u32),
        c if (c as u32) < 0x10000 => format!("\\u{:04X}", c as u32),
        c => format!("\\U{:08X}", c as u32),
    }
}

/// Shown as it is. The line ends of Unicode are always escaped here; libyaml folds at them.
fn printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}')
        && !matches!(c, '\u{feff}' | '\u{2028}' | '\u{2029}')
}

/// What a text allows.
struct Analysis {
    flow_plain: bool,
    block_plain: bool,
    single_quoted: bool,
}

impl Analysis {
    fn of(text: &str, allow_unicode: bool) -> Self {
        let chars: Vec<char> = text.chars().collect();
        let blank = |at: usize| chars.get(at).is_none_or(|c| matches!(c, ' ' | '\t' | '\n' | '\r'));
        let (mut flow, mut block) = (chars.is_empty(), false);
        if text.starts_with("---") || text.starts_with("...") {
            (flow, block) = (true, true);
        }
        let (mut special, mut break_space, mut space_break) = (false, false, false);
        for (at, &c) in chars.iter().enumerate() {
            let before = at == 0 || blank(at - 1);
            let after = blank(at + 1);
            match c {
                '#' if at == 0 || before => (flow, block) = (true, true),
                '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`' if at == 0 => {
                    (flow, block) = (true, true);
                }
                ',' | '[' | ']' | '{' | '}' => {
                    flow = true;
                    block |= at == 0;
                }
                '?' => {
                    flow = true;
                    block |= at == 0 && after;
                }
                ':' => {
                    flow = true;
                    block |= after;
                }
                '-' if at == 0 && after => (flow, block) = (true, true),
                _ => {}
            }
            special |= !printable(c) || (!c.is_ascii() && !allow_unicode);
            let previous = at.checked_sub(1).map(|at| chars[at]);
            break_space |= c == ' ' && previous == Some('\n');
            space_break |= c == '\n' && previous == Some(' ');
        }
        let edge = |c: Option<&char>| matches!(c, Some(' ' | '\n'));
        let multiline = chars.contains(&'\n');
        let odd = break_space || space_break || special;
        let bare = !edge(chars.first()) && !edge(chars.last()) && !odd && !multiline;
        Self { flow_plain: bare && !flow, block_plain: bare && !block, single_quoted: !odd }
    }
}

/// Whether YAML 1.1 would read the bare text as something else than text.
fn resolves(text: &str) -> bool {
    static OTHER: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(concat!(
            r"^(?:",
            r"yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF",
            r"|[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?",
            r"|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
            r"|[-+]?0b[0-1_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+",
            r"|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+",
            r"|<<|=|~|null|Null|NULL|",
            r"|[0-9]{4}-[0-9]{2}-[0-9]{2}",
            r"|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt]|[ \t]+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}",
            r"(?:\.[0-9]*)?(?:[ \t]*(?:Z|[-+][0-9]{1,2}(?::[0-9]{2})?))?",
            r")$",
        ))
        .ok()
    });
    OTHER.as_ref().is_some_and(|other| other.is_match(text))
}
