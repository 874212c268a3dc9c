//! One large file to each host.

use std::fs;

use anyhow::{Result, ensure};

use super::{Bench, progress};
use crate::job::BIG;
use crate::report::{Spread, Table};
use crate::tools::{Tool, Work};

pub fn run(bench: &Bench) -> Result<Table> {
    let mut table = Table::new(
        format!("{} MB to each host: seconds, and CPU seconds", BIG / 1_000_000),
        &["hosts", "tool", "time", "controller CPU", "nodes' CPU", "runs"],
    );
    for hosts in bench.options.sizes().into_iter().filter(|size| *size <= 5) {
        let mut floor = [None; 3];
        for tool in bench.tools().filter(|tool| matches!(tool, Tool::Floor | Tool::Pirun)) {
            let mut costs = Vec::new();
            for _ in 0..bench.options.repetitions(tool, hosts).min(3) {
                match once(bench, hosts, tool) {
                    Ok(cost) => costs.extend(cost),
                    Err(error) => {
                        table.notes.push(format!("{} on {hosts} hosts: {error:#}", tool.name()))
                    }
                }
            }
            let spreads = [
                Spread::of_times(costs.iter().map(|cost| cost.wall)),
                Spread::of_times(costs.iter().map(|cost| cost.controller_cpu)),
                Spread::of_times(costs.iter().map(|cost| cost.node_cpu)),
            ];
            if tool == Tool::Floor {
                floor = spreads;
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

fn once(bench: &Bench, hosts: usize, tool: Tool) -> Result<Option<crate::measure::Cost>> {
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
