//! Runs what a script says on a tree. Commands do what busybox' do, as far as install scripts use them.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::Target;
use super::commands::{self, Call};
use super::io::{Io, Sink};
use super::parse::{Unknown, parse};
use super::syntax::{AndOr, Command, Connector, Kind, List, Pipeline, Redirect};
use crate::error::Error;
use crate::image::tree::{Content, Entry, Kind as Node, Tree};

/// More commands than any install script needs: a script that goes on beyond it hangs.
const MAX_STEPS: usize = 100_000;
/// How deep functions and sourced files may call one another.
const MAX_CALLS: usize = 10;
/// No variable of an install script is longer, in bytes.
const MAX_VALUE: usize = 1 << 20;

/// Where apk lets scripts find commands.
const PATH: [&str; 4] = ["usr/sbin", "usr/bin", "sbin", "bin"];

/// Why a script does not go on.
#[derive(Debug)]
pub enum Failure {
    /// It is beyond the interpreter.
    Unknown(Unknown),
    /// The tree cannot be read or written.
    Tree(Error),
}

impl From<Unknown> for Failure {
    fn from(unknown: Unknown) -> Self {
        Self::Unknown(unknown)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Tree(error)
    }
}

/// Where a command leads: on with its status, or out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    Next(i32),
    Break,
    Continue,
    Return(i32),
    Exit(i32),
}

/// What a running script knows.
pub struct Shell<'a> {
    pub tree: &'a mut Tree,
    pub target: Target<'a>,
    /// The time of everything that scripts make, in seconds since 1970.
    pub now: i64,
    /// Sentences about what was left out knowingly.
    pub notes: Vec<String>,
    pub(super) arguments: Vec<String>,
    /// `$0`
    name: String,
    variables: BTreeMap<String, String>,
    functions: BTreeMap<String, Rc<Command>>,
    /// A path of the tree.
    directory: String,
    status: i32,
    line: usize,
    stop_at_errors: bool,
    /// Not zero inside conditions, where failing is no error.
    conditions: usize,
    steps: usize,
    calls: usize,
}

impl<'a> Shell<'a> {
    pub fn new(tree: &'a mut Tree, target: Target<'a>, arguments: &[String]) -> Self {
        Self {
            tree,
            target,
            now: target.date,
            notes: Vec::new(),
            arguments: arguments.to_vec(),
            name: "sh".to_owned(),
            variables: BTreeMap::new(),
            functions: BTreeMap::new(),
            directory: String::new(),
            status: 0,
            line: 0,
            stop_at_errors: false,
            conditions: 0,
            steps: 0,
            calls: 0,
        }
    }

    /// Runs a whole script and gives its status.
    pub fn script(&mut self, text: &str, io: &Io) -> Result<i32, Failure> {
        Ok(match self.list(&parse(text)?, io)? {
            Flow::Next(status) | Flow::Return(status) | Flow::Exit(status) => status,
            Flow::Break | Flow::Continue => self.status,
        })
    }

    pub(super) fn unknown(&self, what: impl Into<String>) -> Failure {
        Failure::Unknown(Unknown { line: self.line, what: what.into() })
    }

    /// A variable, an argument, or one of `@*#?`.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        match name {
            "@" | "*" => Some(self.arguments.join(" ")),
            "#" => Some(self.arguments.len().to_string()),
            "?" => Some(self.status.to_string()),
            "0" => Some(self.name.clone()),
            name => match name.parse::<usize>() {
                Ok(number) => self.arguments.get(number - 1).cloned(),
                Err(_) => self.variables.get(name).cloned(),
            },
        }
    }

    pub(super) fn assign(&mut self, name: &str, value: String) {
        self.variables.insert(name.to_owned(), value);
    }

    /// A path as a script writes it, as one of the tree; the last component's link is not followed.
    pub(super) fn place(&self, path: &str) -> Result<String, Failure> {
        let path = self.absolute(path);
        let path = path.trim_end_matches('/');
        match path.rsplit_once('/') {
            Some((_, "." | "..")) | None => Ok(self.tree.resolve(path)?),
            Some((parent, name)) => {
                let parent = self.tree.resolve(parent)?;
                Ok(if parent.is_empty() { name.to_owned() } else { format!("{parent}/{name}") })
            }
        }
    }

    /// As [`Shell::place`], with all links followed.
    pub(super) fn follow(&self, path: &str) -> Result<String, Failure> {
        Ok(self.tree.resolve(&self.absolute(path))?)
    }

    fn absolute(&self, path: &str) -> String {
        if path.starts_with('/') { path.to_owned() } else { format!("/{}/{path}", self.directory) }
    }

    /// Whether something is at the path itself, be it a link that leads nowhere.
    pub(super) fn exists(&self, path: &str) -> bool {
        self.place(path).is_ok_and(|place| self.tree.get(&place).is_some())
    }

    /// What is directly in a directory, sorted.
    pub(super) fn names_in(&self, path: &str) -> Vec<String> {
        let Ok(dir) = self.follow(path) else { return Vec::new() };
        let start = if dir.is_empty() { 0 } else { dir.len() + 1 };
        let names = self.tree.below(&dir).map(|(path, _)| &path[start..]);
        names.filter(|name| !name.contains('/')).map(str::to_owned).collect()
    }

    /// Where the shell finds a command, as a path of the tree.
    pub(super) fn find_command(&self, name: &str) -> Option<String> {
        let candidates = match name.contains('/') {
            true => vec![self.place(name).ok()?],
            false => PATH.iter().map(|dir| format!("{dir}/{name}")).collect(),
        };
        candidates.into_iter().find(|path| {
            let entry = self.tree.resolve(path).ok().and_then(|path| self.tree.get(&path).cloned());
            entry.is_some_and(|entry| {
                !matches!(entry.kind, Node::Directory) && entry.mode & 0o111 != 0
            })
        })
    }

    pub(super) fn is_function(&self, name: &str) -> bool {
        self.functions.contains_key(name)
    }

    pub(super) fn change_directory(&mut self, path: &str) -> bool {
        let Ok(path) = self.follow(path) else { return false };
        let found = self.tree.get(&path).is_some_and(|entry| entry.kind == Node::Directory);
        if found {
            self.directory = path;
        }
        found
    }

    /// Puts bytes where a sink leads.
    pub(super) fn write(&mut self, sink: &Sink, bytes: &[u8]) -> Result<(), Failure> {
        match sink {
            Sink::Nowhere => {}
            Sink::Buffer(buffer) => buffer.borrow_mut().extend(bytes),
            Sink::File(path) if bytes.is_empty() && self.tree.get(path).is_some() => {}
            Sink::File(path) => {
                let mut content = self.tree.read(path)?.unwrap_or_default();
                content.extend(bytes);
                self.put_file(path, content)?;
            }
        }
        Ok(())
    }

    /// Gives the file at a path of the tree other content; a new one is root's, 0644.
    pub(super) fn put_file(&mut self, path: &str, content: Vec<u8>) -> Result<(), Failure> {
        let path = match self.tree.get(path).map(|entry| &entry.kind) {
            Some(Node::Hard(target)) => target.clone(),
            _ => path.to_owned(),
        };
        let old = self.tree.get(&path).cloned().unwrap_or_else(|| Entry::file(*b"", 0o644));
        let kind = Node::File(Content::Bytes(content.into()));
        self.tree.insert(&path, Entry { kind, mtime: self.now, ..old })?;
        Ok(())
    }

    pub(super) fn list(&mut self, list: &List, io: &Io) -> Result<Flow, Failure> {
        let mut status = 0;
        for and_or in list {
            match self.and_or(and_or, io)? {
                Flow::Next(next) => status = next,
                out => return Ok(out),
            }
        }
        Ok(Flow::Next(status))
    }

    /// A list whose variables, directory and exit stay inside.
    pub(super) fn subshell(&mut self, list: &List, io: &Io) -> Result<i32, Failure> {
        let (variables, directory) = (self.variables.clone(), self.directory.clone());
        let flow = self.list(list, io)?;
        (self.variables, self.directory) = (variables, directory);
        let status = match flow {
            Flow::Next(status) | Flow::Return(status) | Flow::Exit(status) => status,
            Flow::Break | Flow::Continue => self.status,
        };
        self.status = status;
        Ok(status)
    }

    fn and_or(&mut self, and_or: &AndOr, io: &Io) -> Result<Flow, Failure> {
        let mut status = match self.pipeline(&and_or.first, !and_or.rest.is_empty(), io)? {
            Flow::Next(status) => status,
            out => return Ok(out),
        };
        for (i, (connector, pipeline)) in and_or.rest.iter().enumerate() {
            if (*connector == Connector::And) != (status == 0) {
                continue;
            }
            let last = i + 1 == and_or.rest.len();
            match self.pipeline(pipeline, !last, io)? {
                Flow::Next(next) => status = next,
                out => return Ok(out),
            }
        }
        Ok(Flow::Next(status))
    }

    fn pipeline(&mut self, pipeline: &Pipeline, condition: bool, io: &Io) -> Result<Flow, Failure> {
        let condition = condition || pipeline.negated;
        self.conditions += usize::from(condition);
        let flow = self.commands(&pipeline.commands, io);
        self.conditions -= usize::from(condition);
        let flow = match flow? {
            Flow::Next(status) if pipeline.negated => Flow::Next(i32::from(status == 0)),
            flow => flow,
        };
        if let Flow::Next(status) = flow {
            self.status = status;
            if status != 0 && self.stop_at_errors && self.conditions == 0 {
                return Ok(Flow::Exit(status));
            }
        }
        Ok(flow)
    }

    fn commands(&mut self, commands: &[Command], io: &Io) -> Result<Flow, Failure> {
        let [first @ .., last] = commands else { return Ok(Flow::Next(0)) };
        if first.is_empty() {
            return self.command(last, io);
        }
        let mut input = Rc::clone(&io.input);
        for command in first {
            let inner = Io { input, output: Sink::buffer(), errors: io.errors.clone() };
            self.command(command, &inner)?;
            input = inner.output.taken().into();
        }
        self.command(last, &Io { input, ..io.clone() })
    }

    fn command(&mut self, command: &Command, io: &Io) -> Result<Flow, Failure> {
        self.line = command.line;
        self.steps += 1;
        if self.steps > MAX_STEPS {
            return Err(self.unknown("it does not come to an end"));
        }
        if let Kind::Function { name, body } = &command.kind {
            self.functions.insert(name.clone(), Rc::new((**body).clone()));
            return Ok(Flow::Next(0));
        }
        let Some(io) = self.redirected(&command.redirects, io)? else { return Ok(Flow::Next(1)) };
        match &command.kind {
            Kind::Simple { assignments, words } => {
                let words = self.arguments(words, &io)?;
                // Variables that are for one command only do no harm when they stay.
                for (name, word) in assignments {
                    let value = self.text(word, &io)?;
                    if value.len() > MAX_VALUE {
                        return Err(self.unknown(format!("`{name}` grows without end")));
                    }
                    self.assign(name, value);
                }
                match words.is_empty() {
                    true => Ok(Flow::Next(0)),
                    false => self.call(&words, &io),
                }
            }
            Kind::If { branches, otherwise } => {
                for (condition, body) in branches {
                    match self.condition(condition, &io)? {
                        Flow::Next(0) => return self.list(body, &io),
                        Flow::Next(_) => {}
                        out => return Ok(out),
                    }
                }
                self.list(otherwise, &io)
            }
            Kind::For { name, words, body } => {
                let words = match words {
                    Some(words) => self.arguments(words, &io)?,
                    None => self.arguments.clone(),
                };
                self.repeat(body, name, words, &io)
            }
            Kind::While { until, condition, body } => {
                let mut status = 0;
                loop {
                    match self.condition(condition, &io)? {
                        Flow::Next(result) if (result == 0) != *until => {}
                        Flow::Next(_) => return Ok(Flow::Next(status)),
                        out => return Ok(out),
                    }
                    match self.list(body, &io)? {
                        Flow::Next(next) => status = next,
                        Flow::Break => return Ok(Flow::Next(0)),
                        Flow::Continue => {}
                        out => return Ok(out),
                    }
                }
            }
            Kind::Case { word, arms } => {
                let text = self.text(word, &io)?;
                for (patterns, body) in arms {
                    for pattern in patterns {
                        if self.pattern(pattern, &io)?.matches(&text) {
                            return self.list(body, &io);
                        }
                    }
                }
                Ok(Flow::Next(0))
            }
            Kind::Group(list) => self.list(list, &io),
            Kind::Subshell(list) => Ok(Flow::Next(self.subshell(list, &io)?)),
            Kind::Function { .. } => Ok(Flow::Next(0)),
        }
    }

    fn condition(&mut self, list: &List, io: &Io) -> Result<Flow, Failure> {
        self.conditions += 1;
        let flow = self.list(list, io);
        self.conditions -= 1;
        flow
    }

    fn repeat(
        &mut self,
        body: &List,
        name: &str,
        values: Vec<String>,
        io: &Io,
    ) -> Result<Flow, Failure> {
        let mut status = 0;
        for value in values {
            self.assign(name, value);
            match self.list(body, io)? {
                Flow::Next(next) => status = next,
                Flow::Break => break,
                Flow::Continue => {}
                out => return Ok(out),
            }
        }
        Ok(Flow::Next(status))
    }

    /// `None` if a file cannot be opened, which fails the command.
    fn redirected(&mut self, redirects: &[Redirect], io: &Io) -> Result<Option<Io>, Failure> {
        let mut io = io.clone();
        for redirect in redirects {
            match redirect {
                Redirect::Write { descriptors, append, target } => {
                    let target = self.text(target, &io)?;
                    let Some(sink) = self.open(&target, *append)? else {
                        let text = format!("sh: cannot create {target}\n");
                        self.write(&io.errors, text.as_bytes())?;
                        return Ok(None);
                    };
                    for descriptor in descriptors {
                        match descriptor {
                            1 => io.output = sink.clone(),
                            2 => io.errors = sink.clone(),
                            _ => return Err(self.unknown(format!("descriptor {descriptor}"))),
                        }
                    }
                }
                Redirect::Duplicate { descriptor: 2, from: 1 } => io.errors = io.output.clone(),
                Redirect::Duplicate { descriptor: 1, from: 2 } => io.output = io.errors.clone(),
                Redirect::Duplicate { descriptor, from } => {
                    return Err(self.unknown(format!("`{descriptor}>&{from}`")));
                }
                Redirect::Read(word) => {
                    let path = self.text(word, &io)?;
                    let found = match &*path {
                        "/dev/null" => Some(Vec::new()),
                        path => self.tree.read(&self.follow(path)?)?,
                    };
                    let Some(content) = found else {
                        let text = format!("sh: cannot open {path}\n");
                        self.write(&io.errors, text.as_bytes())?;
                        return Ok(None);
                    };
                    io.input = content.into();
                }
                Redirect::Text(word) => {
                    let text = match word.get() {
                        Some(word) => self.text(word, &io)?,
                        None => String::new(),
                    };
                    io.input = text.into_bytes().into();
                }
            }
        }
        Ok(Some(io))
    }

    fn open(&mut self, target: &str, append: bool) -> Result<Option<Sink>, Failure> {
        if matches!(target, "/dev/null" | "/dev/stderr" | "/dev/stdout" | "/dev/tty") {
            return Ok(Some(Sink::Nowhere));
        }
        let path = self.follow(target)?;
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        let in_directory = self.tree.get(parent).is_some_and(|entry| entry.kind == Node::Directory);
        let is_file = match self.tree.get(&path) {
            Some(_) => self.tree.content(&path).is_some(),
            None => true,
        };
        if !in_directory || !is_file {
            return Ok(None);
        }
        if !append || self.tree.get(&path).is_none() {
            self.put_file(&path, Vec::new())?;
        }
        Ok(Some(Sink::File(path)))
    }

    fn call(&mut self, words: &[String], io: &Io) -> Result<Flow, Failure> {
        let (name, arguments) = (&words[0], &words[1..]);
        if let Some(function) = self.functions.get(name).map(Rc::clone) {
            return self.function(&function, arguments, io);
        }
        let number = |default: i32| match arguments.first() {
            Some(text) => text.parse().map_err(|_| self.unknown(format!("`{name} {text}`"))),
            None => Ok(default),
        };
        match &**name {
            "exit" => Ok(Flow::Exit(number(self.status)?)),
            "return" => Ok(Flow::Return(number(self.status)?)),
            "break" if arguments.is_empty() => Ok(Flow::Break),
            "continue" if arguments.is_empty() => Ok(Flow::Continue),
            "set" => self.set(arguments),
            "shift" => {
                let count = usize::try_from(number(1)?).unwrap_or(1).min(self.arguments.len());
                self.arguments.drain(..count);
                Ok(Flow::Next(0))
            }
            "local" | "export" | "readonly" => {
                for word in arguments.iter().filter(|word| !word.starts_with('-')) {
                    match word.split_once('=') {
                        Some((name, value)) => self.assign(name, value.to_owned()),
                        None if name == "local" => self.assign(word, String::new()),
                        None => {}
                    }
                }
                Ok(Flow::Next(0))
            }
            "unset" => {
                for name in arguments {
                    self.variables.remove(name);
                    self.functions.remove(name);
                }
                Ok(Flow::Next(0))
            }
            "." => self.source(arguments, io),
            "exec" if !arguments.is_empty() => match self.call(arguments, io)? {
                Flow::Next(status) => Ok(Flow::Exit(status)),
                out => Ok(out),
            },
            _ => {
                let call = Call { shell: self, name, arguments, io };
                Ok(Flow::Next(commands::run(call)?))
            }
        }
    }

    fn function(
        &mut self,
        function: &Command,
        arguments: &[String],
        io: &Io,
    ) -> Result<Flow, Failure> {
        let outer = std::mem::replace(&mut self.arguments, arguments.to_vec());
        let flow = self.deeper(|shell| shell.command(function, io));
        self.arguments = outer;
        Ok(match flow? {
            Flow::Return(status) => Flow::Next(status),
            flow => flow,
        })
    }

    fn deeper(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<Flow, Failure>,
    ) -> Result<Flow, Failure> {
        if self.calls >= MAX_CALLS {
            return Err(self.unknown("functions call one another without end"));
        }
        self.calls += 1;
        let flow = inner(self);
        self.calls -= 1;
        flow
    }

    /// Runs a program of the tree that is a script for a shell, as a process of its own would.
    pub(super) fn program(
        &mut self,
        path: &str,
        text: &str,
        arguments: &[String],
        io: &Io,
    ) -> Result<i32, Failure> {
        let line = self.line;
        let beyond = |unknown: Unknown| {
            let what = format!("which runs /{path}: line {}, {}", unknown.line, unknown.what);
            Failure::Unknown(Unknown { line, what })
        };
        let list = parse(text).map_err(beyond)?;
        let (variables, functions) = (self.variables.clone(), std::mem::take(&mut self.functions));
        let directory = self.directory.clone();
        let arguments = std::mem::replace(&mut self.arguments, arguments.to_vec());
        let name = std::mem::replace(&mut self.name, format!("/{path}"));
        let stop_at_errors = std::mem::take(&mut self.stop_at_errors);
        let flow = self.deeper(|shell| shell.list(&list, io)).map_err(|failure| match failure {
            Failure::Unknown(unknown) => beyond(unknown),
            failure => failure,
        })?;
        (self.variables, self.functions) = (variables, functions);
        (self.directory, self.arguments, self.name) = (directory, arguments, name);
        (self.stop_at_errors, self.line) = (stop_at_errors, line);
        Ok(match flow {
            Flow::Next(status) | Flow::Return(status) | Flow::Exit(status) => status,
            Flow::Break | Flow::Continue => self.status,
        })
    }

    fn set(&mut self, arguments: &[String]) -> Result<Flow, Failure> {
        for (i, argument) in arguments.iter().enumerate() {
            match &**argument {
                "-e" | "-eu" | "-ue" => self.stop_at_errors = true,
                "+e" => self.stop_at_errors = false,
                "-u" | "+u" | "+x" => {}
                "--" => {
                    self.arguments = arguments[i + 1..].to_vec();
                    break;
                }
                _ => return Err(self.unknown(format!("`set {argument}`"))),
            }
        }
        Ok(Flow::Next(0))
    }

    fn source(&mut self, arguments: &[String], io: &Io) -> Result<Flow, Failure> {
        let [path] = arguments else { return Err(self.unknown("`.` with arguments")) };
        let Some(text) = self.tree.read(&self.follow(path)?)? else {
            self.write(&io.errors, format!("sh: .: can't open '{path}'\n").as_bytes())?;
            return Ok(Flow::Exit(2));
        };
        let line = self.line;
        let list = parse(&String::from_utf8_lossy(&text))
            .map_err(|unknown| self.unknown(format!("{path} has {}", unknown.what)))?;
        let flow = self.deeper(|shell| shell.list(&list, io))?;
        self.line = line;
        Ok(match flow {
            Flow::Return(status) => Flow::Next(status),
            flow => flow,
        })
    }
}
