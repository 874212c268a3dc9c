//! `pirun check`: what is wrong with playbooks, found without a network and without running them.

use std::path::{Path, PathBuf};

use clap::Args;

use super::run::{Project, find_playbook, lookup, playbooks};
use crate::error::{Error, Result};
use crate::script::context::{Places, Secrets};
use crate::script::resolver::Resolver;
use crate::script::{engine, lint};
use crate::ui::Ui;
use crate::vault::{ProjectVault, Redactor, Sources};

/// Finds mistakes in playbooks without running them: names, arguments, options, templates, files, secrets.
///
/// Without arguments it checks every playbook of the project and its own `stdlib/`. Nothing is contacted, and no
/// password is needed.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Which playbooks; else all.
    #[arg(value_name = "PLAYBOOK")]
    playbooks: Vec<String>,

    /// Warnings count as errors.
    #[arg(long)]
    strict: bool,
}

/// Runs `pirun check`.
pub fn run(args: &CheckArgs, ui: &Ui) -> Result<()> {
    ui.set_lookup(std::sync::Arc::new(lookup));
    let here = super::here()?;
    let project = Project::around(&here);
    let files = files(args, &here, project.root())?;
    let vault = ProjectVault::new(
        project.root().join(crate::vault::FILE_NAME),
        Sources::default(),
        super::unlock::ask(ui),
        Redactor::new(),
        true,
        None,
    );
    let (mut errors, mut warnings) = (0, 0);
    for file in &files {
        let (wrong, odd) = check(file, project.root(), &vault, ui);
        errors += wrong;
        warnings += odd;
    }
    let checked = count(files.len(), "playbook");
    if errors > 0 || args.strict && warnings > 0 {
        let found = [count(errors, "error"), count(warnings, "warning")].join(", ");
        return Err(Error::playbook(format!("{found} in {checked}")));
    }
    let odd =
        if warnings > 0 { format!(", {}", count(warnings, "warning")) } else { String::new() };
    ui.out(&format!("{checked} checked, no errors{odd}"));
    Ok(())
}

fn files(args: &CheckArgs, here: &Path, project: &Path) -> Result<Vec<PathBuf>> {
    if !args.playbooks.is_empty() {
        return args.playbooks.iter().map(|name| find_playbook(name, here, project)).collect();
    }
    let mut files: Vec<_> = playbooks(here, project)
        .iter()
        .filter_map(|name| find_playbook(name, here, project).ok())
        .collect();
    let library = if project == here { PathBuf::from("stdlib") } else { project.join("stdlib") };
    let own = std::fs::read_dir(&library).into_iter().flatten().flatten();
    files.extend(
        own.map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|end| end == "rhai")),
    );
    if files.is_empty() {
        return Err(
            Error::usage("there are no playbooks here").hint("`pirun new NAME` starts one.")
        );
    }
    Ok(files)
}

/// Shows what is wrong with one file, and counts errors and warnings.
fn check(file: &Path, project: &Path, secrets: &dyn Secrets, ui: &Ui) -> (usize, usize) {
    let engine = engine::bare(Resolver::new(file, project));
    let playbook = match engine::load(&engine, file, &file.display().to_string()) {
        Ok(playbook) => playbook,
        Err(error) => {
            ui.error(&error);
            return (1, 0);
        }
    };
    let places = Places { playbook: file.to_owned(), project: project.to_owned() };
    let resolver = Resolver::new(file, project);
    let known = lint::Known {
        engine: &engine,
        resolver: &resolver,
        places: &places,
        secrets: Some(secrets),
    };
    let findings = lint::lint(&playbook, &known);
    for finding in &findings {
        if finding.is_error() {
            ui.error(&finding.to_error());
        } else {
            ui.note(&warning(finding));
        }
    }
    let errors = findings.iter().filter(|finding| finding.is_error()).count();
    (errors, findings.len() - errors)
}

fn warning(finding: &lint::Finding) -> String {
    let mut text = format!("warning: {}: {} [{}]", finding.site, finding.message, finding.code);
    for hint in &finding.hints {
        text.push_str("\n  hint: ");
        text.push_str(hint);
    }
    text
}

fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}
