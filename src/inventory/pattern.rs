//! The grammar of patterns, as Ansible reads it.
//!
//! Ported in behaviour from Ansible's `inventory/manager.py` (`split_host_pattern`,
//! `order_patterns`, `_split_subscript`) and `parsing/utils/addresses.py`. One difference: an
//! unclosed bracket is an error instead of being skipped.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use regex::Regex;

use super::mark::{shown, wrong};
use crate::error::Result;

/// What a part of a pattern does to the hosts chosen so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    /// `x`: adds.
    Add,
    /// `&x`: keeps only.
    Keep,
    /// `!x`: removes.
    Remove,
}

/// Which of the matching hosts are meant: `[2]`, `[-1]`, `[0:2]` (inclusive), `[1:]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subscript {
    One(i64),
    Range(usize, Option<usize>),
}

/// The parts of a pattern in the order in which they apply: what adds, then `&`, then `!`.
pub(crate) fn parts(pattern: &str) -> Result<Vec<(Step, String)>> {
    let mut parts: Vec<(Step, String)> = split(pattern)?
        .into_iter()
        .map(|part| match part.split_at_checked(1) {
            Some(("!", rest)) => (Step::Remove, rest.trim().to_owned()),
            Some(("&", rest)) => (Step::Keep, rest.trim().to_owned()),
            _ => (Step::Add, part),
        })
        .collect();
    if parts.is_empty() {
        return Err(wrong("the pattern is empty").hint("`all` means every host."));
    }
    if let Some((step, _)) = parts.iter().find(|(_, part)| part.is_empty()) {
        let sign = if *step == Step::Keep { '&' } else { '!' };
        return Err(wrong(format!(
            "nothing follows the `{sign}` in the pattern `{}`",
            shown(pattern)
        )));
    }
    if parts.iter().all(|(step, _)| *step != Step::Add) {
        parts.push((Step::Add, "all".into()));
    }
    // Stable: parts of one kind keep their order.
    parts.sort_by_key(|(step, _)| *step);
    Ok(parts)
}

/// Splits at commas; where there is none, at colons, unless the whole is one address.
fn split(pattern: &str) -> Result<Vec<String>> {
    static WORDS: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"(?:[^\s:\[\]]|\[[^\]]*\])+").ok());
    let parts: Vec<&str> = if pattern.contains(',') {
        pattern.split(',').collect()
    } else if is_address(pattern) {
        vec![pattern]
    } else {
        refuse_open_bracket(pattern)?;
        WORDS
            .as_ref()
            .map(|words| words.find_iter(pattern).map(|word| word.as_str()).collect())
            .unwrap_or_default()
    };
    Ok(parts
        .into_iter()
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect())
}

fn refuse_open_bracket(pattern: &str) -> Result<()> {
    let mut open = false;
    for c in pattern.chars() {
        match c {
            '[' => open = true,
            ']' if open => open = false,
            ']' => {
                return Err(wrong(format!("a `]` in the pattern `{}` has no `[`", shown(pattern))));
            }
            _ => {}
        }
    }
    match open {
        true => Err(wrong(format!("a `[` in the pattern `{}` is not closed", shown(pattern)))),
        false => Ok(()),
    }
}

/// Whether the text is a host name or an IP address, in which parts may be ranges, with or without `:PORT`.
fn is_address(text: &str) -> bool {
    let Some(plain) = without_ranges(text) else { return is_bracketed_with_port(text) };
    let host = match plain.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') && is_digits(port) => host,
        _ => plain.as_str(),
    };
    host.parse::<Ipv4Addr>().is_ok() || host.parse::<Ipv6Addr>().is_ok() || is_host_name(host)
}

/// `[fd00::1]:22`.
fn is_bracketed_with_port(text: &str) -> bool {
    let inner = text.strip_prefix('[').and_then(|text| text.rsplit_once("]:"));
    inner.is_some_and(|(host, port)| {
        is_digits(port) && (host.parse::<Ipv6Addr>().is_ok() || is_host_name(host))
    })
}

/// The text with its first member in place of each range, or `None` where a bracket holds no range.
fn without_ranges(text: &str) -> Option<String> {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('[') {
        let (range, after) = after.split_once(']')?;
        let mut bounds = range.split(':');
        let (begin, end) = (bounds.next()?, bounds.next()?);
        let numbers = is_digits(begin) && is_digits(end);
        let letters = [begin, end]
            .iter()
            .all(|bound| matches!(bound.as_bytes(), [b'a'..=b'z' | b'A'..=b'Z']));
        if !(numbers || letters)
            || bounds.next().is_some_and(|step| !is_digits(step))
            || bounds.next().is_some()
        {
            return None;
        }
        plain.push_str(before);
        plain.push(if numbers { '1' } else { 'g' });
        rest = after;
    }
    (!rest.contains(']')).then(|| plain + rest)
}

fn is_host_name(text: &str) -> bool {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    text.split('.').all(|label| {
        label.starts_with(word)
            && label.chars().all(|c| word(c) || c == '-')
            && !label.ends_with(['_', '-'])
    })
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Splits `server[0:2]` into the name and what the brackets say. A regular expression has none, and
/// `[0-2]` is a glob's set of characters.
pub(crate) fn split_subscript(part: &str) -> (&str, Option<Subscript>) {
    let split = || {
        if part.starts_with('~') {
            return None;
        }
        let (name, inner) = part.strip_suffix(']')?.rsplit_once('[')?;
        if name.is_empty() {
            return None;
        }
        let subscript = match inner.split_once(':') {
            Some((start, "")) if is_digits(start) => Subscript::Range(start.parse().ok()?, None),
            Some((start, end)) if is_digits(start) && is_digits(end) => {
                Subscript::Range(start.parse().ok()?, Some(end.parse().ok()?))
            }
            None if is_digits(inner.strip_prefix('-').unwrap_or(inner)) => {
                Subscript::One(inner.parse().ok()?)
            }
            _ => return None,
        };
        Some((name, Some(subscript)))
    };
    split().unwrap_or((part, None))
}

impl Subscript {
    /// The chosen ones of `items`; none where the brackets reach beyond the end.
    pub fn apply<T: Copy>(self, items: &[T]) -> Vec<T> {
        match self {
            Self::One(index) => {
                let from_end = index.unsigned_abs() as usize;
                let index =
                    if index < 0 { items.len().checked_sub(from_end) } else { Some(from_end) };
                index.and_then(|index| items.get(index)).copied().into_iter().collect()
            }
            Self::Range(start, end) => {
                let end = end.map_or(items.len(), |end| end.saturating_add(1).min(items.len()));
                items.get(start..end).map(<[T]>::to_vec).unwrap_or_default()
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::inventory::testing::{fails, shows};

    #[test]
    fn splits_as_ansible_does() {
        for (pattern, expected) in [
            ("a", "a"),
            ("a, b", "a|b"),
            ("a , b", "a|b"),
            (" a,b ,c[1:2] ", "a|b|c[1:2]"),
            ("9a01:7f8:191:7701::9", "9a01:7f8:191:7701::9"),
            (
                "9a01:7f8:191:7701::9,9a01:7f8:191:7701::9,foo",
                "9a01:7f8:191:7701::9|9a01:7f8:191:7701::9|foo",
            ),
            ("foo[1:2]", "foo[1:2]"),
            ("a::b", "a::b"),
            ("a:b", "a|b"),
            (" a : b ", "a|b"),
            ("foo:bar:baz[1:2]", "foo|bar|baz[1:2]"),
            ("server:!rpi40", "server|!rpi40"),
            ("rpi40:22", "rpi40:22"),
            ("[fd00::1]:22", "[fd00::1]:22"),
            ("192.168.1.[1:5]", "192.168.1.[1:5]"),
            ("rpi[a:c].lan", "rpi[a:c].lan"),
            ("web*:db[0]:~rpi4\\d", "web*|db[0]|~rpi4\\d"),
            ("@failed", "@failed"),
        ] {
            assert_eq!(split(pattern).unwrap().join("|"), expected, "{pattern}");
        }
    }

    #[test]
    fn exclusions_apply_last_and_mean_all_when_alone() {
        let steps = |pattern| {
            let parts = parts(pattern).unwrap();
            parts
                .iter()
                .map(|(step, part)| format!("{step:?} {part}"))
                .collect::<Vec<_>>()
                .join(", ")
        };
        assert_eq!(steps("!c:&b:a"), "Add a, Keep b, Remove c");
        assert_eq!(steps("!c"), "Add all, Remove c");
        assert_eq!(steps("a,!c,b"), "Add a, Add b, Remove c");
    }

    #[test]
    fn subscripts_choose_as_in_ansible() {
        let letters: Vec<char> = ('a'..='z').chain('A'..='Z').collect();
        for (pattern, expected) in [
            ("x[0]", "a"),
            ("x[1]", "b"),
            ("x[2:3]", "cd"),
            ("x[0:0]", "a"),
            ("x[-1]", "Z"),
            ("x[-2]", "Y"),
            ("x[48:]", "WXYZ"),
            ("x[50:99]", "YZ"),
            ("x[52]", ""),
            ("x[-53]", ""),
            ("x[3:2]", ""),
            ("x[99:]", ""),
        ] {
            let (name, subscript) = split_subscript(pattern);
            assert_eq!(name, "x");
            assert_eq!(
                subscript.unwrap().apply(&letters).iter().collect::<String>(),
                expected,
                "{pattern}"
            );
        }
    }

    #[test]
    fn other_brackets_are_part_of_the_name() {
        for name in [
            "~rpi[0]",
            "rpi4[0-2]",
            "rpi[ab]",
            "[0]",
            "x[-1:2]",
            "x[99999999999999999999]",
            "x[0:1:2]",
        ] {
            assert_eq!(split_subscript(name), (name, None));
        }
    }

    #[test]
    fn refuses_a_pattern_with_holes() {
        let refused = |pattern| shows(&fails(parts(pattern)));
        insta::assert_snapshot!([" ", ":", "a:!", "a[0", "a]"].map(refused).join("\n"), @"
        the pattern is empty
        hint: `all` means every host.
        the pattern is empty
        hint: `all` means every host.
        nothing follows the `!` in the pattern `a:!`
        a `[` in the pattern `a[0` is not closed
        a `]` in the pattern `a]` has no `[`
        ");
    }
}
