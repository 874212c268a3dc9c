//! `grep`, as far as scripts ask with it whether a file has a line.

use regex::bytes::{Regex, RegexBuilder};

use super::{Call, Failure};

pub fn grep(call: &mut Call<'_, '_>) -> Result<i32, Failure> {
    let options = call.options("qswxFEiv", "e")?;
    let (pattern, files) = match (options.value('e'), &options.operands[..]) {
        (Some(pattern), files) => (pattern.to_owned(), files),
        (None, [pattern, files @ ..]) => (pattern.clone(), files),
        (None, []) => return Err(call.unknown()),
    };
    let pattern = match () {
        () if options.has('F') || call.name.ends_with("fgrep") => regex::escape(&pattern),
        () if options.has('E') || call.name.ends_with("egrep") => pattern,
        () => extended(&pattern).ok_or_else(|| call.unknown())?,
    };
    let pattern = match () {
        () if options.has('x') => format!("^(?:{pattern})$"),
        () if options.has('w') => format!(r"(?:^|\W)(?:{pattern})(?:\W|$)"),
        () => pattern,
    };
    let mut builder = RegexBuilder::new(&pattern);
    builder.unicode(false).case_insensitive(options.has('i')).size_limit(1 << 20);
    let regex = builder.build().map_err(|_| call.unknown())?;
    let mut texts = Vec::new();
    let mut status = 1;
    for file in files {
        match call.shell.tree.read(&call.shell.follow(file)?)? {
            Some(text) => texts.push(text),
            None => {
                status = 2;
                if !options.has('s') {
                    call.complain(&format!("{file}: No such file or directory"))?;
                }
            }
        }
    }
    if files.is_empty() {
        texts.push(call.io.input.to_vec());
    }
    let several = files.len() > 1;
    for text in &texts {
        let lines = lines(text);
        let found: Vec<&[u8]> =
            lines.filter(|line| is_match(&regex, line) != options.has('v')).collect();
        if !found.is_empty() {
            status = 0;
        }
        if options.has('q') {
            continue;
        }
        // What several files say is told apart by their names, which nothing in a script reads.
        if several {
            return Err(call.unknown());
        }
        for line in found {
            call.say([line, b"\n"].concat())?;
        }
    }
    Ok(status)
}

fn is_match(regex: &Regex, line: &[u8]) -> bool {
    regex.is_match(line)
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    text.split(|byte| *byte == b'\n')
}

/// A basic regular expression as an extended one; `None` if it has what the two do not share.
fn extended(basic: &str) -> Option<String> {
    let mut extended = String::new();
    let mut chars = basic.chars();
    while let Some(char) = chars.next() {
        match char {
            '+' | '?' | '|' | '(' | ')' | '{' | '}' => extended.extend(['\\', char]),
            '\\' => match chars.next()? {
                char @ ('+' | '?' | '|' | '(' | ')' | '{' | '}') => extended.push(char),
                '<' | '>' => extended.push_str(r"\b"),
                digit if digit.is_ascii_digit() => return None,
                char => extended.extend(['\\', char]),
            },
            char => extended.push(char),
        }
    }
    Some(extended)
}
