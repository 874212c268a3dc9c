//! One Ctrl-C for the whole program: threads ask, waiting tasks are woken.

use tokio::sync::watch;

/// Clones share one switch. Once cancelled it stays so.
#[derive(Debug, Clone)]
pub struct Cancel(watch::Sender<bool>);

impl Default for Cancel {
    fn default() -> Self {
        Self(watch::Sender::new(false))
    }
}

impl Cancel {
    /// Flips the switch.
    pub fn cancel(&self) {
        self.0.send_replace(true);
    }

    pub fn is_cancelled(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns when the switch is flipped.
    pub async fn cancelled(&self) {
        let mut switch = self.0.subscribe();
        // The sender lives in `self`, so the only end of the wait is the switch.
        let _ = switch.wait_for(|cancelled| *cancelled).await;
    }
}
