//! A server's datastore before another k3s gets at it: a copy on the node that an older k3s can go back to.

use super::wrong;
use crate::error::Result;
use crate::remote::quote::sh_quote;
use crate::remote::{Query, Run};
use crate::state::{Action, Aspect, Change, Node};

/// The program on nodes; images of pirun's have it, for others it travels along.
const PROGRAM: &str = include_str!("../../stdlib/image/pirun-datastore");

/// Stops k3s and copies its datastore; k3s starts again with the reboot that is to follow, or by itself after three
/// minutes. Nothing to do on a node that is no server.
///
/// # Errors
/// When there is no room on `/data`, or k3s does not stop. k3s goes on then.
pub fn keep(node: &Node) -> Result<Change> {
    let change = Change::of("keep_datastore", "/data/pirun/datastore");
    let script = "du -k /var/lib/rancher/k3s/server/db/state.db 2>/dev/null | cut -f 1";
    let output = node.remote().query(&Query { script: script.into(), ..Query::default() })?;
    let Ok(kib) = String::from_utf8_lossy(&output.stdout).trim().parse::<u64>() else {
        return Ok(change);
    };
    let change = change
        .with(Aspect::Binary { before: 0, after: kib << 10 })
        .with(Aspect::Action { action: Action::Stop })
        .remark("k3s until the reboot");
    if !node.agrees(&change)? {
        return Ok(change.unless_changed());
    }
    run(node, "keep", "the datastore was not copied")?;
    Ok(change)
}

/// Has the datastore of the older k3s put back: when that image boots, or at once, if it runs already.
///
/// # Errors
/// When none is kept, or it cannot be put back.
pub fn put_back(node: &Node) -> Result<Change> {
    let change = Change::of("return_datastore", "/data/pirun/datastore")
        .with(Aspect::Action { action: Action::Run });
    if !node.agrees(&change)? {
        return Ok(change.unless_changed());
    }
    run(node, "return", "the older datastore cannot be put back")?;
    Ok(change)
}

/// After a trial that ended by going back, on a node whose older image does not know of the copy: does what its boot
/// would have done. Nothing to do where no trial has used the datastore.
///
/// # Errors
/// When it cannot be put back.
pub fn settle(node: &Node) -> Result<Change> {
    let change = Change::of("return_datastore", "/data/pirun/datastore");
    let script = format!("{} due", program());
    let output = node.remote().query(&Query { script, ..Query::default() })?;
    if output.code != 0 {
        return Ok(change);
    }
    let change = change.with(Aspect::Action { action: Action::Restart }).remark("k3s");
    if !node.agrees(&change)? {
        return Ok(change.unless_changed());
    }
    let script = format!(
        "rc-service -q k3s stop; {} booted; e=$?; rc-service -q k3s start; exit $e",
        program()
    );
    act(node, script, "the older datastore cannot be put back")?;
    Ok(change)
}

fn run(node: &Node, command: &str, refusal: &str) -> Result<()> {
    act(node, format!("{} {command}", program()), refusal)
}

fn act(node: &Node, script: String, refusal: &str) -> Result<()> {
    match node.run(Run { script, ..Run::default() })? {
        Some(output) if output.code != 0 => {
            let said =
                String::from_utf8_lossy(&output.stderr).trim().replace("pirun-datastore: ", "");
            Err(wrong(format!("{refusal}: {said}")))
        }
        _ => Ok(()),
    }
}

/// Shell text that a command of the program can be put behind.
fn program() -> String {
    format!(
        "p() {{ if [ -x /usr/sbin/pirun-datastore ]; then /usr/sbin/pirun-datastore \"$@\"; else sh -c {} pirun-datastore \"$@\"; fi; }}; p",
        sh_quote(PROGRAM)
    )
}
