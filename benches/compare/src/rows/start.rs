//! Starting, and logging in to one host to do nothing there.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::{Bench, progress};
use crate::report::{Spread, Table, short};
use crate::tools::{Tool, Work};

pub fn run(bench: &Bench) -> Result<Table> {
    let mut table = Table::new(
        "Starting, and doing nothing on one host: milliseconds",
        &["what", "median", "least", "most", "runs"],
    );
    let repetitions = if bench.options.quick { 3 } else { 15 };
    let mut times = [Vec::new(), Vec::new()];
    let nodes = bench.ground.start(1)?;
    let site = bench.site(&nodes, false)?;
    for _ in 0..repetitions {
        for (tool, times) in [Tool::Floor, Tool::Pirun].into_iter().zip(&mut times) {
            if tool == Tool::Pirun && !bench.options.tools.contains(&tool) {
                continue;
            }
            match bench.run(tool, Work::Nothing, &site, &nodes) {
                Ok(cost) => times.extend(cost.map(|cost| cost.wall)),
                Err(error) => table.notes.push(format!("{}: {error:#}", tool.name())),
            }
        }
    }
    let [floor, pirun] = times;
    row(&mut table, "ssh, nothing", floor);
    row(&mut table, "pirun, nothing", pirun);
    if bench.options.tools.contains(&Tool::Pirun) {
        row(&mut table, "pirun --version", versions(bench, repetitions)?);
    }
    Ok(table)
}

fn versions(bench: &Bench, count: usize) -> Result<Vec<Duration>> {
    let once = |_| {
        let start = Instant::now();
        let status = Command::new(bench.pirun()).arg("--version").stdout(Stdio::null()).status()?;
        ensure!(status.success(), "pirun --version: {status}");
        Ok(start.elapsed())
    };
    (0..count).map(once).collect()
}

fn row(table: &mut Table, what: &str, times: Vec<Duration>) {
    let count = times.len();
    let Some(spread) = Spread::of_times(times) else { return };
    let figure = |seconds: f64| short(seconds * 1e3);
    progress(&format!("{what}: {} ms", figure(spread.median)));
    table.rows.push(vec![
        what.into(),
        figure(spread.median),
        figure(spread.least),
        figure(spread.most),
        count.to_string(),
    ]);
}
