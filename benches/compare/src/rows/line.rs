//! What passes between a tool and one host, and what a longer line costs.

use std::time::Duration;

use anyhow::Result;

use super::{Bench, progress};
use crate::measure::Cost;
use crate::nodes::{address, relay_address};
use crate::relay::{Relay, Traffic};
use crate::report::{Spread, Table, or_dash};
use crate::target::Target;
use crate::tools::{Tool, Work};

/// Added to a round trip.
const ROUND_TRIP: Duration = Duration::from_millis(50);

/// One way, while turnarounds are counted: on a line without any delay, words that cross count as answers.
const CLEAR: Duration = Duration::from_millis(5);

pub fn wire(bench: &Bench, targets: &mut Vec<Target>) -> Result<Table> {
    let mut table = Table::new(
        "The job on one host: what passes",
        &["tool", "run", "connections", "turnarounds", "KB to the host", "KB from the host"],
    );
    for tool in bench.tools() {
        match through_relay(bench, tool, CLEAR, &[Work::Check, Work::First, Work::Second]) {
            Ok(runs) => {
                let rows = runs.iter().map(|(work, _, traffic)| wire_row(tool, *work, traffic));
                table.rows.extend(rows);
                let first = runs.iter().find(|(work, ..)| *work == Work::First);
                if let (Tool::Pirun, Some((_, _, traffic))) = (tool, first) {
                    let sent = traffic.bytes_to_node as f64 / 1e3;
                    targets.extend(Target::below("1 host: sent", Some(sent), 30.0, "KB"));
                }
            }
            Err(error) => table.notes.push(failed(tool, &error)),
        }
    }
    Ok(table)
}

fn wire_row(tool: Tool, work: Work, traffic: &Traffic) -> Vec<String> {
    vec![
        tool.name().into(),
        format!("{work:?}").to_lowercase(),
        traffic.connections.to_string(),
        traffic.turnarounds.to_string(),
        format!("{:.1}", traffic.bytes_to_node as f64 / 1e3),
        format!("{:.1}", traffic.bytes_from_node as f64 / 1e3),
    ]
}

pub fn latency(bench: &Bench, targets: &mut Vec<Target>) -> Result<Table> {
    let mut table = Table::new(
        format!("The job on one host, +{} ms round-trip time: seconds", ROUND_TRIP.as_millis()),
        &["tool", "first run", "second run", "runs"],
    );
    let mut floor = [None; 2];
    for tool in bench.tools() {
        let mut times = [Vec::new(), Vec::new()];
        let repetitions = bench.options.repetitions(tool, 1).min(3);
        for _ in 0..repetitions {
            match through_relay(bench, tool, ROUND_TRIP / 2, &[Work::First, Work::Second]) {
                Ok(runs) => times
                    .iter_mut()
                    .zip(runs)
                    .for_each(|(times, (_, cost, _))| times.push(cost.wall)),
                Err(error) => {
                    table.notes.push(failed(tool, &error));
                    break;
                }
            }
        }
        let spreads = times.map(Spread::of_times);
        if tool == Tool::Floor {
            floor = spreads;
        }
        if tool == Tool::Pirun {
            let what = "+50 ms: time, to the floor";
            targets.extend(Target::at_most(what, spreads[0], floor[0], 2.0));
        }
        if spreads[0].is_some() {
            let cell = |i: usize| {
                or_dash(spreads[i], |spread: Spread| {
                    spread.beside(floor[i].filter(|_| tool != Tool::Floor))
                })
            };
            table.rows.push(vec![tool.name().into(), cell(0), cell(1), repetitions.to_string()]);
        }
    }
    Ok(table)
}

/// Runs of one tool on one fresh host behind a relay.
fn through_relay(
    bench: &Bench,
    tool: Tool,
    one_way: Duration,
    works: &[Work],
) -> Result<Vec<(Work, Cost, Traffic)>> {
    let nodes = bench.ground.start(1)?;
    let relay = Relay::start(relay_address(0), address(0), one_way)?;
    let site = bench.site(&nodes, true)?;
    let mut runs = Vec::new();
    for work in works {
        if let Some(cost) = bench.run(tool, *work, &site, &nodes)? {
            progress(&format!(
                "one host, {} ms away, {}: {work:?} {:.2} s",
                2 * one_way.as_millis(),
                tool.name(),
                cost.wall.as_secs_f64()
            ));
            runs.push((*work, cost, relay.take_traffic()));
        }
    }
    Ok(runs)
}

fn failed(tool: Tool, error: &anyhow::Error) -> String {
    format!("{}: no figure, because: {}", tool.name(), format!("{error:#}").replace('\n', " "))
}
