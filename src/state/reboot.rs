//! Reboot and wait, without ever trusting the old connection.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::facts::Facts;
use super::node::Node;
use crate::cancel::Cancel;
use crate::error::{Error, ErrorKind, Result};
use crate::inventory::Host;
use crate::remote::{Connect, Remote, Run};

/// Between two attempts to log in.
const PAUSE: Duration = Duration::from_millis(500);

/// Reboots and returns the connection to the new boot.
///
/// The command is detached, so that the channel closes before the node goes down; a node counts as
/// rebooted only when a new login finds another boot.
pub fn reboot(
    node: &Node,
    host: &Host,
    connect: &dyn Connect,
    limit: Duration,
    cancel: &Cancel,
) -> Result<Arc<dyn Remote>> {
    let before = Facts::gather(node)?.boot_id();
    let script = "setsid sh -c 'sleep 1; exec reboot' </dev/null >/dev/null 2>&1 &".to_owned();
    node.run(Run { script, ..Run::default() })?;
    let deadline = Instant::now() + limit;
    let mut seen = "no login succeeded".to_owned();
    // The node goes down a second from now at the earliest.
    thread::sleep(Duration::from_millis(1500));
    while Instant::now() < deadline {
        if cancel.is_cancelled() {
            return Err(Error::cancelled());
        }
        match connect.connect(host).and_then(|remote| boot_of(remote, &before)) {
            Ok(Ok(remote)) => return Ok(remote),
            Ok(Err(same)) => seen = same,
            Err(error) => seen = error.to_string(),
        }
        thread::sleep(PAUSE);
    }
    Err(Error::new(ErrorKind::Timeout, format!("did not come back within {} s", limit.as_secs()))
        .detail(format!("last seen: {seen}"))
        .hint("Look at the node's console; a larger `timeout` helps only if it boots slowly."))
}

/// The remote if it runs another boot than `before`, else what to tell.
fn boot_of(
    remote: Arc<dyn Remote>,
    before: &str,
) -> Result<std::result::Result<Arc<dyn Remote>, String>> {
    let now = Facts::gather(&Node::new(Arc::clone(&remote), None))?.boot_id();
    Ok(if now == before {
        Err("the same boot answers: it did not go down".into())
    } else {
        Ok(remote)
    })
}
