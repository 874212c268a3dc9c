//! `pirun PLAYBOOK.rhai`: runs a playbook.

mod flags;
mod locate;
mod project;
mod signals;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use rhai::Engine;

pub use flags::playbook_command;
pub use locate::{find_playbook, playbooks};
pub use project::Project;

use super::unlock;
use crate::cancel::Cancel;
use crate::error::{Error, ErrorKind, Result};
use crate::inventory::{ExtraVars, Host};
use crate::remote::{SshConfig, SshConnect};
use crate::script::context::{HostState, Places, RunContext, RunOptions, RunParts, Secrets};
use crate::script::engine::{self, Playbook};
use crate::script::params::{self, Declared};
use crate::script::resolver::Resolver;
use crate::script::{built_in, handlers, lint};
use crate::ui::{Event, Recap, Settings, Ui};
use crate::vault::{ProjectVault, Redactor};
use flags::Given;

/// `--assert-unchanged` saw changes.
const CHANGED: u8 = 3;

/// A playbook that is to be run, with the rest of the command line.
pub struct Call {
    name: OsString,
    rest: Vec<OsString>,
}

/// The playbook that the arguments name; `None` if they name a subcommand, or nothing.
pub fn call(args: &[OsString]) -> Option<Call> {
    let index = flags::first_word(args)?;
    let name = args[index].clone();
    let is_command = name.to_str().is_some_and(|name| {
        name == "help" || super::subcommands().iter().any(|command| command == name)
    });
    if is_command {
        return None;
    }
    let rest = args.iter().enumerate().filter(|(i, _)| *i != index).map(|(_, arg)| arg.clone());
    Some(Call { name, rest: rest.collect() })
}

/// Runs it, shows what happens, and gives the exit code.
pub fn main(call: Call) -> ExitCode {
    let early = Ui::default();
    early.set_lookup(Arc::new(lookup));
    match prepare(&call) {
        Ok(prepared) => prepared.run(),
        Err(error) => super::finish(&early, Err(error)),
    }
}

/// Texts that are built into pirun, for excerpts in errors.
pub fn lookup(source: &str) -> Option<String> {
    built_in::library(source.strip_prefix("<stdlib>/")?.strip_suffix(".rhai")?)
}

/// Everything that is known before anything happens.
struct Prepared {
    engine: Engine,
    playbook: Playbook,
    places: Places,
    declared: Declared,
    given: Given,
}

fn prepare(call: &Call) -> Result<Prepared> {
    let here = super::here()?;
    let project = Project::around(&here);
    let path = find_playbook(&call.name.to_string_lossy(), &here, project.root())?;
    let places = Places { playbook: path.clone(), project: project.root().to_owned() };
    let engine = engine::bare(Resolver::new(&path, project.root()));
    let playbook = engine::load(&engine, &path, &path.display().to_string())?;
    let (declared, problems) = params::declared(&playbook.ast);
    if let Some(problem) = problems.into_iter().next() {
        let site = crate::script::convert::site(&playbook.source, problem.position);
        return Err(problem.error.at(site));
    }
    let command = playbook_command(&call.name.to_string_lossy(), playbook.ast.doc(), &declared);
    let given = Given::parse(command, &call.rest, &declared)?;
    Ok(Prepared { engine, playbook, places, declared, given })
}

impl Prepared {
    fn run(self) -> ExitCode {
        let args = &self.given.args;
        let ui = Ui::new(Settings {
            color: args.color,
            json: args.json,
            quiet: args.quiet,
            verbose: args.verbose,
            diff: args.diff,
            yes: args.yes,
            width: None,
        });
        ui.set_lookup(Arc::new(lookup));
        match self.execute(&ui) {
            Ok(code) => ExitCode::from(code),
            Err(error) => super::finish(&ui, Err(error)),
        }
    }

    fn execute(mut self, ui: &Ui) -> Result<u8> {
        let mut extra = ExtraVars::parse(&self.given.args.source.extra_vars, Path::new("."))?;
        self.given.take_extra(&self.declared, &mut extra)?;
        let project =
            Project::load(&super::here()?, self.given.args.source.inventory.as_deref(), extra)?;
        for warning in project.warnings() {
            ui.note(&format!("warning: {warning}"));
        }
        let redactor = Redactor::new();
        ui.hide(redactor.clone());
        let cancel = Cancel::default();
        let options = self.options(&project)?;
        let secrets = self.vault(&project, ui, redactor, options.dry_run);
        self.refuse_mistakes(&project, &*secrets, ui)?;
        let run = self.context(&project, ui, cancel.clone(), options, secrets)?;
        engine::attach(&mut self.engine, &run);
        signals::watch(cancel, ui.clone());
        self.play(&run, &project, ui)
    }

    /// What `pirun check` would call an error stops the run before it begins.
    fn refuse_mistakes(&self, project: &Project, secrets: &dyn Secrets, ui: &Ui) -> Result<()> {
        let known = lint::Known {
            engine: &self.engine,
            resolver: &Resolver::new(&self.places.playbook, project.root()),
            places: &self.places,
            secrets: Some(secrets),
        };
        let findings = lint::lint(&self.playbook, &known);
        let mistakes: Vec<_> = findings.into_iter().filter(lint::Finding::is_error).collect();
        let Some((last, others)) = mistakes.split_last() else { return Ok(()) };
        for finding in others {
            ui.error(&finding.to_error());
        }
        Err(last.to_error())
    }

    fn options(&self, project: &Project) -> Result<RunOptions> {
        let args = &self.given.args;
        Ok(RunOptions {
            dry_run: args.dry_run,
            step: args.step,
            handlers: handlers::used(
                &self.engine,
                &Resolver::new(&self.places.playbook, project.root()),
                &self.playbook.ast,
            ),
            diff: args.diff,
            forks: args.forks,
            limit: project.limit(args.limit.as_deref(), args.resume)?,
            tags: args.tags.clone(),
            params: self.given.params.clone(),
            args: self.given.positional.clone(),
        })
    }

    fn vault(&self, project: &Project, ui: &Ui, redactor: Redactor, dry: bool) -> Arc<dyn Secrets> {
        let sources = self.given.args.unlock.sources();
        let path = project.root().join(crate::vault::FILE_NAME);
        Arc::new(ProjectVault::new(
            path,
            sources,
            unlock::ask(ui),
            redactor,
            dry,
            unlock::watch(ui),
        ))
    }

    fn context(
        &self,
        project: &Project,
        ui: &Ui,
        cancel: Cancel,
        options: RunOptions,
        secrets: Arc<dyn Secrets>,
    ) -> Result<Arc<RunContext>> {
        let hosts = project.hosts();
        let all = hosts.all();
        let config = SshConfig::write(
            all.iter().map(|host| -> &Host { host }),
            &project.root().join("known_hosts"),
        )?;
        let connect = SshConnect::new(config, cancel.clone(), options.dry_run)?;
        let told = ui.clone();
        Ok(RunContext::new(RunParts {
            hosts,
            secrets,
            connect: Box::new(connect),
            ui: ui.clone(),
            tell: Box::new(move |event| told.event(event)),
            cancel,
            options,
            places: self.places.clone(),
        }))
    }

    fn play(&self, run: &Arc<RunContext>, project: &Project, ui: &Ui) -> Result<u8> {
        let options = run.options();
        let selected = match &options.limit {
            Some(limit) => run.hosts().select(limit)?,
            None => run.hosts().all(),
        };
        let log = ui.open_log(project.logs(), &self.playbook_name())?;
        run.tell(Event::RunStarted {
            playbook: self.playbook_name(),
            dry_run: options.dry_run,
            hosts: selected.len(),
        });
        let result = engine::run(&self.engine, &self.playbook);
        let states = run.states();
        if !options.dry_run {
            project.remember_failed(&states)?;
        }
        self.finish(run, &states, result, &log, ui)
    }

    fn finish(
        &self,
        run: &RunContext,
        states: &[Arc<HostState>],
        result: Result<()>,
        log: &Path,
        ui: &Ui,
    ) -> Result<u8> {
        let cancelled = run.cancel().is_cancelled();
        if let Err(error) = &result
            && error.kind() != ErrorKind::Cancelled
        {
            ui.error(error);
        }
        let rows: Vec<_> =
            states.iter().filter(|state| state.took_part()).map(|state| state.recap()).collect();
        let changed = rows.iter().any(|row| row.changed > 0);
        // Shorter, and just as good for `less`.
        let near = super::here().ok().and_then(|here| log.strip_prefix(here).ok());
        let log = Some(near.unwrap_or(log).display().to_string());
        run.tell(Event::Recap(Recap { dry_run: run.options().dry_run, cancelled, rows, log }));
        ui.close();
        Ok(match result {
            _ if cancelled => ErrorKind::Cancelled.exit_code(),
            Err(error) => error.kind().exit_code(),
            Ok(()) if run.failures() > 0 => ErrorKind::HostsFailed.exit_code(),
            Ok(()) if self.given.args.assert_unchanged && changed => CHANGED,
            Ok(()) => 0,
        })
    }

    fn playbook_name(&self) -> String {
        let name = self.places.playbook.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }
}

/// The error for a word that is neither a subcommand nor a playbook.
fn unknown(name: &str, known: &[String]) -> Error {
    let error = Error::usage(format!("there is no playbook and no command `{name}`"));
    let commands = super::subcommands();
    let names = known.iter().map(String::as_str).chain(commands.iter().map(String::as_str));
    if let Some(hint) = crate::suggest::did_you_mean(name, names) {
        return error.hint(hint);
    }
    if known.is_empty() {
        return error.hint("There are no playbooks here. `pirun new NAME` starts one.");
    }
    error.hint(format!("The playbooks are {}.", known.join(", ")))
}
