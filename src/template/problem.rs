//! What went wrong in a template, in the words of the user.

use std::ops::Range;
use std::path::PathBuf;

use minijinja::{ErrorKind as Kind, Value};

use super::filters;
use super::secret::Ledger;
use crate::error::{Error, ErrorKind, Site};
use crate::suggest::did_you_mean;

/// The template that was rendered.
pub struct Place<'a> {
    pub source: &'a str,
    pub name: &'a str,
    /// Lines of the file in front of `source`.
    pub skipped: usize,
    /// Where included templates are found.
    pub directories: &'a [PathBuf],
}

/// The error of a rendering.
pub fn explain(
    problem: &minijinja::Error,
    place: &Place<'_>,
    vars: &Value,
    ledger: &Ledger,
) -> Error {
    let problem = innermost(problem);
    let source = problem.template_source().unwrap_or(place.source);
    let range = problem.range().filter(|range| source.get(range.clone()).is_some());
    let undefined = undefined_name(problem);

    let error = match (&undefined, problem.kind()) {
        (Some(variable), _) => undefined_error(variable, source, vars),
        (None, kind) => other_error(problem, kind, ledger),
    };
    let Some(line) = problem.line() else {
        return error;
    };
    let column = range.map_or(1, |range| {
        let at = undefined.and_then(|variable| place_of(variable, source, &range));
        column(source, at.unwrap_or(range.start))
    });
    error.at(match problem.name() {
        Some(included) if included != place.name => {
            let path = super::locate(place.directories, included);
            let file = path.map_or_else(|| included.to_owned(), |path| path.display().to_string());
            Site { file, line, column }
        }
        _ => Site { file: place.name.to_owned(), line: line + place.skipped, column },
    })
}

/// Includes and blocks wrap the error that matters.
fn innermost(problem: &minijinja::Error) -> &minijinja::Error {
    let mut found = problem;
    while let Some(inner) =
        std::error::Error::source(found).and_then(|inner| inner.downcast_ref::<minijinja::Error>())
    {
        found = inner;
    }
    found
}

/// The expression that was undefined: minijinja ends such messages with "`name` is undefined".
fn undefined_name(problem: &minijinja::Error) -> Option<&str> {
    let detail = problem.detail()?.trim_end_matches(')');
    let detail = detail.strip_suffix("` is undefined")?;
    detail.rsplit_once('`').map(|(_, name)| name)
}

/// Where `variable` stands: the range of an error is often that of the operator or the filter.
fn place_of(variable: &str, source: &str, range: &Range<usize>) -> Option<usize> {
    let line = source[..range.start].rfind('\n').map_or(0, |newline| newline + 1);
    source[line..range.end].rfind(variable).map(|at| line + at)
}

/// Columns count characters, from 1.
fn column(source: &str, at: usize) -> usize {
    let start = source[..at].rfind('\n').map_or(0, |newline| newline + 1);
    source[start..at].chars().count() + 1
}

fn undefined_error(variable: &str, source: &str, vars: &Value) -> Error {
    let error = Error::new(ErrorKind::Template, format!("`{variable}` is undefined"));
    let path: Vec<&str> = variable.split('.').collect();
    let (last, parents) = path.split_last().unwrap_or((&variable, &[]));
    let mut known = vars.clone();
    for parent in parents {
        known = known.get_attr(parent).unwrap_or_default();
    }
    let keys: Vec<String> =
        known.try_iter().into_iter().flatten().map(|key| key.to_string()).collect();
    let candidates = keys.iter().map(String::as_str).filter(|_| is_name(last));
    if let Some(hint) = did_you_mean(last, candidates) {
        return error.hint(hint);
    }
    // Ansible lets `default` and `is defined` look through a missing parent.
    match source.contains(&format!("{variable}.")) {
        true => error.hint(format!(
            "Where `{variable}` may be missing, write `({variable} | default({{}}))` for it."
        )),
        false => error,
    }
}

/// Whether this is a name, not `list[9]`.
fn is_name(text: &str) -> bool {
    text.chars().all(|c| c.is_alphanumeric() || c == '_')
}

fn other_error(problem: &minijinja::Error, kind: Kind, ledger: &Ledger) -> Error {
    let detail = ledger.mask(problem.detail().unwrap_or_default());
    let word = detail.split(' ').find(|word| !matches!(*word, "filter" | "test"));
    let word = word.unwrap_or_default();
    let new = |message: String| Error::new(ErrorKind::Template, message);
    let suggest = |error: Error, names: &str| match did_you_mean(word, names.split_whitespace()) {
        Some(hint) => error.hint(hint),
        None => error,
    };
    match kind {
        Kind::SyntaxError => new(format!("syntax error: {detail}")),
        Kind::UnknownFilter => suggest(new(format!("there is no filter `{word}`")), filters::NAMES),
        Kind::UnknownTest => suggest(new(format!("there is no test `{word}`")), filters::TESTS),
        Kind::UnknownFunction => new(format!("there is no function `{word}`")),
        _ if detail.contains("% operator on unsupported types string") => {
            new(detail).hint("Write `'…' | format(…)` instead.")
        }
        Kind::UndefinedError => new("a value here is undefined".into()),
        _ if detail.is_empty() => new(kind.to_string()),
        _ => new(detail),
    }
}
