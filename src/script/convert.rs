//! Between our errors and Rhai's, both ways, and nowhere else.
//!
//! Rhai's `ErrorSystem` and the errors of its serde support cannot be caught by a playbook's `try`, so
//! every error of ours travels as an `ErrorRuntime` that carries an [`Error`]; a cancelled run travels
//! as `ErrorTerminated`, which nothing can catch.

use rhai::{Dynamic, Engine, EvalAltResult, Map, NativeCallContext, ParseErrorType, Position};

use super::catalog::{Catalog, Kind};
use super::secret::WAYS;
use crate::error::{Error, ErrorKind, Frame, Site};
use crate::suggest::did_you_mean;

/// What natives return.
pub type ScriptResult<T> = Result<T, Box<EvalAltResult>>;

/// `error` with the place of the call, as Rhai wants it.
pub fn raise(ctx: &NativeCallContext, error: Error) -> Box<EvalAltResult> {
    let error = match super::context::current_host() {
        Some(host) => error.on_host(host),
        None => error,
    };
    into_script(error.at(site(ctx.call_source().unwrap_or_default(), ctx.call_position())))
}

/// Adds [`raise`] to results, for `?` in natives.
pub trait OrRaise<T> {
    /// The value, or the error at the place of the call.
    fn or_raise(self, ctx: &NativeCallContext) -> ScriptResult<T>;
}

impl<T> OrRaise<T> for crate::error::Result<T> {
    fn or_raise(self, ctx: &NativeCallContext) -> ScriptResult<T> {
        self.map_err(|error| raise(ctx, error))
    }
}

/// `error` as a playbook's `try` can catch it, unless the run is cancelled.
pub fn into_script(error: Error) -> Box<EvalAltResult> {
    let cancelled = error.kind() == ErrorKind::Cancelled;
    let value = Dynamic::from(error);
    Box::new(if cancelled {
        EvalAltResult::ErrorTerminated(value, Position::NONE)
    } else {
        EvalAltResult::ErrorRuntime(value, Position::NONE)
    })
}

/// The error that a script ended with, with its place and the calls that led there. `source` is the
/// file that the outermost position belongs to.
pub fn from_script(engine: &Engine, source: Option<&str>, error: &EvalAltResult) -> Error {
    unwind(engine, source.unwrap_or_default(), error)
}

/// The value that `catch (e)` got, or any other thrown value, as an error.
pub fn from_caught(value: &Dynamic) -> Error {
    if let Some(error) = value.read_lock::<Error>() {
        return error.clone();
    }
    match value.read_lock::<Map>() {
        Some(map) => from_caught_map(&map),
        None => Error::playbook(value.to_string()),
    }
}

/// The place `position` in `source`.
pub fn site(source: &str, position: Position) -> Site {
    Site {
        file: source.to_owned(),
        line: position.line().unwrap_or(1),
        column: position.position().unwrap_or(1),
    }
}

fn unwind(engine: &Engine, source: &str, error: &EvalAltResult) -> Error {
    let inside = |inner: &str| if inner.is_empty() { source } else { inner }.to_owned();
    match error {
        EvalAltResult::ErrorInFunctionCall(name, inner_source, inner, position) => {
            let error = unwind(engine, &inside(inner_source), inner);
            // A closure stands where it is used: an excerpt or a call in the same file shows that.
            let here = |site: &Site| site.file == source;
            let known = error.site().is_some_and(here) || !error.stack().is_empty();
            if name.starts_with("anon$") && known {
                return error;
            }
            let call = if name.starts_with("anon$") { "closure" } else { name };
            error.called_from(Frame { call: call.to_owned(), site: site(source, *position) })
        }
        EvalAltResult::ErrorInModule(name, inner, position) => {
            let frame = Frame { call: format!("import \"{name}\""), site: site(source, *position) };
            unwind(engine, &inside(name), inner).called_from(frame)
        }
        leaf => {
            let error = explain(engine, leaf);
            if leaf.position().is_none() { error } else { error.at(site(source, leaf.position())) }
        }
    }
}

/// Rhai's own errors in the words of pirun.
fn explain(engine: &Engine, error: &EvalAltResult) -> Error {
    use EvalAltResult as E;
    match error {
        E::ErrorRuntime(value, _) | E::ErrorTerminated(value, _) if value.is::<Error>() => {
            from_caught(value)
        }
        E::ErrorTerminated(..) => Error::cancelled(),
        E::ErrorRuntime(value, _) if value.is_unit() => Error::playbook("the playbook threw an error"),
        E::ErrorRuntime(value, _) => from_caught(value),
        E::ErrorFunctionNotFound(signature, _) => unknown_function(&Catalog::of(engine), signature),
        E::ErrorDotExpr(text, _) => unknown_property(engine, text),
        E::ErrorPropertyNotFound(name, _) => Error::playbook(format!("the map has no `{name}`"))
            .hint("`\"name\" in map` tells whether it is there, and `map.get(\"name\")` gives `()` when it is not."),
        E::ErrorVariableNotFound(name, _) => unknown_variable(name),
        E::ErrorDataRace(..) => Error::playbook("a closure uses the variable whose method is being called")
            .hint("Take it as the closure's parameter: `host.writable(\"/\", |host| …)`."),
        E::ErrorModuleNotFound(name, _) => Error::playbook(format!("there is no module `{name}`"))
            .hint("Files are imported at the top: `import \"k3s\" as k3s;`."),
        E::ErrorStackOverflow(_) => Error::playbook("functions call each other too deeply")
            .hint("64 calls is the limit; is there a recursion without an end?"),
        E::ErrorParsing(problem, _) => syntax_error(problem),
        E::ErrorFor(_) => Error::playbook("`for` needs something with elements")
            .hint("Arrays, ranges, strings and the results of `on` have elements; of a map, use `map.keys()`."),
        E::ErrorIndexingType(text, _) => Error::playbook(format!("no such element access: {}", plain_types(text))),
        E::ErrorMismatchDataType(wanted, found, _) | E::ErrorMismatchOutputType(wanted, found, _) => {
            let (wanted, found) = (plain_types(wanted), plain_types(found));
            Error::playbook(format!("expected {wanted}, found {found}"))
        }
        other => Error::playbook(plain_message(other)),
    }
}

/// The text of any other error of Rhai: without its position, in lower case.
fn plain_message(error: &EvalAltResult) -> String {
    let text = error.to_string();
    let position = format!(" ({})", error.position());
    lower_first(text.strip_suffix(&position).unwrap_or(&text))
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}

/// Rhai says `name (type, type)`.
fn unknown_function(catalog: &Catalog, signature: &str) -> Error {
    let (name, types) = signature.split_once(" (").unwrap_or((signature, ""));
    if name.starts_with("anon$") {
        return Error::playbook("this closure cannot be called here").hint(
            "A closure that a library function returned is gone with it. Return a value instead.",
        );
    }
    let types: Vec<_> = types
        .trim_end_matches(')')
        .split(", ")
        .filter(|typ| !typ.is_empty())
        .map(plain_types)
        .collect();
    let forms: Vec<_> = catalog.forms(name).collect();
    if !name.starts_with(|c: char| c.is_alphabetic() || c == '_') {
        let message = format!("`{name}` does not work on {}", types.join(" and "));
        return Error::playbook(message);
    }
    if forms.is_empty() {
        let word = match types.first() {
            Some(typ) if typ.starts_with(|c: char| c.is_ascii_uppercase()) => {
                format!("`{typ}` has no method")
            }
            _ => "there is no function".to_owned(),
        };
        let error = Error::playbook(format!("{word} `{name}`"));
        return hinted(error, did_you_mean(name, catalog.names()));
    }
    let error = Error::playbook(format!("`{name}` does not take ({})", types.join(", ")));
    let error = if types.iter().any(|typ| typ == "Secret") { error.hint(WAYS) } else { error };
    // Those of the same receiver, where there are such: `host.file` and `root.file` are different words.
    let (same, others): (Vec<_>, Vec<_>) =
        forms.into_iter().partition(|form| form.receiver() == types.first().map(String::as_str));
    let forms = if same.is_empty() { others } else { same };
    forms
        .iter()
        .take(4)
        .fold(error, |error, form| error.hint(format!("It is `{}`.", form.signature())))
}

/// Rhai says `Unknown property 'x' - a getter is not registered for type 'Host'`.
fn unknown_property(engine: &Engine, text: &str) -> Error {
    let mut quoted = text.split('\'').skip(1).step_by(2);
    let (Some(name), Some(typ)) = (quoted.next(), quoted.next()) else {
        return Error::playbook(lower_first(text));
    };
    let (catalog, typ) = (Catalog::of(engine), plain_types(typ));
    if !text.starts_with("Unknown property") {
        return Error::playbook(format!("`{name}` of {typ} cannot be set"));
    }
    let error = Error::playbook(format!("{typ} has no property `{name}`"));
    if catalog.forms(name).any(|form| form.kind == Kind::Function) {
        return error.hint(format!("It is a method: `.{name}(…)`."));
    }
    hinted(error, did_you_mean(name, catalog.properties(&typ)))
}

fn unknown_variable(name: &str) -> Error {
    let error = Error::playbook(format!("there is no variable `{name}`"));
    hinted(error, foreign_word(name))
}

/// Words of other languages.
pub fn foreign_word(name: &str) -> Option<String> {
    let ours = match name {
        "null" | "nil" | "None" | "none" | "undefined" => "`()`",
        "True" => "`true`",
        "False" => "`false`",
        "not" => "`!`",
        "and" => "`&&`",
        "or" => "`||`",
        "elif" | "elsif" => "`else if`",
        "def" | "function" | "func" => "`fn`",
        "var" => "`let`",
        _ => return None,
    };
    Some(format!("In Rhai that is {ours}."))
}

/// What is wrong with a text that does not parse.
pub fn syntax_error(problem: &ParseErrorType) -> Error {
    use ParseErrorType as P;
    match problem {
        P::VariableUndefined(name) if foreign_word(name).is_some() => unknown_variable(name),
        P::VariableUndefined(name) => unknown_variable(name).hint(
            "A `let` at the top is not visible inside `fn`: hand it over as an argument, or make it a `const` and write `global::NAME`.",
        ),
        P::ModuleUndefined(name) => Error::playbook(format!("there is no module `{name}`"))
            .hint(format!("Import it at the top: `import \"{name}\" as {name};`.")),
        P::BadInput(rhai::LexError::ImproperSymbol(word, _)) if word == "eval" => {
            Error::playbook("`eval` is not there in playbooks")
                .hint("It would run text that `pirun check` has not seen.")
        }
        P::Reserved(word) => {
            let error = Error::playbook(format!("`{word}` is a reserved word"));
            hinted(error, foreign_word(word))
        }
        P::WrongDocComment => Error::playbook("`///` may only stand before `fn`")
            .hint("Use `//` here, and `//!` at the top of the file."),
        P::BadInput(rhai::LexError::MalformedEscapeSequence(text)) => {
            Error::playbook(format!("`{text}` is no escape sequence"))
                .hint("A backslash in a text is written twice: \"\\\\d\". In a text between backticks too.")
        }
        P::MissingToken(token, purpose) => Error::playbook(format!("expected `{token}` {purpose}")),
        other => Error::playbook(lower_first(&other.to_string())),
    }
}

/// A map that `catch (e)` got for an error of Rhai's own, or that a playbook threw.
fn from_caught_map(map: &Map) -> Error {
    let text = |key: &str| map.get(key).map(ToString::to_string);
    let number = |key: &str| map.get(key).and_then(|value| value.as_int().ok());
    let message = text("message").unwrap_or_else(|| "the playbook threw a map".to_owned());
    let mut error = Error::playbook(lower_first(&message));
    if let Some(hint) = text("hint") {
        error = error.hint(hint);
    }
    if let (Some(line), Some(file)) = (number("line"), text("source")) {
        let at = |n: i64| usize::try_from(n).unwrap_or(1);
        let column = at(number("position").unwrap_or(1));
        error = error.at(Site { file, line: at(line), column });
    }
    error
}

/// Rhai's names of types in the words of a playbook.
fn plain_types(text: &str) -> String {
    match text {
        "&str | ImmutableString | String" => "string",
        "()" => "`()`",
        "i64" => "int",
        "f64" => "float",
        "Fn" => "closure",
        other => other,
    }
    .to_owned()
}

fn hinted(error: Error, hint: Option<String>) -> Error {
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}
