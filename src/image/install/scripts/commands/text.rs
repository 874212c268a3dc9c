//! `basename`, `cat`, `dirname`, `echo`, `printf`.

use super::{Call, Failure};

pub fn echo(call: &mut Call<'_, '_>) -> Result<i32, Failure> {
    let (mut newline, mut escapes, mut words) = (true, false, call.arguments);
    while let [option @ ("-n" | "-e" | "-ne" | "-en"), rest @ ..] =
        &words.iter().map(String::as_str).collect::<Vec<_>>()[..]
    {
        newline &= !option.contains('n');
        escapes |= option.contains('e');
        words = &words[words.len() - rest.len()..];
    }
    let text = words.join(" ");
    let text = if escapes { unescaped(&text) } else { text };
    call.say(if newline { format!("{text}\n") } else { text })?;
    Ok(0)
}

pub fn printf(call: &mut Call<'_, '_>) -> Result<i32, Failure> {
    let [format, arguments @ ..] = call.arguments else { return Err(call.unknown()) };
    let format = unescaped(format);
    let mut arguments = arguments.iter();
    let mut text = String::new();
    loop {
        let before = arguments.len();
        let mut chars = format.chars();
        while let Some(char) = chars.next() {
            if char != '%' {
                text.push(char);
                continue;
            }
            match chars.next() {
                Some('%') => text.push('%'),
                Some('s') => text.extend(arguments.next().map(String::as_str)),
                Some('b') => text.extend(arguments.next().map(|argument| unescaped(argument))),
                Some('d') => text.push_str(arguments.next().map_or("0", String::as_str)),
                _ => return Err(call.unknown()),
            }
        }
        // The format is used again until all arguments are.
        if arguments.len() == 0 || arguments.len() == before {
            break;
        }
    }
    call.say(text)?;
    Ok(0)
}

fn unescaped(text: &str) -> String {
    let mut result = String::new();
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        if char != '\\' {
            result.push(char);
            continue;
        }
        match chars.next() {
            Some('n') => result.push('\n'),
            Some('t') => result.push('\t'),
            Some('r') => result.push('\r'),
            Some('\\') | None => result.push('\\'),
            Some(char) => result.extend(['\\', char]),
        }
    }
    result
}

pub fn cat(call: &mut Call<'_, '_>) -> Result<i32, Failure> {
    let operands = call.options("", "")?.operands;
    let mut status = 0;
    if operands.is_empty() {
        call.say(&*call.io.input)?;
    }
    for operand in operands {
        let text = match &*operand {
            "-" => Some(call.io.input.to_vec()),
            path => call.shell.tree.read(&call.shell.follow(path)?)?,
        };
        match text {
            Some(text) => call.say(text)?,
            None => {
                let message = format!("can't open '{operand}': No such file or directory");
                status = call.complain(&message)?;
            }
        }
    }
    Ok(status)
}

pub fn basename(call: &mut Call<'_, '_>) -> Result<i32, Failure> {
    let operands = call.options("", "")?.operands;
    let (path, suffix) = match &operands[..] {
        [path] => (path, ""),
        [path, suffix] => (path, &**suffix),
        _ => return Err(call.unknown()),
    };
    let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let name = name.strip_suffix(suffix).filter(|name| !name.is_empty()).unwrap_or(name);
    let name = if name.is_empty() { "/" } else { name };
    call.say(format!("{name}\n"))?;
    Ok(0)
}

pub fn dirname(call: &mut Call<'_, '_>) -> Result<i32, Failure> {
    let operands = call.options("", "")?.operands;
    let [path] = &operands[..] else { return Err(call.unknown()) };
    let parent = match path.trim_end_matches('/').rsplit_once('/') {
        Some((parent, _)) => match parent.trim_end_matches('/') {
            "" => "/",
            parent => parent,
        },
        None if path.starts_with('/') => "/",
        None => ".",
    };
    call.say(format!("{parent}\n"))?;
    Ok(0)
}
