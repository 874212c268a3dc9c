//! Words become arguments: variables and outputs are put in, what is unquoted is split and matched against the tree.

use super::io::{Io, Sink};
use super::pattern::{Glyph, Pattern};
use super::shell::{Failure, Shell};
use super::syntax::{Default, Operation, Part, Word};

type Field = Vec<Glyph>;

impl Shell<'_> {
    /// The arguments that words stand for.
    pub(super) fn arguments(&mut self, words: &[Word], io: &Io) -> Result<Vec<String>, Failure> {
        let mut arguments = Vec::new();
        for word in words {
            for field in self.fields(word, true, io)? {
                match self.paths(&field) {
                    paths if paths.is_empty() => arguments.push(plain(&field)),
                    paths => arguments.extend(paths),
                }
            }
        }
        Ok(arguments)
    }

    /// The one text that a word stands for.
    pub(super) fn text(&mut self, word: &Word, io: &Io) -> Result<String, Failure> {
        Ok(self.fields(word, false, io)?.iter().map(plain).collect())
    }

    pub(super) fn pattern(&mut self, word: &Word, io: &Io) -> Result<Pattern, Failure> {
        Ok(Pattern::new(&self.fields(word, false, io)?.concat()))
    }

    fn fields(&mut self, word: &Word, split: bool, io: &Io) -> Result<Vec<Field>, Failure> {
        let mut fields = Fields::default();
        for part in word {
            match part {
                Part::Text { text, quoted } => fields.put(text, *quoted),
                Part::Variable { name, operation: None, quoted: true } if name == "@" && split => {
                    let arguments = self.arguments.clone();
                    // Nothing stands for no argument, not for an empty one.
                    if arguments.is_empty() && word.iter().all(is_nothing) {
                        return Ok(Vec::new());
                    }
                    for (i, argument) in arguments.iter().enumerate() {
                        if i > 0 {
                            fields.end();
                        }
                        fields.put(argument, true);
                    }
                }
                Part::Variable { name, operation, quoted } => {
                    let value = self.value(name, operation.as_ref(), io)?;
                    fields.put_value(&value, *quoted, split);
                }
                Part::Output { list, quoted } => {
                    let inner = Io { output: Sink::buffer(), ..io.clone() };
                    self.subshell(list, &inner)?;
                    let output = String::from_utf8_lossy(&inner.output.taken()).into_owned();
                    fields.put_value(output.trim_end_matches('\n'), *quoted, split);
                }
            }
        }
        fields.end();
        Ok(fields.done)
    }

    fn value(
        &mut self,
        name: &str,
        operation: Option<&Operation>,
        io: &Io,
    ) -> Result<String, Failure> {
        let value = self.variable(name);
        match operation {
            None => Ok(value.unwrap_or_default()),
            Some(Operation::Length) => Ok(value.unwrap_or_default().chars().count().to_string()),
            Some(Operation::Trim { suffix, longest, pattern }) => {
                let pattern = self.pattern(pattern, io)?;
                Ok(pattern.trim(&value.unwrap_or_default(), *suffix, *longest).to_owned())
            }
            Some(Operation::Default { how, empty, word }) => {
                let value = value.filter(|value| !(*empty && value.is_empty()));
                match (how, value) {
                    (Default::Alternative, None) => Ok(String::new()),
                    (Default::Use | Default::Assign, Some(value)) => Ok(value),
                    (Default::Assign, None) => {
                        let value = self.text(word, io)?;
                        self.assign(name, value.clone());
                        Ok(value)
                    }
                    (Default::Alternative, Some(_)) | (Default::Use, None) => self.text(word, io),
                }
            }
        }
    }

    /// The paths of the tree that a field with a pattern stands for, as they were asked for; none if it has no pattern,
    /// or nothing matches.
    fn paths(&self, field: &Field) -> Vec<String> {
        if Pattern::new(field).is_plain() {
            return Vec::new();
        }
        let absolute = field.first().is_some_and(|(char, _)| *char == '/');
        let mut found = vec![if absolute { "/".to_owned() } else { String::new() }];
        let components = field.split(|(char, _)| *char == '/').filter(|part| !part.is_empty());
        for component in components {
            let pattern = Pattern::new(component);
            let mut next = Vec::new();
            for path in found {
                if pattern.is_plain() {
                    next.push(format!("{path}{}/", plain(&component.to_vec())));
                    continue;
                }
                let hidden = component.first().is_some_and(|(char, _)| *char == '.');
                let names = self.names_in(&path).into_iter();
                let names = names.filter(|name| hidden || !name.starts_with('.'));
                next.extend(
                    names.filter(|name| pattern.matches(name)).map(|name| format!("{path}{name}/")),
                );
            }
            found = next;
        }
        let found = found.into_iter().map(|path| path.trim_end_matches('/').to_owned());
        found.filter(|path| self.exists(path)).collect()
    }
}

/// Whether a part of a word with `"$@"` adds nothing when there are no arguments.
fn is_nothing(part: &Part) -> bool {
    match part {
        Part::Text { text, .. } => text.is_empty(),
        Part::Variable { name, operation: None, quoted: true } => name == "@",
        _ => false,
    }
}

fn plain(field: &Field) -> String {
    field.iter().map(|(char, _)| char).collect()
}

#[derive(Debug, Default)]
struct Fields {
    done: Vec<Field>,
    current: Option<Field>,
}

impl Fields {
    fn put(&mut self, text: &str, quoted: bool) {
        self.current.get_or_insert_default().extend(text.chars().map(|char| (char, quoted)));
    }

    fn end(&mut self) {
        self.done.extend(self.current.take());
    }

    fn put_value(&mut self, value: &str, quoted: bool, split: bool) {
        if quoted || !split {
            return self.put(value, quoted);
        }
        for char in value.chars() {
            match char {
                ' ' | '\t' | '\n' => self.end(),
                char => self.current.get_or_insert_default().push((char, false)),
            }
        }
    }
}
