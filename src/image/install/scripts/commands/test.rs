//! `test` and `[`.

use super::{Call, Failure};
use crate::image::tree::{Entry, Kind};

pub fn brackets(call: &mut Call<'_, '_>) -> Result<i32, Failure> {
    let Some((last, arguments)) = call.arguments.split_last() else { return Err(call.unknown()) };
    if last != "]" {
        return call.complain("missing ]").map(|_| 2);
    }
    evaluate(call, arguments)
}

pub fn test(call: &mut Call<'_, '_>) -> Result<i32, Failure> {
    evaluate(call, call.arguments)
}

fn evaluate(call: &mut Call<'_, '_>, arguments: &[String]) -> Result<i32, Failure> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match any(call, &words)? {
        Some(truth) => Ok(i32::from(!truth)),
        None => Err(call.unknown()),
    }
}

/// Split at `-o`, then at `-a`; `None` for what is not understood.
fn any(call: &Call<'_, '_>, words: &[&str]) -> Result<Option<bool>, Failure> {
    if words.len() <= 4 {
        // So short, POSIX tells by the number of words, and -o may be text.
        return one(call, words);
    }
    let mut truth = false;
    for alternative in words.split(|word| *word == "-o") {
        let mut all = true;
        for term in alternative.split(|word| *word == "-a") {
            let Some(term) = one(call, term)? else { return Ok(None) };
            all &= term;
        }
        truth |= all;
    }
    Ok(Some(truth))
}

fn one(call: &Call<'_, '_>, words: &[&str]) -> Result<Option<bool>, Failure> {
    Ok(match words {
        [] => Some(false),
        [text] => Some(!text.is_empty()),
        ["!", rest @ ..] => one(call, rest)?.map(|truth| !truth),
        [operator, operand] => unary(call, operator, operand)?,
        [left, operator, right] => binary(left, operator, right),
        _ => None,
    })
}

fn unary(call: &Call<'_, '_>, operator: &str, operand: &str) -> Result<Option<bool>, Failure> {
    let at = |path: String| call.shell.tree.get(&path);
    let entry = match operator {
        "-n" => return Ok(Some(!operand.is_empty())),
        "-z" => return Ok(Some(operand.is_empty())),
        // A terminal there is none.
        "-t" => return Ok(Some(false)),
        "-L" | "-h" => at(call.shell.place(operand)?),
        // What is in /dev, /proc, /sys and /run while a system runs is not in a tree.
        _ => at(call.shell.follow(operand)?),
    };
    let is = |test: fn(&Entry) -> bool| Some(entry.is_some_and(test));
    Ok(match operator {
        "-e" => is(|_| true),
        "-L" | "-h" => is(|entry| matches!(entry.kind, Kind::Link(_))),
        "-f" => is(|entry| matches!(entry.kind, Kind::File(_) | Kind::Hard(_))),
        "-d" => is(|entry| entry.kind == Kind::Directory),
        "-c" => is(|entry| matches!(entry.kind, Kind::Character { .. })),
        "-b" => is(|entry| matches!(entry.kind, Kind::Block { .. })),
        "-p" => is(|entry| entry.kind == Kind::Fifo),
        "-S" => Some(false),
        // Scripts run as root, who may read and write all.
        "-r" | "-w" => is(|_| true),
        "-x" => is(|entry| entry.kind == Kind::Directory || entry.mode & 0o111 != 0),
        "-u" => is(|entry| entry.mode & 0o4000 != 0),
        "-g" => is(|entry| entry.mode & 0o2000 != 0),
        "-k" => is(|entry| entry.mode & 0o1000 != 0),
        "-s" => {
            let path = call.shell.follow(operand)?;
            Some(call.shell.tree.content(&path).is_some_and(|content| !content.is_empty()))
        }
        _ => None,
    })
}

fn binary(left: &str, operator: &str, right: &str) -> Option<bool> {
    let numbers = || Some((left.trim().parse::<i64>().ok()?, right.trim().parse::<i64>().ok()?));
    Some(match operator {
        "=" | "==" => left == right,
        "!=" => left != right,
        "-eq" => numbers().map(|(left, right)| left == right)?,
        "-ne" => numbers().map(|(left, right)| left != right)?,
        "-lt" => numbers().map(|(left, right)| left < right)?,
        "-le" => numbers().map(|(left, right)| left <= right)?,
        "-gt" => numbers().map(|(left, right)| left > right)?,
        "-ge" => numbers().map(|(left, right)| left >= right)?,
        "-a" => !left.is_empty() && !right.is_empty(),
        "-o" => !left.is_empty() || !right.is_empty(),
        _ => return None,
    })
}
