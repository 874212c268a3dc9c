//! Fast nodes: a system that has booted, on a read-only root, reached by SSH.
#![allow(clippy::unwrap_used)]

use pirun_lab::{Lab, Result};

#[test]
fn a_fast_node_answers_ssh() -> Result<()> {
    let lab = Lab::start()?;
    let node = lab.fast_node("rpi40")?;
    let output = lab.ssh(&node).arg("hostname; cat /etc/alpine-release").output()?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    assert!(output.stdout.starts_with(b"rpi40\n3.23."), "{output:?}");
    Ok(())
}
