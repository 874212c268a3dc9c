//! `pirun completions`: what a shell needs to complete commands, playbooks and their parameters.

use std::ffi::OsString;

use clap::{Args, Command, CommandFactory};
use clap_complete::env::Shells;

use super::Cli;
use super::run::{Project, find_playbook, playbook_command, playbooks};
use crate::error::{Error, Result};
use crate::script::engine;
use crate::script::params::{self, Declared};
use crate::script::resolver::Resolver;
use crate::ui::Ui;

/// The variable with which a shell asks.
const ASK: &str = "COMPLETE";

/// Prints the lines that make a shell complete commands, playbooks and their parameters.
///
/// Bash: put `source <(pirun completions bash)` into `~/.bashrc`. zsh: the same in `~/.zshrc`.
/// fish: `pirun completions fish | source` in `~/.config/fish/config.fish`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// bash, zsh, fish, elvish or powershell.
    shell: String,
}

/// Runs `pirun completions`.
pub fn run(args: &CompletionsArgs, ui: &Ui) -> Result<()> {
    let shells = Shells::builtins();
    let Some(shell) = shells.completer(&args.shell) else {
        let names: Vec<_> = shells.names().collect();
        let error = Error::usage(format!("there are no completions for `{}`", args.shell));
        return Err(error.hint(format!("The shells are {}.", names.join(", "))));
    };
    let mut text = Vec::new();
    shell
        .write_registration(ASK, "pirun", "pirun", "pirun", &mut text)
        .map_err(|error| Error::bug(error.to_string()))?;
    ui.out(&String::from_utf8_lossy(&text));
    Ok(())
}

/// Answers a shell that asks for completions, and ends the program; else does nothing.
pub fn answer_shell() {
    if std::env::var_os(ASK).is_some() {
        clap_complete::CompleteEnv::with_factory(with_playbooks).var(ASK).complete();
    }
}

/// The command line with every playbook as a subcommand, and the parameters of the one that is typed.
fn with_playbooks() -> Command {
    let mut command = Cli::command();
    let Ok(here) = super::here() else { return command };
    let project = Project::around(&here);
    let typed: Vec<OsString> = std::env::args_os().collect();
    for name in playbooks(&here, project.root()) {
        let declared = match typed.iter().any(|word| word == name.as_str()) {
            true => declared(&name, &here, &project).unwrap_or_default(),
            false => Declared::default(),
        };
        let playbook = playbook_command(&name, "", &declared).no_binary_name(false).name(name);
        command = command.subcommand(playbook);
    }
    command
}

fn declared(name: &str, here: &std::path::Path, project: &Project) -> Option<Declared> {
    let path = find_playbook(name, here, project.root()).ok()?;
    let engine = engine::bare(Resolver::new(&path, project.root()));
    let playbook = engine::load(&engine, &path, name).ok()?;
    Some(params::declared(&playbook.ast).0)
}
