//! Starting, and logging in to one host to do nothing there.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::{Bench, progress};
use crate::isolate::run;
use crate::report::{Spread, Table, short};
use crate::target::Target;
use crate::tools::{Tool, Work};

pub fn table(bench: &Bench, targets: &mut Vec<Target>) -> Result<Table> {
    let mut table = Table::new(
        "Starting, and doing nothing on one host: milliseconds",
        &["what", "median", "least", "most", "runs"],
    );
    let repetitions = if bench.options.quick { 3 } else { 15 };
    let mut durations = [Vec::new(), Vec::new()];
    let nodes = bench.ground.start(1)?;
    let site = bench.site(&nodes, false)?;
    for _ in 0..repetitions {
        for (tool, times) in [Tool::Floor, Tool::Pirun].into_iter().zip(&mut durations) {
            if tool == Tool::Pirun && !bench.options.tools.contains(&tool) {
                continue;
            }
            match bench.run(tool, Work::Nothing, &site, &nodes) {
                Ok(cost) => times.extend(cost.map(|cost| cost.wall)),
                Err(error) => table.notes.push(format!("{}: {error:#}", tool.name())),
            }
        }
    }
    let [floor, ours] = durations;
    let more = milliseconds(&ours).zip(milliseconds(&floor)).map(|(ours, floor)| ours - floor);
    targets.extend(Target::below("nothing on 1 host, beyond the login", more, 20.0, "ms"));
    row(&mut table, "ssh, nothing", floor);
    row(&mut table, "pirun, nothing", ours);
    if bench.options.tools.contains(&Tool::Pirun) {
        let version = times(repetitions, || pirun(bench, &["--version"]))?;
        let figure = milliseconds(&version);
        targets.extend(Target::below("pirun --version", figure, 10.0, "ms"));
        row(&mut table, "pirun --version", version);
        let vault = tempfile::tempdir_in(&site.dir)?;
        let in_vault = |words: &[&str]| {
            let file = vault.path().join("vault.enc");
            let mut command = pirun(bench, &["vault", "--vault"]);
            command.arg(file).args(words).env("PIRUN_VAULT_PASSWORD", "measured");
            command
        };
        run(&mut in_vault(&["create", "--no-recovery"]))?;
        run(&mut in_vault(&["set", "secret", "--random", "32"]))?;
        let opened = times(repetitions.min(5), || in_vault(&["get", "secret"]))?;
        row(&mut table, "a vault opened by its password (left out above)", opened);
    }
    Ok(table)
}

fn milliseconds(times: &[Duration]) -> Option<f64> {
    Spread::of_times(times.iter().copied()).map(|spread| spread.median * 1e3)
}

fn pirun(bench: &Bench, words: &[&str]) -> Command {
    let mut command = Command::new(bench.pirun());
    command.args(words);
    command
}

/// How long a command takes, several times.
fn times(count: usize, command: impl Fn() -> Command) -> Result<Vec<Duration>> {
    let once = |_| {
        let start = Instant::now();
        let status = command().stdout(Stdio::null()).status()?;
        ensure!(status.success(), "{:?}: {status}", command());
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
