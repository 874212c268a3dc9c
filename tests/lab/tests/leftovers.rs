//! Nothing of a lab stays behind, however it ends.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use pirun_lab::{Lab, Result, base_dir};

/// Processes in the namespace of a node's first process; none are left when it is gone.
fn is_alive(pid: &str) -> bool {
    // A dead one whose parent is dead as well may be waiting for the machine's first process.
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

fn first_process(root: PathBuf) -> String {
    root.to_string_lossy()
        .split('/')
        .nth(2)
        .unwrap_or_default()
        .to_owned()
}

#[test]
fn a_panic_takes_the_lab_away() -> Result<()> {
    let (sender, receiver) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        let lab = Lab::start().expect("a lab");
        let node = lab.fast_node("rpi40").expect("a node");
        sender
            .send((lab.dir().to_owned(), first_process(node.root())))
            .expect("somebody listens");
        panic!("as a failed assertion would");
    });
    let (dir, pid) = receiver.recv()?;
    assert!(thread.join().is_err());
    assert!(!dir.exists() && !is_alive(&pid));
    Ok(())
}

/// Not a test by itself: the process that the next test kills.
#[test]
#[ignore = "started by another test"]
fn victim() -> Result<()> {
    let Ok(told) = std::env::var("PIRUN_LAB_VICTIM") else {
        return Ok(());
    };
    let lab = Lab::start()?;
    let node = lab.card_node("rpi40")?;
    fs::write(
        told,
        format!("{} {}", lab.dir().display(), first_process(node.root())),
    )?;
    loop {
        std::thread::park();
    }
}

#[test]
fn a_killed_process_takes_its_nodes_along_and_the_next_lab_reaps_the_rest() -> Result<()> {
    let told = tempfile::NamedTempFile::new()?;
    let mut victim = Command::new(std::env::current_exe()?)
        .args(["--ignored", "--exact", "victim"])
        .env("PIRUN_LAB_VICTIM", told.path())
        .stdout(Stdio::null())
        .spawn()?;
    let mut text = String::new();
    while text.is_empty() && victim.try_wait()?.is_none() {
        std::thread::sleep(std::time::Duration::from_millis(10));
        text = fs::read_to_string(told.path())?;
    }
    let (dir, pid) = text.split_once(' ').unwrap_or_default();
    assert!(is_alive(pid), "{text}");
    victim.kill()?;
    victim.wait()?;
    // The first process follows its parent; nothing tells when.
    while is_alive(pid) {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let _lab = Lab::start()?;
    assert!(!PathBuf::from(dir).exists(), "{dir}");
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
        lab(&["status"])?
            .lines()
            .any(|line| line.contains("rpi40") && line.contains("2 boots"))
    );
    lab(&["down"])?;
    assert!(!dir.exists());
    Ok(())
}

#[test]
fn a_second_lab_in_the_same_place_is_refused() -> Result<()> {
    let dir = base_dir().join(format!("twice-{}", std::process::id()));
    let _lab = Lab::start_at(&dir)?;
    let error = Lab::start_at(&dir)
        .err()
        .map(|error| error.to_string())
        .unwrap_or_default();
    assert!(error.contains("a lab is running in"), "{error}");
    Ok(())
}
