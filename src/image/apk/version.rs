//! Alpine's version numbers and their order. Source: apk-tools 3.0, `doc/apk-package.5.scd`, "version".

use std::cmp::Ordering;
use std::fmt;

use crate::error::{Error, ErrorKind, Result};

/// A version such as `1.2.3b_rc4~a1b2c3-r5`: numbers, a letter, suffixes, a commit, the revision of the package.
///
/// Equal means spelled alike; [`Version::compare`] tells which is newer, and calls some spellings (`1` and `01`) the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Version(Box<str>);

/// The words that may stand behind `_`, in their order. Those before `NO_SUFFIX` are older than no suffix at all.
const SUFFIXES: [&str; 9] = ["alpha", "beta", "pre", "rc", "cvs", "svn", "git", "hg", "p"];
const NO_SUFFIX: usize = 4;

/// A piece of a version. What follows in this list may follow in a version, and of two versions that are alike up to
/// here the one whose next piece comes earlier in this list is newer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part<'a> {
    First(&'a str),
    Number(&'a str),
    Letter(u8),
    /// An index into [`SUFFIXES`].
    Suffix(usize),
    SuffixNumber(&'a str),
    Commit(&'a str),
    Revision(&'a str),
    End,
}

impl Version {
    /// Reads a version.
    ///
    /// # Errors
    /// When it is none, with the piece that is wrong.
    pub fn parse(text: &str) -> Result<Self> {
        let mut parts = Parts::of(text);
        loop {
            match parts.next() {
                Some(Part::End) => return Ok(Self(text.into())),
                Some(_) => {}
                None => return Err(not_a_version(text, parts.rest)),
            }
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Which of the two is newer.
    pub fn compare(&self, other: &Self) -> Ordering {
        compare(&self.0, &other.0, false)
    }

    /// As [`Version::compare`], but equal if `prefix` is where this version begins: `1.2.3-r4` for `1.2`.
    pub fn compare_to_prefix(&self, prefix: &Self) -> Ordering {
        compare(&self.0, &prefix.0, true)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn compare(a: &str, b: &str, prefix: bool) -> Ordering {
    let (mut left, mut right) = (Parts::of(a), Parts::of(b));
    loop {
        // Parsed versions have no bad piece; an end stands for it.
        let a = left.next().unwrap_or(Part::End);
        let b = right.next().unwrap_or(Part::End);
        if a.rank() != b.rank() {
            return if prefix && b == Part::End { Ordering::Equal } else { a.compare_kind(b) };
        }
        let order = a.compare_value(b);
        if order != Ordering::Equal || a == Part::End {
            return order;
        }
    }
}

impl<'a> Part<'a> {
    fn rank(self) -> u8 {
        match self {
            Self::First(_) => 0,
            Self::Number(_) => 1,
            Self::Letter(_) => 2,
            Self::Suffix(_) => 3,
            Self::SuffixNumber(_) => 4,
            Self::Commit(_) => 5,
            Self::Revision(_) => 6,
            Self::End => 7,
        }
    }

    fn may_follow(self, last: Self) -> bool {
        match (last, self) {
            (Self::Number(_), Self::Number(_)) => true,
            // A suffix may follow a suffix, with or without its number.
            (Self::Suffix(_) | Self::SuffixNumber(_), Self::Suffix(_)) => true,
            _ => last.rank() < self.rank(),
        }
    }

    fn is_before_release(self) -> bool {
        matches!(self, Self::Suffix(suffix) if suffix < NO_SUFFIX)
    }

    /// The order of two pieces of different kinds: to go on makes newer, but for `_alpha` and the like.
    fn compare_kind(self, other: Self) -> Ordering {
        other
            .is_before_release()
            .cmp(&self.is_before_release())
            .then_with(|| other.rank().cmp(&self.rank()))
    }

    /// The order of two pieces of the same kind.
    fn compare_value(self, other: Self) -> Ordering {
        match (self, other) {
            // Digits behind a zero are a fraction.
            (Self::Number(a), Self::Number(b)) if a.starts_with('0') || b.starts_with('0') => {
                a.cmp(b)
            }
            (Self::First(a), Self::First(b))
            | (Self::Number(a), Self::Number(b))
            | (Self::SuffixNumber(a), Self::SuffixNumber(b))
            | (Self::Revision(a), Self::Revision(b)) => compare_numbers(a, b),
            (Self::Letter(a), Self::Letter(b)) => a.cmp(&b),
            (Self::Suffix(a), Self::Suffix(b)) => a.cmp(&b),
            (Self::Commit(a), Self::Commit(b)) => a.cmp(b),
            _ => Ordering::Equal,
        }
    }
}

/// Compares digits of any length.
fn compare_numbers(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

/// Takes a version apart, from the front. Ends with `None` at the first piece that cannot be there.
struct Parts<'a> {
    rest: &'a str,
    last: Option<Part<'a>>,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Self {
        Self { rest: text, last: None }
    }

    fn next(&mut self) -> Option<Part<'a>> {
        let rest = self.rest;
        let part = match self.last {
            None => self.take_digits().map(Part::First),
            Some(last) => self.next_after(last).filter(|part| part.may_follow(last)),
        };
        match part {
            Some(_) => self.last = part,
            None => self.rest = rest,
        }
        part
    }

    fn next_after(&mut self, last: Part<'a>) -> Option<Part<'a>> {
        let Some(first) = self.rest.bytes().next() else { return Some(Part::End) };
        match first {
            b'a'..=b'z' => {
                self.rest = &self.rest[1..];
                Some(Part::Letter(first))
            }
            b'.' => {
                self.rest = &self.rest[1..];
                self.take_digits().map(Part::Number)
            }
            b'0'..=b'9' if matches!(last, Part::Suffix(_)) => {
                self.take_digits().map(Part::SuffixNumber)
            }
            b'_' => {
                let word = self.take_after("_", |byte| byte.is_ascii_lowercase())?;
                SUFFIXES.iter().position(|suffix| *suffix == word).map(Part::Suffix)
            }
            b'~' => {
                let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
                self.take_after("~", hex).filter(|hash| !hash.is_empty()).map(Part::Commit)
            }
            b'-' => self
                .take_after("-r", |byte| byte.is_ascii_digit())
                .filter(|digits| !digits.is_empty())
                .map(Part::Revision),
            _ => None,
        }
    }

    fn take_digits(&mut self) -> Option<&'a str> {
        self.take_after("", |byte| byte.is_ascii_digit()).filter(|digits| !digits.is_empty())
    }

    /// What follows `prefix` as long as it is `wanted`.
    fn take_after(&mut self, prefix: &str, wanted: impl Fn(u8) -> bool) -> Option<&'a str> {
        let rest = self.rest.strip_prefix(prefix)?;
        let end = rest.bytes().position(|byte| !wanted(byte)).unwrap_or(rest.len());
        let (taken, rest) = rest.split_at(end);
        self.rest = rest;
        Some(taken)
    }
}

fn not_a_version(text: &str, rest: &str) -> Error {
    let what = match rest {
        "" => "it is empty".to_owned(),
        rest => format!("`{rest}` cannot stand there"),
    };
    Error::new(ErrorKind::Image, format!("`{text}` is not a version: {what}"))
        .hint("A version looks like 1.2.3, 1.2.3-r4 or 1.2.3_rc1-r0.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn version(text: &str) -> Version {
        Version::parse(text).unwrap()
    }

    #[test]
    fn orders_as_alpine_does() {
        let oldest_first = [
            "0.1",
            "0.1.0_alpha",
            "0.1.0_alpha1",
            "0.1.0_beta",
            "0.1.0_pre2",
            "0.1.0_rc1",
            "0.1.0_rc1_p1",
            "0.1.0",
            "0.1.0-r0",
            "0.1.0-r1",
            "0.1.0-r10",
            "0.1.0~0ab",
            "0.1.0_cvs",
            "0.1.0_svn3",
            "0.1.0_git20200101",
            "0.1.0_hg",
            "0.1.0_p",
            "0.1.0_p1",
            "0.1.0a",
            "0.1.0b",
            "0.1.01",
            "0.1.1",
            "0.1.9",
            "0.1.10",
            "1",
            "1.0",
            "2",
            "10",
        ];
        for (at, older) in oldest_first.iter().enumerate() {
            for newer in &oldest_first[at + 1..] {
                let order = version(older).compare(&version(newer));
                assert_eq!(order, Ordering::Less, "{older} < {newer}");
            }
        }
    }

    #[test]
    fn a_prefix_matches_what_it_begins() {
        for whole in ["1.2", "1.2-r3", "1.2.7_rc1", "1.2a"] {
            let order = version(whole).compare_to_prefix(&version("1.2"));
            assert_eq!(order, Ordering::Equal, "{whole}");
        }
        assert_eq!(version("1.20").compare_to_prefix(&version("1.2")), Ordering::Greater);
        assert_eq!(version("1").compare_to_prefix(&version("1.2")), Ordering::Less);
    }

    #[test]
    fn says_what_is_wrong_with_a_version() {
        let message = |text| Version::parse(text).unwrap_err().message().to_owned();
        insta::assert_snapshot!(message(""), @"`` is not a version: it is empty");
        insta::assert_snapshot!(message("1."), @"`1.` is not a version: `.` cannot stand there");
        insta::assert_snapshot!(message("1.0_new"), @"`1.0_new` is not a version: `_new` cannot stand there");
        insta::assert_snapshot!(message("1a2"), @"`1a2` is not a version: `2` cannot stand there");
        insta::assert_snapshot!(message("v1"), @"`v1` is not a version: `v1` cannot stand there");
        for text in ["1.0-r", "1.0-1", "1.0~", "1.0~XY", "1-r1-r2", "1 ", "1_p1.2", "1ab", "1~a~b"]
        {
            assert!(Version::parse(text).is_err(), "{text}");
        }
    }

    /// Versions that are near to each other, so that all rules are met.
    fn some_version() -> impl Strategy<Value = Version> {
        let digits = "0|[1-3]|0[0-2]|1[0-2]";
        let suffix = "_(alpha|beta|pre|rc|cvs|svn|git|hg|p)[0-2]?";
        let text =
            format!("({digits})(\\.({digits})){{0,2}}[ab]?({suffix}){{0,2}}(~[0a])?(-r(0|1|01))?");
        proptest::string::string_regex(&text).unwrap().prop_map(|text| version(&text))
    }

    proptest! {
        #[test]
        fn the_order_is_total(a in some_version(), b in some_version(), c in some_version()) {
            prop_assert_eq!(a.compare(&a), Ordering::Equal);
            prop_assert_eq!(a.compare(&b), b.compare(&a).reverse());
            if a.compare(&b).is_le() && b.compare(&c).is_le() {
                prop_assert!(a.compare(&c).is_le());
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,12}|[0-9._~a-z-]{0,12}") {
            if let Ok(version) = Version::parse(&text) {
                prop_assert_eq!(version.as_str(), text);
            }
        }
    }
}
