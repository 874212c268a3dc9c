//! How a run gets its connections: over OpenSSH, and in a dry run behind an overlay.

use std::sync::Arc;

use tokio::runtime::{Builder, Runtime};

use super::{Connect, DryRemote, Remote, SshConfig, SshRemote};
use crate::cancel::Cancel;
use crate::error::{Error, ErrorKind, Result};
use crate::inventory::Host;

/// Logs in by OpenSSH.
pub struct SshConnect {
    config: SshConfig,
    runtime: Runtime,
    cancel: Cancel,
    dry: bool,
}

impl SshConnect {
    /// `dry`: nodes are only looked at.
    pub fn new(config: SshConfig, cancel: Cancel, dry: bool) -> Result<Self> {
        // The waiting is done by the operating system; two threads move the bytes of a hundred nodes.
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(|error| Error::bug(format!("no threads for the connections: {error}")))?;
        Ok(Self { config, runtime, cancel, dry })
    }

    fn log_in(&self, host: &Host) -> Result<SshRemote> {
        SshRemote::connect(host, &self.config, self.runtime.handle(), &self.cancel, !self.dry)
    }
}

impl Connect for SshConnect {
    fn connect(&self, host: &Host) -> Result<Arc<dyn Remote>> {
        // dropbear turns clients away when a few others are logging in: that passes in a moment.
        let remote = match self.log_in(host) {
            Err(error) if error.kind() == ErrorKind::Connect && is_passing(&error) => {
                std::thread::sleep(std::time::Duration::from_millis(300));
                self.log_in(host)
            }
            other => other,
        };
        let remote: Arc<dyn Remote> = Arc::new(remote?);
        Ok(if self.dry { Arc::new(DryRemote::new(remote)) } else { remote })
    }
}

/// Whether the server hung up on a login that it may well accept a moment later.
fn is_passing(error: &Error) -> bool {
    ["reset by peer", "closed by remote host", "kex_exchange"]
        .iter()
        .any(|text| error.message().contains(text))
}
