//! Where `import "k3s"` looks: beside the playbook, then in the project's `stdlib/`, then among the
//! files built into pirun. A user's file wins over a built-in one of the same name, and that is said.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rhai::{Engine, EvalAltResult, Module, ModuleResolver, Position, Scope, Shared};

use super::built_in::{libraries, library};
use super::context::{lock, run_of};
use super::convert::{from_script, into_script, site};
use super::engine::parse_error;
use crate::error::{Error, Frame, Result};
use crate::suggest::did_you_mean;

/// An importable file.
#[derive(Debug, Clone)]
pub struct Found {
    /// The real path, or `<stdlib>/k3s.rhai`.
    pub source: String,
    pub text: String,
    /// Whether it stands in for a built-in file.
    pub overrides: bool,
}

/// Finds, compiles and keeps imported files. One for each run.
pub struct Resolver {
    playbook: PathBuf,
    roots: Vec<PathBuf>,
    loaded: Mutex<HashMap<String, Shared<Module>>>,
    told: Mutex<HashSet<String>>,
}

impl Resolver {
    pub fn new(playbook: &Path, project: &Path) -> Self {
        let dir = playbook.parent().map(Path::to_owned).unwrap_or_default();
        Self {
            playbook: playbook.to_owned(),
            roots: vec![dir, project.join("stdlib")],
            loaded: Mutex::default(),
            told: Mutex::default(),
        }
    }

    /// The file that `import "path"` means.
    pub fn find(&self, path: &str) -> Result<Found> {
        if path.starts_with('/')
            || path.starts_with('~')
            || path.split('/').any(|part| part == "..")
        {
            return Err(Error::playbook(format!("`{path}` leaves the playbook's directory")).hint(
                "Imports name a file beside the playbook or in `stdlib/`, without `.rhai`.",
            ));
        }
        let file = format!("{path}.rhai");
        let built_in = library(path);
        for root in &self.roots {
            let candidate = root.join(&file);
            if same_file(&candidate, &self.playbook) {
                // `backup.rhai` may import the `backup` of the standard library.
                continue;
            }
            if let Ok(text) = std::fs::read_to_string(&candidate) {
                let source = candidate.display().to_string();
                return Ok(Found { source, text, overrides: built_in.is_some() });
            }
        }
        match built_in {
            Some(text) => Ok(Found { source: format!("<stdlib>/{file}"), text, overrides: false }),
            None => Err(self.not_found(path)),
        }
    }

    /// Every name that can be imported.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.roots.iter().flat_map(|root| rhai_files(root)).collect();
        names.extend(libraries());
        names.sort();
        names.dedup();
        names
    }

    fn not_found(&self, path: &str) -> Error {
        let error = Error::playbook(format!("there is nothing to import called `{path}`"));
        if let Some(stem) = path.strip_suffix(".rhai") {
            return error.hint(format!("Leave out the ending: `import \"{stem}\"`."));
        }
        let names = self.names();
        match did_you_mean(path, names.iter().map(String::as_str)) {
            Some(hint) => error.hint(hint),
            None => error
                .hint("Looked beside the playbook, in `stdlib/`, and among the built-in files."),
        }
    }

    fn load(&self, engine: &Engine, path: &str) -> Result<Shared<Module>> {
        let found = self.find(path)?;
        if found.overrides
            && lock(&self.told).insert(path.to_owned())
            && let Some(run) = run_of(engine)
        {
            run.remark(format!("using {} instead of the built-in `{path}`", found.source));
        }
        let mut ast = engine
            .compile(&found.text)
            .map_err(|error| parse_error(&found.source, &found.text, &error))?;
        ast.set_source(found.source.as_str());
        Module::eval_ast_as_new(Scope::new(), &ast, engine)
            .map(Into::into)
            .map_err(|error| from_script(engine, Some(&found.source), &error))
    }
}

impl ModuleResolver for Resolver {
    fn resolve(
        &self,
        engine: &Engine,
        source: Option<&str>,
        path: &str,
        position: Position,
    ) -> std::result::Result<Shared<Module>, Box<EvalAltResult>> {
        let here = site(source.unwrap_or_default(), position);
        if let Some(module) = lock(&self.loaded).get(path) {
            return Ok(module.clone());
        }
        let module = match enter(path) {
            Ok(_loading) => self.load(engine, path),
            Err(cycle) => Err(cycle),
        };
        let module = module.map_err(|error| {
            let error = match error.site() {
                None => error.at(here),
                Some(_) => {
                    error.called_from(Frame { call: format!("import \"{path}\""), site: here })
                }
            };
            into_script(error)
        })?;
        lock(&self.loaded).insert(path.to_owned(), module.clone());
        Ok(module)
    }
}

thread_local! {
    /// The imports that this thread is in the middle of, outermost first.
    static LOADING: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Whether this thread runs the top level of an imported file.
pub fn importing() -> Option<String> {
    LOADING.with_borrow(|stack| stack.last().cloned())
}

struct Loading;

impl Drop for Loading {
    fn drop(&mut self) {
        LOADING.with_borrow_mut(Vec::pop);
    }
}

fn enter(path: &str) -> Result<Loading> {
    LOADING.with_borrow_mut(|stack| {
        if let Some(start) = stack.iter().position(|open| open == path) {
            let cycle: Vec<_> = stack[start..].iter().map(String::as_str).chain([path]).collect();
            return Err(Error::playbook(format!("files import each other: {}", cycle.join(" → ")))
                .hint("Move what both need into a third file."));
        }
        stack.push(path.to_owned());
        Ok(Loading)
    })
}

fn rhai_files(dir: &Path) -> Vec<String> {
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".rhai")?.to_owned()))
        .collect()
}

fn same_file(a: &Path, b: &Path) -> bool {
    match (a.canonicalize(), b.canonicalize()) {
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    }
}
