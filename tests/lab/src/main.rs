//! The lab by hand: `pirun-lab up 3`, `pirun-lab exec -- pirun provision.rhai`, `pirun-lab down`.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;

use clap::Parser;

mod cli;

fn main() -> ExitCode {
    match cli::Arguments::parse().run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("pirun-lab: {error:#}");
            ExitCode::FAILURE
        }
    }
}
