//! How a command talks to the process that holds the lab: one line there, an answer back, over a socket in the lab's
//! directory.

use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Error, Result, bail};

/// What can be asked. Its text form is the protocol.
pub enum Request {
    Down,
    Inventory,
    /// Where the user namespace and the hub's network namespace can be opened, a line each.
    Network,
    Status,
    PowerCut(String, Duration),
    Cut(String),
    Mend(String),
    /// One way; of all nodes if none is named.
    Delay(Duration, Option<String>),
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Down => write!(f, "down"),
            Self::Inventory => write!(f, "inventory"),
            Self::Network => write!(f, "network"),
            Self::Status => write!(f, "status"),
            Self::PowerCut(name, off) => write!(f, "powercut {name} {}", off.as_secs_f64()),
            Self::Cut(name) => write!(f, "cut {name}"),
            Self::Mend(name) => write!(f, "mend {name}"),
            Self::Delay(time, name) => {
                write!(f, "delay {} {}", time.as_secs_f64(), name.as_deref().unwrap_or_default())
            }
        }
    }
}

impl FromStr for Request {
    type Err = Error;

    fn from_str(line: &str) -> Result<Self> {
        let words: Vec<&str> = line.split_whitespace().collect();
        Ok(match words[..] {
            ["down"] => Self::Down,
            ["inventory"] => Self::Inventory,
            ["network"] => Self::Network,
            ["status"] => Self::Status,
            ["powercut", name, off] => {
                Self::PowerCut(name.to_owned(), Duration::try_from_secs_f64(off.parse()?)?)
            }
            ["cut", name] => Self::Cut(name.to_owned()),
            ["delay", time] => Self::Delay(Duration::try_from_secs_f64(time.parse()?)?, None),
            ["delay", time, name] => {
                Self::Delay(Duration::try_from_secs_f64(time.parse()?)?, Some(name.to_owned()))
            }
            ["mend", name] => Self::Mend(name.to_owned()),
            _ => bail!("not a request: {line:?}"),
        })
    }
}

pub fn socket(dir: &Path) -> PathBuf {
    dir.join("control")
}

/// Asks the lab in `dir`; its answer.
pub fn ask(dir: &Path, request: &Request) -> Result<String> {
    let no_lab =
        || format!("no lab is running in {}: start one with `pirun-lab up 3`", dir.display());
    let mut stream = UnixStream::connect(socket(dir)).with_context(no_lab)?;
    writeln!(stream, "{request}")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    match answer.split_once('\n') {
        Some(("ok", text)) => Ok(text.to_owned()),
        Some((_, complaint)) => bail!("{}", complaint.trim_end()),
        None => bail!("the lab's process ended before it answered"),
    }
}

/// Reads one request from `stream` and answers with what `work` makes of it. Returns whether it was the last one.
pub fn answer(stream: UnixStream, work: impl FnOnce(Request) -> Result<String>) -> Result<bool> {
    let mut line = String::new();
    BufReader::new(&stream).read_line(&mut line)?;
    let request: Result<Request> = line.parse();
    let is_last = matches!(request, Ok(Request::Down));
    let answer = match request.and_then(work) {
        Ok(text) => format!("ok\n{text}"),
        Err(error) => format!("error\n{error:#}\n"),
    };
    (&stream).write_all(answer.as_bytes())?;
    Ok(is_last)
}

/// Ends the lab in `dir`, and waits until its directory is free for another.
pub fn end(dir: &Path) -> Result<()> {
    ask(dir, &Request::Down)?;
    for _ in 0..1000 {
        if !dir.exists() {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(10));
    }
    bail!("the lab's nodes have ended, but {} is still there", dir.display());
}

/// Moves the process, which must not have started threads, to the network of the lab in `dir`.
pub fn enter_network(dir: &Path) -> Result<()> {
    let paths = ask(dir, &Request::Network)?;
    let (user, network) = paths.split_once('\n').context("not what a lab answers")?;
    if !rustix::process::geteuid().is_root() {
        pirun_lab::enter_namespace(Path::new(user))?;
    }
    pirun_lab::enter_namespace(Path::new(network.trim()))
}
