//! A change with a way back: the node undoes it by itself unless pirun comes back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::node::Node;
use crate::cancel::Cancel;
use crate::error::{Error, ErrorKind, Result};
use crate::inventory::Host;
use crate::remote::quote::sh_quote;
use crate::remote::{Connect, Remote, Run, refusal};

/// A timer on the node that will run a script.
pub struct Undo {
    /// The script; it is run only if it is still there when the time is up.
    file: String,
    limit: Duration,
    armed: Instant,
}

impl Undo {
    /// Puts `script` on the node and starts the timer.
    pub fn arm(node: &Node, script: &str, limit: Duration) -> Result<Self> {
        let file = "/run/pirun.undo".to_owned();
        let start = format!(
            "umask 077; printf %s {} >{file} || exit; \
             setsid sh -c 'sleep {}; [ -e {file} ] && sh {file}; rm -f {file}' </dev/null >/dev/null 2>&1 &",
            sh_quote(script),
            limit.as_secs().max(1)
        );
        match node.remote().run(&Run { script: start, ..Run::default() })? {
            Some(output) if output.code != 0 => {
                Err(refusal(&String::from_utf8_lossy(&output.stderr), None))
            }
            _ => Ok(Self { file, limit, armed: Instant::now() }),
        }
    }

    /// Comes back over a new connection and stops the timer; gives that connection.
    pub fn confirm(
        &self,
        host: &Host,
        connect: &dyn Connect,
        cancel: &Cancel,
    ) -> Result<Arc<dyn Remote>> {
        let mut seen = String::new();
        while self.armed.elapsed() < self.limit && !cancel.is_cancelled() {
            match connect.connect(host).and_then(|remote| self.stop(remote)) {
                Ok(remote) => return Ok(remote),
                Err(error) => seen = error.to_string(),
            }
            std::thread::sleep(Duration::from_secs(1));
        }
        let error = format!("the change could not be confirmed within {} s", self.limit.as_secs());
        Err(Error::new(ErrorKind::Timeout, error)
            .detail(seen)
            .hint("The node has undone it by itself, or does so in this moment."))
    }

    fn stop(&self, remote: Arc<dyn Remote>) -> Result<Arc<dyn Remote>> {
        let script = format!("rm {}", self.file);
        match remote.run(&Run { script, ..Run::default() })? {
            Some(output) if output.code != 0 => Err(Error::new(
                ErrorKind::Timeout,
                "the node was quicker and has undone the change",
            )),
            _ => Ok(remote),
        }
    }

    /// Undoes now, because the change itself failed.
    pub fn now(&self, node: &Node) -> Result<()> {
        let script = format!("mv {0} {0}.now && sh {0}.now; rm -f {0}.now", self.file);
        node.remote().run(&Run { script, ..Run::default() }).map(drop)
    }
}
