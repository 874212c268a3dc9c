//! Backing up a control plane of 256 MiB: pirun beside `ssh tar | age` and `ssh tar | restic`, of the same lab node to the same place.
//! Prints a table; asserts nothing. The others copy a live datastore file by file, which is not restorable, and verify nothing;
//! pirun's row has its verification in it. `scripts/bench backup` calls it.

// A measuring program's output is what it is for.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

#[path = "../tests/common/mod.rs"]
mod common;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use common::Cluster;
use common::control_plane::{self, Copying, SERVER};
use pirun_lab::{Cache, debian_packages};

/// Rows of a kilobyte each.
const ROWS: i64 = 230_000;

fn main() {
    // `cargo test --all-targets` runs this as well, and has nothing to gain from it.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let cluster = Cluster::start(&["rpi40"]);
    control_plane::install(cluster.node("rpi40"), Copying::Vacuum, ROWS);
    let size = cluster.nodes[0].sh(&format!("du -sk {SERVER} | cut -f 1")).unwrap();
    let state = size.trim().parse::<f64>().unwrap() / 1024.0;
    let tools = debian_packages(&Cache::open().unwrap(), &["age", "restic"]).unwrap();
    println!(
        "\n## Backing up a control plane of {state:.0} MiB\n\n| what | seconds | MiB/s | beside pirun |\n|---|---:|---:|---:|"
    );
    let mut pirun = Vec::new();
    let mut figures = Vec::new();
    for _ in 0..3 {
        pirun.push(by_pirun(&cluster));
        figures.push((by_age(&cluster, &tools), by_restic(&cluster, &tools)));
    }
    let median = |mut all: Vec<f64>| {
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    let base = median(pirun.iter().map(|cost| cost.seconds).collect());
    let row = |what: &str, seconds: f64| {
        println!("| {what} | {seconds:.2} | {:.0} | {:.2}× |", state / seconds, seconds / base);
    };
    row("pirun backup.rhai, verified", base);
    row("of which the snapshot", median(pirun.iter().map(|cost| cost.streaming).collect()));
    row("ssh tar to age", median(figures.iter().map(|(age, _)| *age).collect()));
    row("ssh tar to restic", median(figures.iter().map(|(_, restic)| *restic).collect()));
    let peak = |of: fn(&Cost) -> f64| pirun.iter().map(of).fold(0.0, f64::max);
    println!(
        "\nPeak memory: {:.0} MiB while streaming (≤ 64 without the derivation of the key), {:.0} MiB while verifying (≤ {:.0}).",
        peak(|cost| cost.streaming_mib),
        peak(|cost| cost.peak_mib),
        state + 64.0
    );
}

/// What one backup has cost.
struct Cost {
    seconds: f64,
    /// Until the last byte was there.
    streaming: f64,
    streaming_mib: f64,
    peak_mib: f64,
}

fn by_pirun(cluster: &Cluster) -> Cost {
    let before = Instant::now();
    let mut child = cluster.spawn(&["backup.rhai", "--keep-last", "1"]);
    let status = format!("/proc/{}/status", child.id());
    let mut cost = Cost { seconds: 0.0, streaming: 0.0, streaming_mib: 0.0, peak_mib: 0.0 };
    let mut last = 0;
    while child.try_wait().unwrap().is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let kib = text.lines().find_map(|line| {
            line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.trim().parse::<f64>().ok()
        });
        let mib = kib.unwrap_or(0.0) / 1024.0;
        cost.peak_mib = cost.peak_mib.max(mib);
        let size = part_size(&cluster.path("backups"));
        if size > last {
            last = size;
            cost.streaming = before.elapsed().as_secs_f64();
            cost.streaming_mib = cost.streaming_mib.max(mib);
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    cost.seconds = before.elapsed().as_secs_f64();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    cost
}

/// Bytes of the backup that is not finished.
fn part_size(directory: &Path) -> u64 {
    let parts = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let parts = parts.filter(|entry| entry.file_name().to_string_lossy().ends_with(".part"));
    parts.filter_map(|entry| Some(entry.metadata().ok()?.len())).sum()
}

/// Streams the server's directory into a command.
fn pipe(cluster: &Cluster, command: &mut Command) -> f64 {
    let before = Instant::now();
    let script = format!("tar -C {SERVER} -cf - .");
    let mut ssh =
        cluster.lab.ssh(&cluster.nodes[0]).arg(script).stdout(Stdio::piped()).spawn().unwrap();
    let output = command.stdin(ssh.stdout.take().unwrap()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(ssh.wait().unwrap().success());
    before.elapsed().as_secs_f64()
}

fn by_age(cluster: &Cluster, tools: &Path) -> f64 {
    let key = cluster.path("age.key");
    if !key.exists() {
        let made =
            Command::new(tools.join("usr/bin/age-keygen")).arg("-o").arg(&key).output().unwrap();
        assert!(made.status.success());
    }
    let text = std::fs::read_to_string(&key).unwrap();
    let public = text.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap();
    pipe(
        cluster,
        Command::new(tools.join("usr/bin/age"))
            .args(["-r", public, "-o"])
            .arg(cluster.path("server.tar.age")),
    )
}

fn by_restic(cluster: &Cluster, tools: &Path) -> f64 {
    let repository = cluster.path("restic");
    let _ = std::fs::remove_dir_all(&repository);
    let restic = || {
        let mut command = Command::new(tools.join("usr/bin/restic"));
        command
            .arg("-r")
            .arg(&repository)
            .arg("--no-cache")
            .env("RESTIC_PASSWORD", common::PASSWORD);
        command
    };
    assert!(restic().arg("init").output().unwrap().status.success());
    pipe(cluster, restic().args(["backup", "--stdin", "--stdin-filename", "server.tar"]))
}
