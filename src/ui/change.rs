//! A change in the words of the output.

use super::block::{Block, Mark};
use super::paint::{count, width};
use crate::diff::{self, Kind};
use crate::report::{Line, Tone};
use crate::state::{Aspect, Change};
use crate::units::size;
use crate::visible::visible;

/// Differences of properties stand on the line itself up to this width, else below it.
const WIDEST_REMARK: usize = 48;

/// The block of a change; `diffs`: with the differences of contents below it.
pub fn block(change: &Change, dry_run: bool, diffs: bool) -> Block {
    let text = visible(&format!("{} {}", change.verb, change.subject)).replace('\n', "\\n");
    if change.declined {
        return Block::new(Mark::Step, &format!("skipped: {}", text.trim_end()));
    }
    let (inline, mut body) = remark(change, dry_run);
    if diffs {
        body.extend(change.aspects.iter().flat_map(content));
    }
    Block { mark: mark(change), text: text.trim_end().to_owned(), remark: inline, body }
}

fn mark(change: &Change) -> Mark {
    let has = |aspect| change.aspects.contains(&aspect);
    match (has(Aspect::Created), has(Aspect::Removed)) {
        (true, false) => Mark::Created,
        (false, true) => Mark::Removed,
        _ if change.changed() => Mark::Changed,
        _ => Mark::Same,
    }
}

/// The end of the line, and what was too wide for it.
fn remark(change: &Change, dry_run: bool) -> (String, Vec<Line>) {
    let said = change.remark.as_deref().unwrap_or_default();
    let attributes: Vec<String> =
        change.aspects.iter().filter_map(|aspect| attribute(aspect, said)).collect();
    let mut pieces: Vec<String> = actions(change, dry_run).into_iter().collect();
    // `0600 root:root` says nothing new beside `mode 0644 → 0600`.
    if !said.is_empty() && !repeats(change, said) {
        pieces.push(visible(said).into_owned());
    }
    let together = [pieces.as_slice(), attributes.as_slice()].concat().join(", ");
    match width(&together) <= WIDEST_REMARK {
        true => (together, Vec::new()),
        false => {
            let below = attributes.iter().map(|text| Line::new(Tone::Plain, text)).collect();
            (pieces.join(", "), below)
        }
    }
}

fn actions(change: &Change, dry_run: bool) -> Option<String> {
    let words: Vec<&str> = change
        .aspects
        .iter()
        .filter_map(|aspect| match aspect {
            Aspect::Action { action } if dry_run => Some(action.present()),
            Aspect::Action { action } => Some(action.past()),
            _ => None,
        })
        .collect();
    let would = if dry_run { "would " } else { "" };
    (!words.is_empty()).then(|| format!("{would}{}", words.join(", ")))
}

/// `mode 0644 → 0600`; of a new thing `mode 0600`, unless the remark says it already.
fn attribute(aspect: &Aspect, said: &str) -> Option<String> {
    let Aspect::Attribute { name, before, after } = aspect else {
        return None;
    };
    let text = match before {
        Some(before) => format!("{name} {before} → {after}"),
        None if said.contains(after.as_str()) => return None,
        None => format!("{name} {after}"),
    };
    Some(visible(&text).replace('\n', "\\n"))
}

fn repeats(change: &Change, said: &str) -> bool {
    change.aspects.iter().any(|aspect| {
        matches!(aspect, Aspect::Attribute { before: Some(_), after, .. } if said.contains(after.as_str()))
    })
}

/// What is shown of a difference in content.
fn content(aspect: &Aspect) -> Vec<Line> {
    match aspect {
        Aspect::Text { before, after } if before != after => text(before, after),
        Aspect::Patch { text } => patch(text),
        Aspect::Binary { before, after } => {
            let sizes = format!("binary content, {} → {}", size(*before), size(*after));
            vec![Line::new(Tone::Dim, &sizes)]
        }
        Aspect::Secret { lines } => vec![secret(*lines)],
        _ => Vec::new(),
    }
}

fn secret(lines: usize) -> Line {
    let s = if lines == 1 { "s" } else { "" };
    Line::new(Tone::Dim, &format!("secret content, {} differ{s}", count(lines, "line")))
}

fn patch(text: &str) -> Vec<Line> {
    let tone = |line: &str| match line.as_bytes().first() {
        Some(b'@') => Tone::Hunk,
        Some(b'+') => Tone::Added,
        Some(b'-') => Tone::Removed,
        _ => Tone::Plain,
    };
    text.lines().map(|line| Line::new(tone(line), &visible(line))).collect()
}

fn text(before: &str, after: &str) -> Vec<Line> {
    let tone = |kind| match kind {
        Kind::Hunk => Tone::Hunk,
        Kind::Context => Tone::Plain,
        Kind::Removed => Tone::Removed,
        Kind::Added => Tone::Added,
        Kind::Note => Tone::Dim,
    };
    diff::unified(before, after)
        .into_iter()
        .map(|line| Line { tone: tone(line.kind), text: line.text })
        .collect()
}
