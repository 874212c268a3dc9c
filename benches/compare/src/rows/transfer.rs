//! One large file to each host.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Result, ensure};

use super::{Bench, progress};
use crate::job::BIG;
use crate::measure::Cost;
use crate::report::{Spread, Table};
use crate::target::Target;
use crate::tools::{Tool, Work};

pub fn run(bench: &Bench, targets: &mut Vec<Target>) -> Result<Table> {
    let mut table = Table::new(
        format!("{} MB to each host: seconds, and CPU seconds", BIG / 1_000_000),
        &["hosts", "tool", "time", "controller CPU", "nodes' CPU", "runs"],
    );
    for hosts in bench.options.sizes().into_iter().filter(|size| *size <= 5) {
        let tools: Vec<Tool> =
            bench.tools().filter(|tool| matches!(tool, Tool::Floor | Tool::Pirun)).collect();
        let mut costs = BTreeMap::<Tool, Vec<Cost>>::new();
        // Tools take turns, so that what the machine does besides hits all of them alike.
        for _ in 0..bench.options.repetitions(Tool::Pirun, hosts).min(3) {
            for tool in &tools {
                match once(bench, hosts, *tool) {
                    Ok(cost) => costs.entry(*tool).or_default().extend(cost),
                    Err(error) => {
                        table.notes.push(format!("{} on {hosts} hosts: {error:#}", tool.name()))
                    }
                }
            }
        }
        let mut floor = [None; 3];
        for (tool, costs) in costs {
            let spreads = [
                Spread::of_times(costs.iter().map(|cost| cost.wall)),
                Spread::of_times(costs.iter().map(|cost| cost.controller_cpu)),
                Spread::of_times(costs.iter().map(|cost| cost.node_cpu)),
            ];
            if tool == Tool::Floor {
                floor = spreads;
            }
            if tool == Tool::Pirun {
                let what = format!("{hosts} × {} MB: time, to the floor", BIG / 1_000_000);
                targets.extend(Target::at_most(what, spreads[0], floor[0], 1.1));
            }
            if let [Some(wall), Some(controller), Some(nodes)] = spreads {
                let base = |i: usize| floor[i].filter(|_| tool != Tool::Floor);
                table.rows.push(vec![
                    hosts.to_string(),
                    tool.name().into(),
                    wall.beside(base(0)),
                    controller.beside(base(1)),
                    nodes.beside(base(2)),
                    costs.len().to_string(),
                ]);
            }
        }
    }
    Ok(table)
}

fn once(bench: &Bench, hosts: usize, tool: Tool) -> Result<Option<Cost>> {
    let nodes = bench.ground.start(hosts)?;
    let site = bench.site(&nodes, false)?;
    site.add_big()?;
    let cost = bench.run(tool, Work::Transfer, &site, &nodes)?;
    let wanted = fs::read(site.dir.join("big"))?;
    for node in nodes.iter() {
        ensure!(fs::read(node.place("/data/big"))? == wanted, "{} has another file", node.name);
    }
    if let Some(cost) = cost {
        progress(&format!(
            "large file, {hosts} hosts, {}: {:.2} s",
            tool.name(),
            cost.wall.as_secs_f64()
        ));
    }
    Ok(cost)
}
