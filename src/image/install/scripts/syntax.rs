//! What a script says, as a tree: the part of the shell's grammar that install scripts are written in.

use std::cell::OnceCell;
use std::rc::Rc;

/// Commands one after another.
pub type List = Vec<AndOr>;

/// `a && b || c`: the first, then each with what decides whether it runs.
#[derive(Debug, Clone, PartialEq)]
pub struct AndOr {
    pub first: Pipeline,
    pub rest: Vec<(Connector, Pipeline)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connector {
    And,
    Or,
}

/// `! a | b`.
#[derive(Debug, Clone, PartialEq)]
pub struct Pipeline {
    pub negated: bool,
    pub commands: Vec<Command>,
}

/// One command with its redirections.
#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    /// From 1.
    pub line: usize,
    pub kind: Kind,
    pub redirects: Vec<Redirect>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    Simple {
        assignments: Vec<(String, Word)>,
        words: Vec<Word>,
    },
    If {
        /// Conditions and what they lead to.
        branches: Vec<(List, List)>,
        otherwise: List,
    },
    For {
        name: String,
        /// `None`: over the arguments.
        words: Option<Vec<Word>>,
        body: List,
    },
    While {
        /// `until`, which goes on while the condition fails.
        until: bool,
        condition: List,
        body: List,
    },
    Case {
        word: Word,
        /// Patterns and what they lead to.
        arms: Vec<(Vec<Word>, List)>,
    },
    Group(List),
    Subshell(List),
    Function {
        name: String,
        body: Box<Command>,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub enum Redirect {
    /// `2>file`, `>>file`; `descriptors` has both for `&>file`.
    Write { descriptors: Vec<u32>, append: bool, target: Word },
    /// `2>&1`.
    Duplicate { descriptor: u32, from: u32 },
    /// `<file`.
    Read(Word),
    /// A here-document; its text is read after the line it begins in.
    Text(Rc<OnceCell<Word>>),
}

/// What becomes one argument, or several, or none.
pub type Word = Vec<Part>;

#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// As it stands; pathname patterns in it count unless quoted.
    Text { text: String, quoted: bool },
    /// `$name`, `${name}`, `${name%pattern}`.
    Variable { name: String, operation: Option<Operation>, quoted: bool },
    /// `$(commands)`.
    Output { list: List, quoted: bool },
}

#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    /// `${#name}`
    Length,
    /// `:-`, `-`, `:=`, `=`, `:+`, `+`
    Default {
        how: Default,
        /// With a colon: an empty value counts as none.
        empty: bool,
        word: Word,
    },
    /// `#`, `##`, `%`, `%%`
    Trim { suffix: bool, longest: bool, pattern: Word },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Default {
    Use,
    Assign,
    Alternative,
}
