//! What the lab's command line understands. `up` leaves a process behind that holds the lab; everything else asks it.

mod control;
mod serve;
mod up;

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

use control::{Request, ask, enter_network};

/// Raspberry Pi nodes for trying things out: a real Alpine in namespaces, reached by SSH.
#[derive(Parser)]
#[command(version)]
pub struct Arguments {
    /// The lab's directory, to have several labs
    #[arg(long, global = true, value_name = "DIR")]
    dir: Option<PathBuf>,
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Start a lab with N nodes, rpi40 and up, and leave it running
    Up(up::Options),
    /// End the lab
    Down,
    /// Log in to a node, or run a command there
    Ssh {
        name: String,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<OsString>,
    },
    /// Run a command where the nodes can be reached
    Exec {
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
    /// Print an inventory of the nodes
    Inventory,
    /// Show the nodes
    Status,
    /// Take a node's power away, and give it back
    Powercut {
        name: String,
        /// How long it stays off
        #[arg(long, value_name = "SECONDS", default_value_t = 1.0)]
        off: f64,
    },
    /// Pull a node's network plug
    Cut { name: String },
    /// Put a node's network plug back
    Mend { name: String },
    /// Make network cables longer: time added each way, 0 to end it
    Delay {
        #[arg(value_name = "MILLISECONDS")]
        milliseconds: f64,
        /// Only this node's
        name: Option<String>,
    },
    /// Run a command as root of a user namespace, where labs with fast nodes can be started without being root
    Rootless {
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
    /// Build the mirror of Alpine's packages, and copy it to DIR
    Mirror { dir: PathBuf },
    #[command(hide = true)]
    Serve(up::Options),
}

impl Arguments {
    pub fn run(self) -> Result<ExitCode> {
        let dir = self.dir.unwrap_or_else(|| pirun_lab::base_dir().join("up"));
        let request = match self.action {
            Action::Up(options) => return up::up(&dir, &options),
            Action::Serve(options) => return serve::serve(&dir, &options),
            Action::Ssh { name, command } => {
                let mut ssh = Command::new("ssh");
                ssh.arg("-F").arg(dir.join("ssh_config")).arg(name).args(command);
                return replace_by(&dir, ssh);
            }
            Action::Exec { command } => {
                let mut program = command_of(command);
                program.env("PIRUN_LAB", &dir);
                return replace_by(&dir, program);
            }
            Action::Rootless { command } => {
                pirun_lab::rootless::enter()?;
                return become_program(command_of(command));
            }
            Action::Mirror { dir } => {
                let mirror = pirun_lab::Mirror::obtain()?.copy_to(&dir)?;
                println!("{}: repositories in {}", dir.display(), mirror.branch());
                println!("{}: the key", mirror.keys().join(mirror.key_name()).display());
                return Ok(ExitCode::SUCCESS);
            }
            Action::Down => {
                control::end(&dir)?;
                return Ok(ExitCode::SUCCESS);
            }
            Action::Inventory => Request::Inventory,
            Action::Status => Request::Status,
            Action::Powercut { name, off } => {
                Request::PowerCut(name, Duration::try_from_secs_f64(off)?)
            }
            Action::Delay { milliseconds, name } => {
                Request::Delay(Duration::try_from_secs_f64(milliseconds / 1000.0)?, name)
            }
            Action::Cut { name } => Request::Cut(name),
            Action::Mend { name } => Request::Mend(name),
        };
        print!("{}", ask(&dir, &request)?);
        Ok(ExitCode::SUCCESS)
    }
}

fn command_of(words: Vec<OsString>) -> Command {
    let mut words = words.into_iter();
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words);
    command
}

/// Goes on as that program, on the lab's network.
fn replace_by(dir: &Path, program: Command) -> Result<ExitCode> {
    enter_network(dir)?;
    become_program(program)
}

fn become_program(mut program: Command) -> Result<ExitCode> {
    let error = program.exec();
    Err(error).with_context(|| format!("run {:?}", program.get_program()))
}
