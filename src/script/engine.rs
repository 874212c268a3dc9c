//! The Rhai engine as playbooks get it.

use std::path::Path;
use std::sync::Arc;

use rhai::{AST, Dynamic, Engine, EvalAltResult, OptimizationLevel, ParseError, Position, Scope};

use super::context::{RunContext, RunTag, current_host};
use super::convert;
use super::resolver::Resolver;
use super::secret::take_leak;
use crate::bindings;
use crate::error::{Error, Result};
use crate::ui::Event;

/// What a host's thread gets. A closure may call 64 functions deep, and debug builds need much room.
pub const STACK_SIZE: usize = 8 * 1024 * 1024;

/// A playbook that parses.
pub struct Playbook {
    /// As shown to the user; positions refer to it.
    pub source: String,
    pub text: String,
    pub ast: AST,
}

/// An engine that knows every binding but belongs to no run: for `check` and `doc`.
pub fn bare(resolver: Resolver) -> Engine {
    let mut engine = Engine::new();
    set_limits(&mut engine);
    bindings::register(&mut engine);
    engine.set_module_resolver(resolver);
    engine
}

/// Makes `engine` work for `run`.
pub fn attach(engine: &mut Engine, run: &Arc<RunContext>) {
    engine.set_default_tag(Dynamic::from(RunTag(run.clone())));
    connect_output(engine, run);
    let cancel = run.cancel().clone();
    engine.on_progress(move |_| {
        if let Some(leak) = take_leak() {
            return Some(Dynamic::from(leak));
        }
        cancel.is_cancelled().then(|| Dynamic::from(Error::cancelled()))
    });
}

/// The engine of a run.
pub fn for_run(run: &Arc<RunContext>) -> Engine {
    let places = run.places();
    let mut engine = bare(Resolver::new(&places.playbook, &places.project));
    attach(&mut engine, run);
    engine
}

/// Reads and parses a playbook. `shown` is its name in messages.
pub fn load(engine: &Engine, path: &Path, shown: &str) -> Result<Playbook> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::io(path, &source))?;
    parse(engine, text, shown)
}

/// Parses the text of a playbook.
pub fn parse(engine: &Engine, text: String, source: &str) -> Result<Playbook> {
    let mut ast = engine.compile(&text).map_err(|error| parse_error(source, &text, &error))?;
    ast.set_source(source);
    Ok(Playbook { source: source.to_owned(), text, ast })
}

/// The error of a text that does not parse, with its place.
pub fn parse_error(source: &str, text: &str, error: &ParseError) -> Error {
    let explained =
        convert::syntax_error(error.err_type()).at(convert::site(source, error.position()));
    // `if a and b`: Rhai only says that it expected something else at `and`.
    let word = word_at(text, error.position());
    match convert::foreign_word(word) {
        Some(hint) if !explained.hints().contains(&hint) => explained.hint(hint),
        _ => explained,
    }
}

/// The word at a place of a text; empty if there is none.
fn word_at(text: &str, position: Position) -> &str {
    let line = position.line().and_then(|line| text.lines().nth(line - 1)).unwrap_or_default();
    let start = line
        .char_indices()
        .nth(position.position().unwrap_or(1) - 1)
        .map_or(line.len(), |(at, _)| at);
    let rest = &line[start..];
    &rest[..rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())]
}

/// Runs a playbook to its end, on a thread with room for deep calls.
pub fn run(engine: &Engine, playbook: &Playbook) -> Result<()> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("playbook".to_owned()).stack_size(STACK_SIZE);
        let running = thread
            .spawn_scoped(scope, || run_here(engine, playbook))
            .map_err(|error| Error::bug(format!("a thread could not be started: {error}")))?;
        running.join().unwrap_or_else(|_| Err(Error::bug("the playbook's thread panicked")))
    })
}

fn run_here(engine: &Engine, playbook: &Playbook) -> Result<()> {
    let result = engine.run_ast_with_scope(&mut Scope::new(), &playbook.ast);
    match result {
        Ok(()) => take_leak().map_or(Ok(()), Err),
        Err(error) if matches!(*error, EvalAltResult::Exit(..)) => Ok(()),
        Err(error) => Err(convert::from_script(engine, Some(&playbook.source), &error)),
    }
}

/// Rhai's defaults depend on the build profile, and its optimiser drops `try` blocks that look pure to it
/// together with the errors that they would have caught.
fn set_limits(engine: &mut Engine) {
    engine
        .set_optimization_level(OptimizationLevel::None)
        .set_strict_variables(true)
        .set_fail_on_invalid_map_property(true)
        .set_max_call_levels(64)
        .set_max_expr_depths(128, 128)
        .set_max_string_size(64 << 20)
        .set_max_array_size(1 << 20)
        .set_max_map_size(1 << 20)
        .set_max_modules(256)
        // It would run text that neither the lint nor a reader has seen.
        .disable_symbol("eval");
}

fn connect_output(engine: &mut Engine, run: &Arc<RunContext>) {
    let to = Arc::downgrade(run);
    engine.on_print(move |text| {
        if let Some(run) = to.upgrade() {
            run.tell(Event::Print { host: current_host(), text: text.to_owned() });
        }
    });
    let to = Arc::downgrade(run);
    engine.on_debug(move |text, source, position| {
        if let Some(run) = to.upgrade() {
            let site = convert::site(source.unwrap_or_default(), position);
            run.remark(format!("{site}: {text}"));
        }
    });
}
