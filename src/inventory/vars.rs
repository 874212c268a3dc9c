//! Variables before they are resolved, and the levels that decide between them.

use std::fmt;
use std::sync::Arc;

use super::mark::{Mark, shown};
use super::yaml::{Data, Entry, Node};
use crate::error::{Result, Site};

/// The five levels of precedence, from weak to strong. Among groups, depth decides: the group that
/// is nested deeper wins; at the same depth the one that sorts last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Level {
    /// `vars` of the group `all`, and `group_vars/all`.
    Defaults,
    /// A parent group: other groups lie between it and the host.
    ParentGroup(Arc<str>),
    /// A child group: no other group lies between it and the host.
    ChildGroup(Arc<str>),
    /// The host itself, and `host_vars/HOST`.
    Host,
    /// `-e` on the command line.
    CommandLine,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Defaults => f.write_str("defaults (all)"),
            Self::ParentGroup(name) => write!(f, "parent group {name}"),
            Self::ChildGroup(name) => write!(f, "group {name}"),
            Self::Host => f.write_str("host"),
            Self::CommandLine => f.write_str("command line"),
        }
    }
}

/// Where a variable got its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The file as shown to the user; `-e` for the command line.
    pub file: Arc<str>,
    /// Line and column of the variable's name, from 1.
    pub line: usize,
    pub column: usize,
    pub level: Level,
}

impl Origin {
    pub fn site(&self) -> Site {
        Site { file: self.file.to_string(), line: self.line, column: self.column }
    }
}

/// One definition of a variable.
#[derive(Debug, PartialEq)]
pub(crate) struct Var {
    pub name: String,
    pub name_mark: Mark,
    pub value: Node,
    /// Whether a text in it holds `{{` or `{%`.
    pub template: bool,
    /// Whether ansible-vault encrypted it or a part of it.
    pub sealed: bool,
}

impl Var {
    pub fn new(name: String, name_mark: Mark, value: Node) -> Self {
        let template = value.any(&|data| matches!(data, Data::Text(text) if is_template(text)));
        let sealed = value.any(&|data| matches!(data, Data::Vault(_)));
        Self { name, name_mark, value, template, sealed }
    }

    pub fn origin(&self, level: &Level) -> Origin {
        let Mark { file, line, column } = &self.name_mark;
        Origin { file: Arc::clone(file), line: *line, column: *column, level: level.clone() }
    }
}

pub(crate) fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%")
}

/// The variables that a map defines; `what` names it in errors.
pub(crate) fn from_node(node: Node, what: &str) -> Result<Vec<Arc<Var>>> {
    match node.data {
        Data::Map(entries) => entries.into_iter().map(variable).collect(),
        _ if node.is_null() => Ok(Vec::new()),
        _ => Err(node
            .mark
            .error(format!("{what} must be a map of variables, and this is {}", node.kind()))
            .hint("Write each variable as `name: value` on a line of its own.")),
    }
}

fn variable(entry: Entry) -> Result<Arc<Var>> {
    if entry.key.is_empty() || entry.key.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(entry
            .key_mark
            .error(format!("`{}` cannot be the name of a variable", shown(&entry.key)))
            .hint("A name has letters, digits and `_`, for example `k3s_version`."));
    }
    Ok(Arc::new(Var::new(entry.key, entry.key_mark, entry.value)))
}
