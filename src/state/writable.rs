//! The writable scope: lazy, and closed again whatever happens.
//!
//! The node itself opens the scope, with the first change, and closes it if the connection dies. Here
//! is only the bookkeeping, and what the user is told at the end.

use super::file::open_scope;
use super::node::Node;
use super::service::check_name;
use super::{Action, Aspect, Change};
use crate::error::{Error, ErrorKind, Result};
use crate::remote::Scope;

/// Starts a scope. Nothing happens on the node yet.
pub fn start_writable(node: &Node, mount: &str, services: &[String]) -> Result<()> {
    super::file::check_path(mount)?;
    services.iter().try_for_each(|service| check_name(service))?;
    let current = node.current_scope();
    if !current.mount.is_empty() {
        return Err(Error::playbook(format!(
            "`writable` inside `writable(\"{}\", …)`",
            current.mount
        ))
        .hint("End the outer one first: each remounts on its own."));
    }
    node.enter_scope(Scope { mount: mount.to_owned(), services: services.to_vec() });
    Ok(())
}

/// A scope that only stops services: no mount has this name, so that none is remounted.
const NO_MOUNT: &str = "-";

/// Stops `services` now; [`finish_stopped`] starts again those that ran.
pub fn start_stopped(node: &Node, services: &[String]) -> Result<()> {
    services.iter().try_for_each(|service| check_name(service))?;
    let current = node.current_scope();
    if !current.mount.is_empty() {
        return Err(Error::playbook("`stopped` inside `writable` or `stopped`").hint(
            "Give the services to the outer one: `host.writable(\"/\", #{ stop: [\"k3s\"] }, …)`.",
        ));
    }
    node.enter_scope(Scope { mount: NO_MOUNT.to_owned(), services: services.to_vec() });
    open_scope(node).inspect_err(|_| node.leave_scope())
}

/// Ends what [`start_stopped`] began.
pub fn finish_stopped(node: &Node) -> Result<Change> {
    let services = node.current_scope().services.join(" ");
    Ok(Change { verb: "stopped", subject: services, remark: None, ..finish_writable(node)? })
}

/// Ends the scope and says what it did: empty if no change ever opened it.
pub fn finish_writable(node: &Node) -> Result<Change> {
    let scope = node.current_scope();
    let change = Change::of("writable", &scope.mount);
    let (opened, left_open) = node.scope_was_opened();
    if !opened && !left_open {
        node.leave_scope();
        return Ok(change);
    }
    let closed = close(node, &scope, opened);
    node.leave_scope();
    let done = closed?;
    let mut words = done.split_whitespace();
    let mode = words.next().unwrap_or("rw");
    let services: Vec<&str> = words.collect();
    let action = match (mode, services.is_empty()) {
        ("ro", _) => Action::Remount,
        (_, false) => Action::Restart,
        // It was writable already, and is so still.
        (_, true) => return Ok(change),
    };
    let change = change.with(Aspect::Action { action });
    if services.is_empty() {
        return Ok(change);
    }
    Ok(change.remark(format!("{} stopped meanwhile", services.join(" and "))))
}

/// How the mount was found, and the services that were, or would be, stopped meanwhile.
fn close(node: &Node, scope: &Scope, opened: bool) -> Result<String> {
    if !opened {
        open_scope(node)?;
    }
    let output = node.remote().close_scope()?;
    if output.code != 0 {
        return Err(not_closed(scope, &String::from_utf8_lossy(&output.stderr)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn not_closed(scope: &Scope, stderr: &str) -> Error {
    let holders: Vec<&str> = stderr.lines().filter(|line| line.starts_with("held open")).collect();
    if stderr.contains("busy") {
        return Error::new(ErrorKind::Command, format!("{} cannot be made read-only again: it is busy", scope.mount))
            .detail(holders.join("\n"))
            .hint("The services run again. The next run tries once more; a reboot makes it read-only, too.");
    }
    Error::new(
        ErrorKind::Command,
        format!("a service did not start again after {} was writable", scope.mount),
    )
    .detail(stderr.trim_end())
}
