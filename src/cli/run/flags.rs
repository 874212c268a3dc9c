//! The flags of a run: pirun's own, and the parameters of the playbook.

use std::collections::BTreeMap;
use std::ffi::OsString;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use crate::cli::inventory::InventorySource;
use crate::cli::unlock::UnlockArgs;
use crate::error::{Error, Result};
use crate::inventory::ExtraVars;
use crate::script::params::{Declared, Param, Type};
use crate::ui::Color;

/// The flags that every playbook has.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Flags of every playbook")]
pub struct RunArgs {
    /// Only these hosts: a name, a group, `agent:!rpi42`, `rpi4*`, `@failed`.
    #[arg(short, long, value_name = "PATTERN")]
    pub limit: Option<String>,

    /// Reads the nodes, shows every difference, changes nothing.
    #[arg(short = 'C', long, visible_alias = "check")]
    pub dry_run: bool,

    /// Shows the diffs of a real run too.
    #[arg(long)]
    pub diff: bool,

    /// How many hosts at a time.
    #[arg(short, long, value_name = "N", default_value_t = 20, value_parser = forks)]
    pub forks: usize,

    /// Only the `on` calls that have one of these tags.
    #[arg(long, value_name = "TAG,…", value_delimiter = ',')]
    pub tags: Vec<String>,

    /// Asks before each change.
    #[arg(long)]
    pub step: bool,

    /// Only hosts that failed or were not finished in the last run.
    #[arg(long)]
    pub resume: bool,

    /// Ends with code 3 if anything changed, or would.
    #[arg(long)]
    pub assert_unchanged: bool,

    #[command(flatten)]
    pub source: InventorySource,

    /// Events as JSON lines on stdout; text for people on stderr.
    #[arg(long)]
    pub json: bool,

    /// Only failures and the recap.
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,

    /// More: log lines and what commands print; `-vv` also what did not change.
    #[arg(short, long, action = ArgAction::Count)]
    pub verbose: u8,

    /// When to use colours.
    #[arg(long, value_name = "WHEN", value_enum, default_value_t)]
    pub color: Color,

    /// Answers every question with yes.
    #[arg(short, long)]
    pub yes: bool,

    #[command(flatten)]
    pub unlock: UnlockArgs,
}

fn forks(text: &str) -> std::result::Result<usize, String> {
    match text.parse() {
        Ok(forks) if forks > 0 => Ok(forks),
        _ => Err("a number from 1 is needed".to_owned()),
    }
}

/// Where the first word stands that is neither a flag nor the value of one.
pub fn first_word(args: &[OsString]) -> Option<usize> {
    let command = RunArgs::augment_args(Command::new("pirun"));
    let mut skip = false;
    for (index, arg) in args.iter().enumerate() {
        let text = arg.to_string_lossy();
        match text.strip_prefix('-') {
            _ if skip => skip = false,
            Some(flag) if !flag.is_empty() => skip = takes_next(&command, flag),
            _ => return Some(index),
        }
    }
    None
}

/// Whether a flag (without its first dash) takes the next word as its value.
fn takes_next(command: &Command, flag: &str) -> bool {
    let takes = |arg: &Arg| matches!(arg.get_action(), ArgAction::Set | ArgAction::Append);
    if let Some(long) = flag.strip_prefix('-') {
        return command.get_arguments().any(|arg| arg.get_long() == Some(long) && takes(arg));
    }
    // `-f 5` takes the next word, `-f5` does not.
    let short =
        |c: char| command.get_arguments().any(|arg| arg.get_short() == Some(c) && takes(arg));
    let mut letters = flag.chars();
    let position = letters.position(short);
    position.is_some() && letters.next().is_none()
}

/// The command line of one playbook: its parameters first, then the flags of every playbook.
pub fn playbook_command(name: &str, doc: &str, declared: &Declared) -> Command {
    let about = crate::script::catalog::uncomment(doc);
    let mut command = Command::new(format!("pirun {name}"))
        .no_binary_name(true)
        .max_term_width(100)
        .next_help_heading("Parameters of this playbook");
    for param in &declared.params {
        command = command.arg(param_arg(param));
        if param.typ == Type::Bool {
            command = command.arg(no_arg(param));
        }
    }
    for arg in &declared.args {
        let mut slot =
            Arg::new(format!("arg {}", arg.index)).value_name(format!("ARG{}", arg.index + 1));
        slot = slot.help(format!("Default: {}", arg.default)).index(arg.index + 1);
        if !arg.choices.is_empty() {
            slot = slot.value_parser(arg.choices.clone());
        }
        command = command.arg(slot);
    }
    // Behind the flags: their struct has a doc comment of its own.
    let first = about.lines().next().unwrap_or_default().to_owned();
    RunArgs::augment_args(command).about(first).long_about(about)
}

fn param_arg(param: &Param) -> Arg {
    let arg = Arg::new(param.name.clone()).long(param.flag());
    let help = match &param.default {
        Some(default) if param.typ == Type::Bool && default.as_bool() == Ok(true) => {
            format!("{} [default: true; `--no-{}` for false]", param.help, param.flag())
        }
        // An empty text is how a playbook says "not given".
        Some(default) if default.to_string().is_empty() => param.help.clone(),
        Some(default) => format!("{} [default: {default}]", param.help),
        None => format!("{} [required]", param.help),
    };
    let arg = arg.help(help);
    if param.typ == Type::Bool {
        return arg.action(ArgAction::SetTrue);
    }
    let arg = arg.value_name(param.typ.placeholder()).allow_hyphen_values(true);
    if param.choices.is_empty() { arg } else { arg.value_parser(param.choices.clone()) }
}

fn no_arg(param: &Param) -> Arg {
    let flag = format!("no-{}", param.flag());
    Arg::new(format!("no {}", param.name))
        .long(flag)
        .hide(true)
        .action(ArgAction::SetTrue)
        .overrides_with(param.name.clone())
}

/// What the command line gave.
pub struct Given {
    pub args: RunArgs,
    pub params: BTreeMap<String, String>,
    pub positional: Vec<String>,
}

impl Given {
    /// Reads the command line. `--help` and mistakes end the program, as for every command.
    pub fn parse(command: Command, rest: &[OsString], declared: &Declared) -> Result<Self> {
        let matches = command.try_get_matches_from(rest).unwrap_or_else(|error| error.exit());
        let args =
            RunArgs::from_arg_matches(&matches).map_err(|error| Error::usage(error.to_string()))?;
        let mut given = Self { args, params: BTreeMap::new(), positional: Vec::new() };
        for param in &declared.params {
            if let Some(text) = text_of(&matches, param) {
                param.read(&text).map(drop)?;
                given.params.insert(param.name.clone(), text);
            }
        }
        let words = declared
            .args
            .iter()
            .map_while(|arg| matches.get_one::<String>(&format!("arg {}", arg.index)));
        given.positional = words.cloned().collect();
        Ok(given)
    }

    /// `-e name=value` of a parameter sets the parameter; all others stay variables of hosts.
    pub fn take_extra(&mut self, declared: &Declared, extra: &mut ExtraVars) -> Result<()> {
        for param in &declared.params {
            let Some(value) = extra.take(&param.name) else { continue };
            let text = match value {
                serde_json::Value::String(text) => text,
                other => other.to_string(),
            };
            param.read(&text).map(drop)?;
            self.params.entry(param.name.clone()).or_insert(text);
        }
        let missing = declared
            .params
            .iter()
            .find(|param| param.default.is_none() && !self.params.contains_key(&param.name));
        match missing {
            None => Ok(()),
            Some(param) => {
                Err(Error::usage(format!("`--{}` is missing: {}", param.flag(), param.help))
                    .hint(format!("Give it as `--{} {}`.", param.flag(), param.typ.placeholder())))
            }
        }
    }
}

fn text_of(matches: &ArgMatches, param: &Param) -> Option<String> {
    if param.typ != Type::Bool {
        return matches.get_one::<String>(&param.name).cloned();
    }
    let no = format!("no {}", param.name);
    match (matches.get_flag(&param.name), matches.get_flag(&no)) {
        (true, _) => Some("true".to_owned()),
        (_, true) => Some("false".to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(line: &str) -> Option<String> {
        let args: Vec<OsString> = line.split_whitespace().map(Into::into).collect();
        first_word(&args).map(|index| args[index].to_string_lossy().into_owned())
    }

    #[test]
    fn the_playbook_may_stand_behind_flags() {
        assert_eq!(word("provision.rhai -l rpi41").as_deref(), Some("provision.rhai"));
        assert_eq!(word("-l rpi41 provision.rhai").as_deref(), Some("provision.rhai"));
        assert_eq!(word("-Cl rpi41 provision.rhai").as_deref(), Some("provision.rhai"));
        assert_eq!(word("--limit=rpi41 -f5 -C provision.rhai").as_deref(), Some("provision.rhai"));
        assert_eq!(word("--tags a,b --dry-run x.rhai").as_deref(), Some("x.rhai"));
        assert_eq!(word("--version"), None);
    }
}
