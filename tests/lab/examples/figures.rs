//! What nodes cost on this machine: `cargo run -p pirun-lab --example figures -- 100 10` for 100 fast and 10 card nodes.
#![allow(clippy::print_stdout)]

use std::fs;
use std::time::{Duration, Instant};

use pirun_lab::{Lab, Node, Result};

fn main() -> Result<()> {
    let counts: Vec<usize> =
        std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    let count = |number: usize, default| counts.get(number).copied().unwrap_or(default);
    // What is built once is not what is measured.
    Lab::start()?.card_node("first")?;
    measure("fast", count(0, 100), Lab::fast_nodes)?;
    measure("card", count(1, 10), Lab::card_nodes)
}

fn measure(
    kind: &str,
    count: usize,
    start: impl Fn(&Lab, &[String]) -> Result<Vec<Node>>,
) -> Result<()> {
    let lab = Lab::start()?;
    let names: Vec<String> = (0..count).map(|number| format!("rpi{number}")).collect();
    let (memory, cpu, clock) = (available_memory()?, own_cpu()?, Instant::now());
    let nodes = start(&lab, &names)?;
    let took = clock.elapsed();
    let inside: Duration = nodes.iter().filter_map(|node| node.cpu_time().ok()).sum();
    let lab_cpu = own_cpu()? - cpu;
    let each = (lab_cpu + inside).as_secs_f64() / count as f64;
    println!("{count} {kind} nodes: {:.2} s", took.as_secs_f64());
    println!(
        "  CPU: {each:.3} s each, {:.3} s of that the lab's own",
        lab_cpu.as_secs_f64() / count as f64
    );
    println!("  memory: {} MiB", memory.saturating_sub(available_memory()?) >> 10);
    let clock = Instant::now();
    drop(lab);
    println!("  gone after {:.2} s", clock.elapsed().as_secs_f64());
    Ok(())
}

/// In KiB.
fn available_memory() -> Result<u64> {
    let text = fs::read_to_string("/proc/meminfo")?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:")).unwrap_or_default();
    Ok(line.trim_end_matches("kB").trim().parse()?)
}

/// CPU time of this process and of its children that have ended.
fn own_cpu() -> Result<Duration> {
    let text = fs::read_to_string("/proc/self/stat")?;
    let fields = text.rsplit(") ").next().unwrap_or_default().split(' ').skip(11).take(4);
    let ticks: u64 = fields.map(|field| field.parse::<u64>().unwrap_or_default()).sum();
    Ok(Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second()))
}
