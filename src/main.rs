//! Arguments in, exit code out.

use std::process::ExitCode;

use clap::Parser;
use pirun::cli::{self, Cli};
use pirun::ui::Ui;

fn main() -> ExitCode {
    let ui = Ui::default();
    match cli::run(Cli::parse(), &ui) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            ui.error(&error);
            ExitCode::from(error.kind().exit_code())
        }
    }
}
