//! The network between operator and nodes: counted, slow, cut.

use std::io::{Read, Write};
use std::process::Stdio;
use std::time::{Duration, Instant};

use pirun_lab::{Cut, Lab, Node, Relay, Result};

/// `ssh` to a node by way of its relay.
fn ssh(lab: &Lab, node: &Node, relay: &Relay) -> std::process::Command {
    let mut command = lab.ssh(node);
    command.args(["-o", &format!("HostName={}", relay.address()), "-o", "ControlMaster=no"]);
    command
}

#[test]
fn a_relay_counts_what_passes() -> Result<()> {
    let lab = Lab::start()?;
    let node = lab.fast_node("rpi40")?;
    let relay = lab.relay(&node)?;
    let output = ssh(&lab, &node, &relay).arg("head -c 100000 /dev/zero").output()?;
    assert_eq!(output.stdout.len(), 100_000, "{output:?}");
    let traffic = relay.traffic();
    assert_eq!(traffic.connections, 1);
    assert!((100_000..130_000).contains(&traffic.bytes_from_node), "{traffic:?}");
    assert!((1000..10_000).contains(&traffic.bytes_to_node), "{traffic:?}");
    assert!((5..40).contains(&traffic.turnarounds), "{traffic:?}");
    Ok(())
}

#[test]
fn a_relay_can_be_cut_at_a_byte() -> Result<()> {
    let lab = Lab::start()?;
    let node = lab.fast_node("rpi40")?;
    let relay = lab.relay(&node)?;
    relay.cut_after(50_000, Cut::Reset);
    let mut child = ssh(&lab, &node, &relay)
        .arg("cat > /data/upload")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    // It breaks in the middle, which is what this is about.
    let _ = child.stdin.take().map(|mut stdin| stdin.write_all(&[b'x'; 1_000_000]));
    assert!(!child.wait_with_output()?.status.success());
    assert_eq!(relay.traffic().bytes_to_node, 50_000);
    let arrived: u64 = node.sh("cat /data/upload 2>/dev/null | wc -c")?.trim().parse()?;
    assert!(arrived < 50_000, "{arrived}");
    Ok(())
}

#[test]
fn a_silent_relay_goes_on_when_it_is_mended() -> Result<()> {
    let lab = Lab::start()?;
    let node = lab.fast_node("rpi40")?;
    let relay = lab.relay(&node)?;
    relay.cut_after(30_000, Cut::Silence);
    let mut child = ssh(&lab, &node, &relay)
        .arg("cat | wc -c")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let stdin = child.stdin.take();
    let writer =
        std::thread::spawn(move || stdin.map(|mut stdin| stdin.write_all(&[b'x'; 300_000])));
    while !relay.is_cut() {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(child.try_wait()?.is_none());
    relay.mend();
    assert_eq!(String::from_utf8(child.wait_with_output()?.stdout)?.trim(), "300000");
    assert!(writer.join().is_ok_and(|written| written.is_some_and(|written| written.is_ok())));
    Ok(())
}

#[test]
fn a_slow_relay_is_slow_in_both_directions() -> Result<()> {
    let lab = Lab::start()?;
    let node = lab.fast_node("rpi40")?;
    let relay = lab.relay(&node)?;
    relay.delay(Duration::from_millis(40));
    let greeting = lab.hub().run(|| {
        let start = Instant::now();
        let mut stream = std::net::TcpStream::connect((relay.address(), 22))?;
        stream.read_exact(&mut [0; 8])?;
        Ok(start.elapsed())
    })?;
    assert!(greeting >= Duration::from_millis(40), "{greeting:?}");
    Ok(())
}

#[test]
fn a_long_cable_delays_every_frame() -> Result<()> {
    let lab = Lab::start()?;
    let node = lab.fast_node("rpi40")?;
    let connect = || {
        lab.hub().run(|| {
            let start = Instant::now();
            std::net::TcpStream::connect((node.address(), 22))?;
            Ok(start.elapsed())
        })
    };
    node.delay(Duration::from_millis(30))?;
    assert!(connect()? >= Duration::from_millis(60));
    let boots = node.boots();
    node.sh("reboot -f")?;
    node.wait_rebooted(boots)?;
    assert!(connect()? >= Duration::from_millis(60));
    node.delay(Duration::ZERO)?;
    connect()?;
    assert_eq!(lab.ssh(&node).arg("hostname").output()?.stdout, b"rpi40\n");
    Ok(())
}

#[test]
fn a_cut_link_is_silent_and_can_be_mended() -> Result<()> {
    let lab = Lab::start()?;
    let node = lab.fast_node("rpi40")?;
    node.cut()?;
    let quick = ["-o", "ConnectTimeout=1", "-o", "BatchMode=yes"];
    assert!(!lab.ssh(&node).args(quick).arg("true").output()?.status.success());
    assert!(node.is_on());
    node.mend()?;
    assert_eq!(lab.ssh(&node).arg("hostname").output()?.stdout, b"rpi40\n");
    Ok(())
}

#[test]
fn the_plug_counts_bytes_and_packets() -> Result<()> {
    let lab = Lab::start()?;
    let node = lab.fast_node("rpi40")?;
    let before = node.wire()?;
    let output = lab.ssh(&node).arg("head -c 200000 /dev/zero").output()?;
    let after = node.wire()?;
    assert_eq!(output.stdout.len(), 200_000);
    assert!(after.bytes_from_node - before.bytes_from_node > 200_000, "{before:?} {after:?}");
    assert!(after.packets_to_node > before.packets_to_node);
    Ok(())
}
