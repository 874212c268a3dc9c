//! What a backup of a node would be, before anything is done: for the dry run, and for whoever is asked.

use super::snapshot::{Survey, What, data_paths};
use super::unit::Method;
use crate::error::{Error, ErrorKind, Result};
use crate::state::{Aspect, Change, Node};
use crate::units::size;

/// What would be backed up, and how: names below `/data`, or without any the control plane, with k3s stopped if the user wants
/// that.
///
/// # Errors
/// The node is no server, a name leads elsewhere, or there is no room for a copy.
pub fn foresee(node: &Node, paths: &[String], stop: bool) -> Result<(What, Change)> {
    if !paths.is_empty() {
        let paths = data_paths(paths)?;
        let change = Change::of("backup", "/data").with(Aspect::Created).remark(paths.join(" "));
        return Ok((What::Paths(paths), change));
    }
    let survey = Survey::look(&**node.remote())?;
    let method = survey.method(stop);
    if !survey.has_room() && method != Method::Stop {
        let (needed, free) = (size(survey.needed() << 10), size(survey.free << 10));
        return Err(Error::new(
            ErrorKind::Backup,
            format!("no room for a copy of the datastore: {needed} needed, {free} free"),
        )
        .hint(
            "Free some on /data, or use `--stop`: k3s is stopped then while its datastore is sent.",
        ));
    }
    let datastore = size(survey.database << 10);
    let change = Change::of("backup", "the control plane").with(Aspect::Created);
    let change = match method {
        Method::Vacuum => change.remark(format!("datastore of {datastore}, copied by sqlite3")),
        Method::Freeze if survey.is_running => {
            change.remark(format!("k3s stands still while {datastore} are copied"))
        }
        Method::Stop if survey.is_running => {
            let during = if survey.has_room() { "copied" } else { "sent" };
            change.remark(format!("k3s is stopped while {datastore} are {during}"))
        }
        Method::Freeze | Method::Stop => {
            change.remark(format!("datastore of {datastore}; k3s is off"))
        }
    };
    Ok((What::Server(method), change))
}
