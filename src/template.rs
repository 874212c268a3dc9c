//! Templates that render byte for byte as Ansible's `template` module renders them.
//!
//! The engine is minijinja with the whitespace rules, the filters, the tests and the methods that
//! Ansible's users know; golden files made by ansible-core (`tests/templates/`) keep it honest.
//! Undefined variables are errors. Values are never rendered themselves: `{{` in a value stays.
//!
//! Secrets come in as [`secret`] values. Looking one up opens it, and [`Rendered::secrets`] tells
//! which ones were opened, so that nobody shows the text by accident.

mod filters;
mod formats;
mod lists;
mod methods;
mod problem;
mod python;
mod regexes;
mod secret;
mod tests_of_values;
mod text;
mod yaml;

use std::path::{Path, PathBuf};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::ValueKind;
use minijinja::{Environment, Output, State, UndefinedBehavior, Value};

use self::problem::Place;
use self::secret::Ledger;
pub use self::secret::secret;
use crate::error::{Error, ErrorKind, Result, Site};
use crate::suggest::did_you_mean;

/// Renders templates of some directories.
#[derive(Debug, Clone)]
pub struct Templates {
    directories: Vec<PathBuf>,
    environment: Environment<'static>,
}

/// What a template became.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    pub text: String,
    /// Names of the secrets that were looked at on the way. If there are any, `text` is secret too.
    pub secrets: Vec<String>,
}

impl Templates {
    /// Templates that are looked for in `directories`, in this order.
    pub fn new(directories: impl IntoIterator<Item = impl Into<PathBuf>>) -> Self {
        let directories: Vec<PathBuf> = directories.into_iter().map(Into::into).collect();
        let environment = environment(directories.clone());
        Self { directories, environment }
    }

    /// Renders the template called `name`: a path, or a name in one of the directories.
    ///
    /// `vars` is a map. An error names the template, the line, the column and the variable.
    pub fn render(&self, name: &str, vars: &Value) -> Result<Rendered> {
        let path = self.find(name)?;
        let source = read(&path)?;
        self.render_str(&path.display().to_string(), &source, vars)
    }

    /// Renders a text; `name` is how errors call it.
    pub fn render_str(&self, name: &str, source: &str, vars: &Value) -> Result<Rendered> {
        let source = normalize(source);
        let (header, body) = split_header(&source);
        let mut changed;
        let environment = match header {
            Some(header) => {
                changed = self.environment.clone();
                apply(header, &mut changed).map_err(|error| error.at(first_line(name)))?;
                &changed
            }
            None => &self.environment,
        };
        let ledger = Ledger::default();
        let context = secret::watch(vars.clone(), &ledger);
        let skipped = usize::from(header.is_some());
        match environment.render_named_str(name, body, context) {
            Ok(text) => Ok(Rendered { text: end_like(body, text), secrets: ledger.opened() }),
            Err(problem) => {
                let place = Place { source: body, name, skipped, directories: &self.directories };
                Err(problem::explain(&problem, &place, vars, &ledger))
            }
        }
    }

    /// The file of a template.
    pub fn find(&self, name: &str) -> Result<PathBuf> {
        locate(&self.directories, name).ok_or_else(|| self.missing(name))
    }

    fn missing(&self, name: &str) -> Error {
        let error = Error::new(ErrorKind::Template, format!("there is no template `{name}`"));
        let known = self.directories.iter().flat_map(|directory| names_in(directory));
        let known: Vec<String> = known.collect();
        let error = match did_you_mean(name, known.iter().map(String::as_str)) {
            Some(hint) => error.hint(hint),
            None => error,
        };
        let searched: Vec<String> =
            self.directories.iter().map(|path| format!("`{}`", path.display())).collect();
        match searched.is_empty() {
            true => error,
            false => error.hint(format!("Templates are looked for in {}.", searched.join(", "))),
        }
    }
}

/// The whitespace rules of Ansible's `template` module.
fn ansible_syntax() -> SyntaxConfig {
    // Only delimiters that collide make this fail, and these are Jinja's own.
    SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(false)
        // Not kept, so that an included text ends where its words end; see `end_like`.
        .keep_trailing_newline(false)
        .build()
        .unwrap_or_default()
}

fn environment(directories: Vec<PathBuf>) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_syntax(ansible_syntax());
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_formatter(write_value);
    // Errors know the name of the undefined variable only with this.
    environment.set_debug(true);
    environment.set_unknown_method_callback(methods::call);
    environment.set_loader(move |name| match locate(&directories, name) {
        Some(path) => match std::fs::read_to_string(&path) {
            Ok(source) => Ok(Some(normalize(&source))),
            Err(source) => Err(minijinja::Error::new(
                minijinja::ErrorKind::TemplateNotFound,
                format!("{}: {source}", path.display()),
            )),
        },
        None => Ok(None),
    });
    filters::register(&mut environment);
    tests_of_values::register(&mut environment);
    environment
}

/// Prints a value as Ansible does: nothing for `None`, the rest as Python.
fn write_value(
    output: &mut Output,
    state: &mut State,
    value: &Value,
) -> std::result::Result<(), minijinja::Error> {
    match value.kind() {
        ValueKind::None => Ok(()),
        ValueKind::Number | ValueKind::Seq | ValueKind::Map => {
            text::defined(value)?;
            output.write_str(&python::text(value)).map_err(minijinja::Error::from)
        }
        _ => minijinja::escape_formatter(output, state, value),
    }
}

fn locate(directories: &[PathBuf], name: &str) -> Option<PathBuf> {
    let direct = Path::new(name);
    if direct.is_absolute() {
        return direct.is_file().then(|| direct.to_owned());
    }
    directories.iter().map(|directory| directory.join(name)).find(|path| path.is_file())
}

fn names_in(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

fn read(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).map_err(|source| Error::io(path, &source))?;
    String::from_utf8(bytes).map_err(|_| {
        Error::new(ErrorKind::Template, format!("{} is not UTF-8 text", path.display()))
            .hint("Content that is not text goes to a node with `host.file` and `source`.")
    })
}

/// `text` with at least as many line ends at its end as `source` has. Jinja drops one of them, and so
/// it is Ansible's rule, not Jinja's, how a rendered file ends.
fn end_like(source: &str, mut text: String) -> String {
    // Where no expression printed anything, Ansible has no text that could end somehow.
    if text.is_empty() && !source.contains("{{") {
        return text;
    }
    let count = |text: &str| text.len() - text.trim_end_matches('\n').len();
    let missing = count(source).saturating_sub(count(&text));
    text.push_str(&"\n".repeat(missing));
    text
}

/// Line ends as Jinja normalizes them.
fn normalize(source: &str) -> String {
    source.replace("\r\n", "\n").replace('\r', "\n")
}

/// Ansible lets the first line of a template change its rules: `#jinja2: lstrip_blocks: True`.
fn split_header(source: &str) -> (Option<&str>, &str) {
    let Some(rest) = source.strip_prefix("#jinja2:") else {
        return (None, source);
    };
    let (header, body) = rest.split_once('\n').unwrap_or((rest, ""));
    (Some(header), body)
}

fn apply(header: &str, environment: &mut Environment<'static>) -> Result<()> {
    let mut syntax = environment.syntax().to_builder();
    for pair in header.split(',') {
        let (key, value) = pair.split_once(':').unwrap_or((pair, ""));
        let on = match value.trim() {
            "True" | "true" => true,
            "False" | "false" => false,
            other => return Err(header_problem(format!("`{other}` is neither True nor False"))),
        };
        match key.trim() {
            "trim_blocks" => syntax.trim_blocks(on),
            "lstrip_blocks" => syntax.lstrip_blocks(on),
            "keep_trailing_newline" => syntax.keep_trailing_newline(on),
            other => return Err(header_problem(format!("unknown rule `{other}`"))),
        };
    }
    environment.set_syntax(syntax.build().unwrap_or_default());
    Ok(())
}

fn header_problem(what: String) -> Error {
    Error::new(ErrorKind::Template, format!("{what} in the `#jinja2:` line"))
        .hint("It can set trim_blocks, lstrip_blocks and keep_trailing_newline.")
}

fn first_line(name: &str) -> Site {
    Site { file: name.to_owned(), line: 1, column: 1 }
}

#[cfg(test)]
#[path = "template/tests.rs"]
mod tests;
