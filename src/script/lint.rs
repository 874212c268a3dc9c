//! What can be said about a playbook without running it.
//!
//! One file a family of rules; each rule has a code. An error would certainly fail at run time, or does
//! certainly not do what it says; a warning is probably a mistake.

mod closures;
mod files;
mod habits;
mod names;
mod option_maps;
mod tree;

use rhai::{Engine, Position};

use super::context::{Places, Secrets};
use super::convert::site;
use super::engine::Playbook;
use super::params;
use super::resolver::Resolver;
use crate::error::{Error, Site};
use tree::Script;

/// What the lint may ask.
pub struct Known<'a> {
    /// Knows all bindings.
    pub engine: &'a Engine,
    pub resolver: &'a Resolver,
    pub places: &'a Places,
    /// For the names of secrets; no password is needed.
    pub secrets: Option<&'a dyn Secrets>,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Error,
    Warning,
}

/// One thing that is wrong with a playbook.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Names the rule: `unknown-function`.
    pub code: &'static str,
    pub severity: Severity,
    pub site: Site,
    pub message: String,
    pub hints: Vec<String>,
}

impl Finding {
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// The finding as an error, for the same rendering.
    pub fn to_error(&self) -> Error {
        let error =
            Error::playbook(format!("{} [{}]", self.message, self.code)).at(self.site.clone());
        self.hints.iter().fold(error, |error, hint| error.hint(hint))
    }
}

/// Everything that the rules find in `playbook`, in the order of the file.
pub fn lint(playbook: &Playbook, known: &Known) -> Vec<Finding> {
    let script = Script::new(playbook, known);
    let mut report = Report { source: &playbook.source, findings: Vec::new() };
    for problem in params::declared(&playbook.ast).1 {
        report.add_error(Severity::Error, "parameter", problem.position, &problem.error);
    }
    names::imports(&script, &mut report);
    names::shadows(&script, &mut report);
    closures::check(&script, &mut report);
    script.visit(&mut |node| {
        names::check(&script, node, &mut report);
        option_maps::check(&script, node, &mut report);
        files::check(&script, node, &mut report);
        habits::check(&script, node, &mut report);
    });
    let mut findings = report.findings;
    findings.sort_by_key(|finding| (finding.site.line, finding.site.column));
    findings.dedup_by(|a, b| a.code == b.code && a.site == b.site);
    findings
}

/// Collects findings.
struct Report<'a> {
    source: &'a str,
    findings: Vec<Finding>,
}

impl Report<'_> {
    fn add(
        &mut self,
        severity: Severity,
        code: &'static str,
        position: Position,
        message: String,
    ) -> &mut Finding {
        let site = site(self.source, position);
        self.findings.push(Finding { code, severity, site, message, hints: Vec::new() });
        let last = self.findings.len() - 1;
        &mut self.findings[last]
    }

    fn error(
        &mut self,
        code: &'static str,
        position: Position,
        message: impl Into<String>,
    ) -> &mut Finding {
        self.add(Severity::Error, code, position, message.into())
    }

    fn warning(
        &mut self,
        code: &'static str,
        position: Position,
        message: impl Into<String>,
    ) -> &mut Finding {
        self.add(Severity::Warning, code, position, message.into())
    }

    fn add_error(
        &mut self,
        severity: Severity,
        code: &'static str,
        position: Position,
        error: &Error,
    ) {
        let finding = self.add(severity, code, position, error.message().to_owned());
        finding.hints = error.hints().to_vec();
    }
}

impl Finding {
    fn hint(&mut self, hint: impl Into<String>) -> &mut Self {
        self.hints.push(hint.into());
        self
    }

    fn hint_if(&mut self, hint: Option<String>) -> &mut Self {
        self.hints.extend(hint);
        self
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::script::testing::{Stage, repository};

    fn findings(stage: &Stage, text: &str) -> String {
        let run = stage.run_context();
        let engine = crate::script::engine::for_run(&run);
        let playbook = match crate::script::engine::parse(&engine, text.to_owned(), "play.rhai") {
            Ok(playbook) => playbook,
            Err(error) => return format!("{}\n", crate::script::testing::render(&error)),
        };
        let resolver = Resolver::new(&run.places().playbook, &run.places().project);
        let known = Known {
            engine: &engine,
            resolver: &resolver,
            places: run.places(),
            secrets: Some(run.secrets()),
        };
        let mut out = String::new();
        for finding in lint(&playbook, &known) {
            let severity = if finding.is_error() { "error" } else { "warning" };
            let (line, column) = (finding.site.line, finding.site.column);
            let _ =
                writeln!(out, "{line}:{column} {severity} [{}] {}", finding.code, finding.message);
            for hint in &finding.hints {
                let _ = writeln!(out, "    hint: {hint}");
            }
        }
        out
    }

    fn stage() -> Stage {
        let stage = Stage::default()
            .file(
                "lib.rhai",
                "fn restart(host) { 1 }\nprivate fn hidden() { 2 }\nexport const SIZE = 1;\n",
            )
            .file("templates/there.j2", "x")
            .file("files/there.conf", "x");
        Secrets::set(&*stage.secrets, "k3s_token", crate::vault::SecretValue::text("x")).unwrap();
        stage
    }

    /// `PIRUN_GOLDEN=write cargo test` writes them anew.
    #[test]
    fn every_rule_finds_what_its_golden_file_says() {
        let dir = repository().join("src/script/lint/golden");
        let mut seen = 0;
        for entry in std::fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|ending| ending != "rhai") {
                continue;
            }
            let found = findings(&stage(), &std::fs::read_to_string(&path).unwrap());
            let golden = path.with_extension("golden");
            if std::env::var_os("PIRUN_GOLDEN").is_some() {
                std::fs::write(&golden, &found).unwrap();
            }
            let expected = std::fs::read_to_string(&golden).unwrap_or_default();
            assert_eq!(found, expected, "{}", path.display());
            seen += 1;
        }
        assert!(seen >= 7, "golden files are missing");
    }

    #[test]
    fn the_shipped_playbooks_and_libraries_are_clean() {
        let root = repository();
        for dir in ["playbooks", "stdlib"] {
            for entry in std::fs::read_dir(root.join(dir)).unwrap() {
                let path = entry.unwrap().path();
                if path.extension().is_none_or(|ending| ending != "rhai") {
                    continue;
                }
                let places = Places { playbook: path.clone(), project: root.clone() };
                let engine = crate::script::engine::bare(Resolver::new(&path, &root));
                let playbook = crate::script::engine::load(&engine, &path, "x").unwrap();
                let resolver = Resolver::new(&path, &root);
                let known =
                    Known { engine: &engine, resolver: &resolver, places: &places, secrets: None };
                let found: Vec<_> = lint(&playbook, &known)
                    .into_iter()
                    .map(|f| format!("{}:{} {} {}", f.site.line, f.site.column, f.code, f.message))
                    .collect();
                assert!(found.is_empty(), "{}: {found:#?}", path.display());
            }
        }
    }
}
