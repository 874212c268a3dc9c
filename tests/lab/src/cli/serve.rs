//! The process that holds a lab started with `up`, until it is asked to end it.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context, Result};
use pirun_lab::{Lab, Node};

use super::control::{self, Request};
use super::up::Options;

/// What it prints when all nodes are up.
pub const READY: &str = "ready\n";

/// The number in the first node's name.
const FIRST: u16 = 40;

pub fn serve(dir: &Path, options: &Options) -> Result<ExitCode> {
    if !rustix::process::geteuid().is_root() {
        pirun_lab::rootless::enter()?;
    }
    let lab = Lab::start_at(dir)?;
    if let Some(path) = &options.ssh_key {
        lab.authorize(
            &fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?,
        );
    }
    let names: Vec<String> =
        (FIRST..FIRST + options.nodes).map(|number| format!("rpi{number}")).collect();
    if options.card {
        lab.card_nodes(&names)?;
    } else {
        lab.fast_nodes(&names)?;
    }
    listen(&lab, dir)?;
    Ok(ExitCode::SUCCESS)
}

/// Answers, several at a time, until it is asked to end.
fn listen(lab: &Lab, dir: &Path) -> Result<()> {
    let listener = UnixListener::bind(control::socket(dir))?;
    announce_ready()?;
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        while !over.load(Ordering::Relaxed) {
            let (stream, _) = listener.accept()?;
            scope.spawn(|| {
                let is_last = control::answer(stream, |request| act(lab, request));
                if is_last.unwrap_or(false) {
                    over.store(true, Ordering::Relaxed);
                    // Wakes the loop above.
                    drop(UnixStream::connect(control::socket(dir)));
                }
            });
        }
        Ok(())
    })
}

fn announce_ready() -> Result<()> {
    print!("{READY}");
    std::io::stdout().flush()?;
    // The caller waits for the end of this output.
    Ok(rustix::stdio::dup2_stdout(File::options().write(true).open("/dev/null")?)?)
}

fn act(lab: &Lab, request: Request) -> Result<String> {
    match request {
        Request::Down => lab.end_nodes(),
        Request::Inventory => return Ok(lab.inventory()),
        Request::Network => {
            let process = format!("/proc/{}", std::process::id());
            let network = lab.hub().network_fd().as_raw_fd();
            return Ok(format!("{process}/ns/user\n{process}/fd/{network}\n"));
        }
        Request::Status => return Ok(status(lab)),
        Request::PowerCut(name, off) => {
            let node = lab.find(&name)?;
            node.power_cut()?;
            thread::sleep(off);
            node.power_on()?;
            node.wait_up()?;
        }
        Request::Delay(one_way, None) => lab.delay(one_way)?,
        Request::Delay(one_way, Some(name)) => lab.find(&name)?.delay(one_way)?,
        Request::Cut(name) => lab.find(&name)?.cut()?,
        Request::Mend(name) => lab.find(&name)?.mend()?,
    }
    Ok(String::new())
}

fn status(lab: &Lab) -> String {
    let line = |node: &Node| {
        let power = if node.is_on() { "on" } else { "off" };
        format!("{:<8} {:<12} {power:<4} boots: {}\n", node.name(), node.address(), node.boots())
    };
    lab.nodes().iter().map(line).collect()
}
