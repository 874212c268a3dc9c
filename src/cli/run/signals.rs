//! Ctrl-C: the first one lets every host finish or undo what it is writing, the second one ends at once.

use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

use crate::cancel::Cancel;
use crate::error::ErrorKind;
use crate::ui::Ui;

/// Watches for SIGINT and SIGTERM on a thread of its own. Without it, signals end the program as usual.
pub fn watch(cancel: Cancel, ui: Ui) {
    let watcher = std::thread::Builder::new().name("signals".to_owned());
    // A failure to start the thread leaves the system's own handling, which is good enough.
    let _ = watcher.spawn(move || {
        let Ok(runtime) = Builder::new_current_thread().enable_io().build() else { return };
        runtime.block_on(wait(&cancel, &ui));
    });
}

async fn wait(cancel: &Cancel, ui: &Ui) {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return;
    };
    for count in 0.. {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        if count > 0 {
            ui.close();
            std::process::exit(i32::from(ErrorKind::Cancelled.exit_code()));
        }
        ui.note("cancelling: hosts finish what they are writing. Ctrl-C again ends at once.");
        cancel.cancel();
    }
}
