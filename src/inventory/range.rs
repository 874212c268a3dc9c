//! Ranges in host names: `rpi[40:42]`, `rpi[01:10:2]`, `node-[a:c]`.

/// Hosts that one name may stand for.
pub(crate) const MAX_HOSTS: usize = 10_000;

/// Bytes of a name with its ranges; a host name itself is much shorter.
const LONGEST: usize = 255;

const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// All names that `name` stands for, in order; `name` itself where it has no range.
///
/// # Errors
/// Says what is wrong with the range.
pub(crate) fn expand(name: &str) -> Result<Vec<String>, String> {
    if name.len() > LONGEST {
        return Err(format!("it is longer than {LONGEST} characters"));
    }
    let mut names = vec![String::new()];
    let mut rest = name;
    while let Some((head, tail)) = rest.split_once('[') {
        let (range, tail) = tail.split_once(']').ok_or("a `[` is not closed")?;
        let parts = members(range)?;
        if names.len() * parts.len() > MAX_HOSTS {
            return Err(format!("it stands for more than {MAX_HOSTS} hosts"));
        }
        names = names
            .iter()
            .flat_map(|before| parts.iter().map(move |part| format!("{before}{head}{part}")))
            .collect();
        rest = tail;
    }
    for name in &mut names {
        name.push_str(rest);
    }
    Ok(names)
}

/// The members of what stands between the brackets: `begin:end` or `begin:end:step`.
fn members(range: &str) -> Result<Vec<String>, String> {
    let mut bounds = range.split(':');
    let (begin, end, step) = match (bounds.next(), bounds.next(), bounds.next(), bounds.next()) {
        (Some(begin), Some(end), step, None) => (begin, end, step.unwrap_or("1")),
        _ => return Err(format!("`[{range}]` is not a range like `[40:42]` or `[a:c]`")),
    };
    let step = match step.parse::<usize>() {
        Ok(step) if step > 0 => step,
        _ => return Err(format!("the step of `[{range}]` must be a number from 1")),
    };
    match (letter(begin), letter(end)) {
        (Some(begin), Some(end)) if begin <= end => {
            let letters = LETTERS[begin..=end].iter().step_by(step);
            Ok(letters.map(|&letter| char::from(letter).to_string()).collect())
        }
        (Some(_), Some(_)) => Err(backwards(range)),
        _ => numbers(range, begin, end, step),
    }
}

fn numbers(range: &str, begin: &str, end: &str, step: usize) -> Result<Vec<String>, String> {
    // Ansible lets the begin be left out.
    let begin = if begin.is_empty() { "0" } else { begin };
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse::<u64>().ok()).flatten()
    };
    let (Some(from), Some(to)) = (number(begin), number(end)) else {
        return Err(format!("`[{range}]` is not a range like `[40:42]` or `[a:c]`"));
    };
    let width = if begin.len() > 1 && begin.starts_with('0') { begin.len() } else { 0 };
    if width > 0 && width != end.len() {
        return Err(format!("begin and end of `[{range}]` must have the same number of digits"));
    }
    if from > to {
        return Err(backwards(range));
    }
    if (to - from) / step as u64 >= MAX_HOSTS as u64 {
        return Err(format!("`[{range}]` stands for more than {MAX_HOSTS} hosts"));
    }
    Ok((from..=to).step_by(step).map(|number| format!("{number:0width$}")).collect())
}

fn letter(text: &str) -> Option<usize> {
    match text.as_bytes() {
        [byte] => LETTERS.iter().position(|letter| letter == byte),
        _ => None,
    }
}

fn backwards(range: &str) -> String {
    format!("`[{range}]` ends before it begins")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn expands_as_ansible_does() {
        for (name, expected) in [
            ("rpi40", "rpi40"),
            ("rpi[40:42]", "rpi40 rpi41 rpi42"),
            ("rpi[40:42].lan", "rpi40.lan rpi41.lan rpi42.lan"),
            ("a[1:10:2]", "a1 a3 a5 a7 a9"),
            ("rpi[01:10:3]", "rpi01 rpi04 rpi07 rpi10"),
            ("a[a:b]", "aa ab"),
            ("a[a:i:3]", "aa ad ag"),
            ("[y:B]", "y z A B"),
            ("a[a:b][c:d]", "aac aad abc abd"),
            ("a[0:1][2:3]", "a02 a03 a12 a13"),
            ("a[a:b][2:3]", "aa2 aa3 ab2 ab3"),
            ("a[:2]", "a0 a1 a2"),
        ] {
            assert_eq!(expand(name).map(|names| names.join(" ")), Ok(expected.into()), "{name}");
        }
    }

    #[test]
    fn says_what_is_wrong_with_a_range() {
        let wrong = |name| expand(name).err().unwrap_or_default();
        insta::assert_snapshot!([
            "rpi[40", "rpi[40]", "rpi[1:2:3:4]", "rpi[40:]", "rpi[42:40]", "rpi[b:a]", "rpi[a:3]", "rpi[01:100]",
            "rpi[1:5:0]", "rpi[0:999999999999]", "rpi[1:200][1:200]", "rpi[1:99999999999999999999]",
        ].map(|name| format!("{name}: {}", wrong(name))).join("\n"), @"
        rpi[40: a `[` is not closed
        rpi[40]: `[40]` is not a range like `[40:42]` or `[a:c]`
        rpi[1:2:3:4]: `[1:2:3:4]` is not a range like `[40:42]` or `[a:c]`
        rpi[40:]: `[40:]` is not a range like `[40:42]` or `[a:c]`
        rpi[42:40]: `[42:40]` ends before it begins
        rpi[b:a]: `[b:a]` ends before it begins
        rpi[a:3]: `[a:3]` is not a range like `[40:42]` or `[a:c]`
        rpi[01:100]: begin and end of `[01:100]` must have the same number of digits
        rpi[1:5:0]: the step of `[1:5:0]` must be a number from 1
        rpi[0:999999999999]: `[0:999999999999]` stands for more than 10000 hosts
        rpi[1:200][1:200]: it stands for more than 10000 hosts
        rpi[1:99999999999999999999]: `[1:99999999999999999999]` is not a range like `[40:42]` or `[a:c]`
        ");
    }

    proptest! {
        #[test]
        fn never_panics(name in "[a-c\\[\\]:0-9é]{0,20}") {
            let _ = expand(&name);
        }
    }
}
