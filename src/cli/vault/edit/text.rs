//! Secrets as YAML for an editor, and back. A value is the text that stands there: `0644` and `yes` stay what they are.

use zeroize::Zeroizing;

use super::Texts;
use crate::vault::name_is_valid;
use crate::vault::yaml::Node;

const HELP: &str = "\
# One secret a line: `name: value`. Longer texts: `name: |` and indented lines.
# Remove a line to remove the secret. Leave the editor without saving to change nothing.
";

/// Marks lines that pirun writes and removes again.
const COMPLAINT: &str = "# pirun: ";

/// The text to edit; `hidden` are names of secrets that are no texts.
pub fn print(texts: &Texts, hidden: &[String], complaints: &[&str]) -> Zeroizing<String> {
    let mut out = Zeroizing::new(String::with_capacity(64 << 10));
    for complaint in complaints {
        out.push_str(&format!("{COMPLAINT}{complaint}\n"));
    }
    out.push_str(HELP);
    if !hidden.is_empty() {
        out.push_str(&format!("# Not shown, because they are no texts: {}.\n", hidden.join(", ")));
    }
    out.push('\n');
    for (name, text) in texts {
        out.push_str(&entry(name, text));
        out.push('\n');
    }
    out
}

/// The same text with a remark on top, in place of an earlier one.
pub fn with_complaint(text: &str, complaint: &str) -> Zeroizing<String> {
    let kept = text.lines().skip_while(|line| line.starts_with(COMPLAINT));
    let mut out = Zeroizing::new(format!("{COMPLAINT}{complaint}\n"));
    for line in kept {
        out.push_str(line);
        out.push('\n');
    }
    out
}

/// What stands in the text, or what is wrong with it. `None`: nothing but comments, which changes nothing.
pub fn parse(text: &str) -> Result<Option<Texts>, String> {
    let entries = match Node::parse(text).map_err(|error| error.to_string())? {
        None => return Ok(None),
        Some(Node::Map(entries)) => entries,
        Some(_) => return Err("this is no list of `name: value`".into()),
    };
    let mut texts = Texts::new();
    for (name, node) in entries {
        let Node::Scalar(scalar) = node else {
            return Err(format!("the value of `{name}` is no text: put it in quotes"));
        };
        if !name_is_valid(&name) {
            return Err(format!("`{name}` cannot be a name (A-Z a-z 0-9 . _ / -)"));
        }
        texts.insert(name, scalar.text);
    }
    Ok(Some(texts))
}

/// `name: text`, without a line end.
pub fn entry(name: &str, text: &str) -> Zeroizing<String> {
    let key = match name.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_') {
        true => name.to_owned(),
        false => format!("\"{name}\""),
    };
    let quoted = || serde_json::Value::from(text).to_string();
    let candidates: [&dyn Fn() -> String; 2] = [&|| plain_or_block(text), &quoted];
    for candidate in candidates {
        let entry = Zeroizing::new(format!("{key}: {}", candidate()));
        if reads_back(&entry, name, text) {
            return entry;
        }
    }
    Zeroizing::new(format!("{key}: {}", escaped(text)))
}

fn reads_back(entry: &str, name: &str, text: &str) -> bool {
    let read = parse(entry).ok().flatten();
    read.is_some_and(|read| read.len() == 1 && read.get(name).is_some_and(|found| **found == *text))
}

fn plain_or_block(text: &str) -> String {
    let is_simple = |byte: u8| byte.is_ascii_alphanumeric() || b"._/+=-".contains(&byte);
    if text.contains('\n') {
        return block(text);
    }
    match text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.bytes().all(is_simple)
    {
        true => text.to_owned(),
        false => serde_json::Value::from(text).to_string(),
    }
}

fn block(text: &str) -> String {
    let body = text.trim_end_matches('\n');
    let chomp = match text.len() - body.len() {
        0 => "-",
        1 => "",
        _ => "+",
    };
    let lines: String = text
        .split_terminator('\n')
        .map(|line| if line.is_empty() { "\n".to_owned() } else { format!("  {line}\n") })
        .collect();
    format!("|{chomp}\n{}", lines.strip_suffix('\n').unwrap_or(&lines))
}

/// Double-quoted with an escape for whatever is not plain ASCII.
fn escaped(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            ' '..='~' => out.push(character),
            other => out.push_str(&format!("\\U{:08x}", u32::from(other))),
        }
    }
    out + "\""
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(entries: &[(&str, &str)]) -> Texts {
        let owned =
            |(name, text): &(&str, &str)| (name.to_string(), Zeroizing::new(text.to_string()));
        entries.iter().map(owned).collect()
    }

    #[test]
    fn shows_short_texts_as_they_are_and_long_ones_as_blocks() {
        let texts = texts(&[
            ("k3s_token", "K10abc"),
            ("mode", "0644"),
            ("note", "a: b"),
            ("key", "-----BEGIN\nabc\n-----END\n"),
        ]);
        insta::assert_snapshot!(print(&texts, &["blob".into()], &[]).as_str(), @r#"
        # One secret a line: `name: value`. Longer texts: `name: |` and indented lines.
        # Remove a line to remove the secret. Leave the editor without saving to change nothing.
        # Not shown, because they are no texts: blob.

        k3s_token: K10abc
        key: |
          -----BEGIN
          abc
          -----END
        mode: 0644
        note: "a: b"
        "#);
    }

    #[test]
    fn mistakes_are_named_without_showing_a_value() {
        let wrong = |text: &str| parse(text).unwrap_err();
        assert_eq!(wrong("a: [s3cret]"), "the value of `a` is no text: put it in quotes");
        assert_eq!(wrong("a b: s3cret"), "`a b` cannot be a name (A-Z a-z 0-9 . _ / -)");
        assert_eq!(wrong("a: s3cret\na: s3cret2"), "line 2, column 1: this key is there twice");
        assert_eq!(wrong("s3cret"), "this is no list of `name: value`");
        assert_eq!(wrong("a: 's3cret"), "line 1, column 4: this is not valid YAML");
        assert_eq!(parse("# a comment\n"), Ok(None));
    }

    #[test]
    fn a_complaint_replaces_the_one_before() {
        let once = with_complaint("a: b\n", "one");
        assert_eq!(with_complaint(&once, "two").as_str(), "# pirun: two\na: b\n");
    }

    proptest! {
        #[test]
        fn every_text_reads_back_as_it_was(
            entries in prop::collection::btree_map("[A-Za-z0-9._/-]{1,12}", any::<String>(), 0..4),
            lines in "[ \t#:\\-a\n\r\"'|>]{0,12}",
        ) {
            let mut texts: Texts = entries.into_iter().map(|(name, text)| (name, Zeroizing::new(text))).collect();
            texts.insert("lines".into(), Zeroizing::new(lines));
            prop_assert_eq!(parse(&print(&texts, &[], &[])), Ok(Some(texts)));
        }
    }
}
