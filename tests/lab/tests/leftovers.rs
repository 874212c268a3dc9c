//! Nothing of a lab stays behind, however it ends.

use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use pirun_lab::{Lab, Result, base_dir};

/// Processes in the namespace of a node's first process; none are left when it is gone.
fn is_alive(pid: &str) -> bool {
    // A dead one whose parent is dead as well may be waiting for the machine's first process.
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

fn first_process(root: PathBuf) -> String {
    root.to_string_lossy().split('/').nth(2).unwrap_or_default().to_owned()
}

#[test]
fn a_panic_takes_the_lab_away() -> Result<()> {
    let (sender, receiver) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        let lab = Lab::start().expect("a lab");
        let node = lab.fast_node("rpi40").expect("a node");
        sender.send((lab.dir().to_owned(), first_process(node.root()))).expect("somebody listens");
        panic!("as a failed assertion would");
    });
    let (dir, pid) = receiver.recv()?;
    assert!(thread.join().is_err());
    assert!(!dir.exists() && !is_alive(&pid));
    Ok(())
}

/// Processes whose parent is `pid` or one of its threads.
fn children(pid: u32) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = fs::read_to_string(thread?.path().join("children"))?;
        found.extend(text.split_whitespace().map(str::to_owned));
    }
    Ok(found)
}

#[test]
fn a_killed_process_takes_its_nodes_along_and_the_next_lab_reaps_the_rest() -> Result<()> {
    let dir = base_dir().join(format!("killed-{}", std::process::id()));
    let mut holder = Command::new(env!("CARGO_BIN_EXE_pirun-lab"))
        .arg("--dir")
        .arg(&dir)
        .args(["serve", "1", "--card"])
        .stdout(Stdio::piped())
        .spawn()?;
    let mut said = String::new();
    if let Some(mut stdout) = holder.stdout.take() {
        stdout.read_to_string(&mut said)?;
    }
    assert_eq!(said, "ready\n");
    let processes = children(holder.id())?;
    assert!(!processes.is_empty() && processes.iter().all(|pid| is_alive(pid)));
    holder.kill()?;
    holder.wait()?;
    // A node's first process follows its parent; nothing tells when.
    while processes.iter().any(|pid| is_alive(pid)) {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let _lab = Lab::start()?;
    assert!(!dir.exists());
    Ok(())
}

#[test]
fn the_command_line_starts_shows_and_ends_a_lab() -> Result<()> {
    let dir = base_dir().join(format!("test-{}", std::process::id()));
    let lab = |words: &[&str]| -> Result<String> {
        let output = Command::new(env!("CARGO_BIN_EXE_pirun-lab"))
            .arg("--dir")
            .arg(&dir)
            .args(words)
            .output()?;
        assert!(output.status.success(), "{words:?}: {output:?}");
        Ok(String::from_utf8(output.stdout)?)
    };
    assert!(lab(&["up", "2"])?.contains("rpi41"));
    let pid = lab(&["ssh", "rpi41", "cat /proc/sys/kernel/hostname"])?;
    assert_eq!(pid, "rpi41\n");
    assert!(lab(&["inventory"])?.contains("ansible_host: 10.99."));
    assert!(lab(&["exec", "--", "ip", "-brief", "address"])?.contains("10.99.0.1/16"));
    lab(&["cut", "rpi40"])?;
    lab(&["mend", "rpi40"])?;
    lab(&["delay", "5", "rpi40"])?;
    lab(&["delay", "0"])?;
    lab(&["powercut", "rpi40", "--off", "0"])?;
    assert!(
        lab(&["status"])?.lines().any(|line| line.contains("rpi40") && line.contains("boots: 2"))
    );
    lab(&["down"])?;
    assert!(!dir.exists());
    Ok(())
}

#[test]
fn a_second_lab_in_the_same_place_is_refused() -> Result<()> {
    let dir = base_dir().join(format!("twice-{}", std::process::id()));
    let _lab = Lab::start_at(&dir)?;
    let error = Lab::start_at(&dir).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains("a lab is running in"), "{error}");
    Ok(())
}
