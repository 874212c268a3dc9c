//! The comparison: one and the same job, done by pirun, by plain `ssh` (the floor) and by pirun's peers, side by side
//! on the same nodes in one run. Says what each cost; asserts nothing about time, but gives no figure to a tool that
//! did not do the job.
//!
//! The way through the files: `options` is the command line, `obtain` fetches an SSH server and the peers, `isolate`
//! moves into namespaces, `nodes` starts hosts, `job` writes the job down for each of the `tools`, `measure` runs one
//! of them, `state` checks what it did, `rows` are the experiments, `report` the tables,
//! `target` what pirun is held to.

// A measuring program's output is what it is for.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod cgroup;
mod isolate;
mod job;
mod measure;
mod nodes;
mod obtain;
mod options;
mod relay;
mod report;
mod rows;
mod state;
mod target;
mod tools;

use anyhow::Result;
use clap::Parser as _;

use crate::options::Options;

fn main() -> Result<()> {
    let options = Options::parse();
    if !isolate::is_inside() {
        // Here, because inside there is no network.
        obtain::all(&options.tools)?;
        return isolate::enter();
    }
    let report = rows::run(&options)?;
    println!("\n{report}");
    if let Some(path) = &options.output {
        std::fs::create_dir_all(path.parent().unwrap_or(path))?;
        std::fs::write(path, report)?;
        eprintln!("written to {}", path.display());
    }
    Ok(())
}
