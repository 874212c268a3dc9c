//! Starts the user's editor, and waits for it.

use std::path::Path;
use std::process::ExitStatus;

use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};

use crate::child;
use crate::error::{Error, Result};

/// vi's children that would otherwise write swap, undo or history files, which may lie on a disk.
const VIM: [&str; 3] = ["vim", "nvim", "gvim"];
const VIM_OPTIONS: &str = "-n -i NONE --cmd 'set noundofile nobackup nowritebackup'";

/// Returns when the editor has ended well.
///
/// # Errors
/// It cannot be started, or ends with another exit code than 0; a signal that asks pirun to end gives `Cancelled`.
pub fn open(file: &Path) -> Result<()> {
    let editor = command();
    // A thread of its own: this one may belong to a runtime already.
    let status = std::thread::scope(|scope| scope.spawn(|| wait(&editor, file)).join());
    let status = status.map_err(|_| Error::bug("waiting for the editor panicked"))??;
    match status.success() {
        true => Ok(()),
        false => {
            Err(Error::usage(format!("the editor ended with {status}"))
                .hint("Nothing was changed."))
        }
    }
}

/// The editor with its options, for a shell.
fn command() -> String {
    let set = |name| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    let editor = set("VISUAL").or_else(|| set("EDITOR")).unwrap_or_else(|| "vi".to_owned());
    let program = editor.split_whitespace().next().and_then(|program| program.rsplit('/').next());
    match program {
        Some(program) if VIM.contains(&program) => format!("{editor} {VIM_OPTIONS}"),
        _ => editor,
    }
}

fn wait(editor: &str, file: &Path) -> Result<ExitStatus> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::bug(error.to_string()))?;
    runtime.block_on(async {
        let failed =
            |error: std::io::Error| Error::file(format!("the editor cannot be started: {error}"));
        // The plaintext has to be wiped, so none of these may end us; Ctrl-C is the editor's.
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        let mut hangup = signal(SignalKind::hangup()).map_err(failed)?;
        let mut editing = Command::from(child::command("sh"))
            .args(["-c", &format!("exec {editor} \"$1\""), "sh"])
            .arg(file)
            .spawn()
            .map_err(failed)?;
        loop {
            tokio::select! {
                status = editing.wait() => return status.map_err(failed),
                _ = interrupt.recv() => {}
                _ = terminate.recv() => break,
                _ = hangup.recv() => break,
            }
        }
        editing.kill().await.map_err(failed)?;
        Err(Error::cancelled())
    })
}
