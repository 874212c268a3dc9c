//! The job, by every tool, on more and more hosts.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;

use super::{Bench, progress};
use crate::measure::Cost;
use crate::report::{Spread, Table, or_dash, ratio};
use crate::target::Target;
use crate::tools::{Tool, Work};

const WORKS: [Work; 3] = [Work::Check, Work::First, Work::Second];

/// All runs on one number of hosts.
#[derive(Default)]
struct Runs {
    costs: BTreeMap<(Tool, Work), Vec<Cost>>,
    failed: BTreeMap<Tool, String>,
}

pub fn run(bench: &Bench, targets: &mut Vec<Target>) -> Result<Vec<Table>> {
    let mut time = Table::new(
        "The job: seconds, median (least–most) and ratio to the floor",
        &["hosts", "tool", "first run", "second run", "dry run", "runs"],
    );
    let mut cost = Table::new(
        "The job: what it costs; CPU seconds of the first and second run with ratio to the floor",
        &[
            "hosts",
            "tool",
            "controller CPU, first",
            "second",
            "nodes' CPU, first",
            "second",
            "logins",
            "channels",
            "processes a host",
            "peak MiB",
        ],
    );
    let mut peers = Table::new(
        "How much longer peers take than pirun",
        &["hosts", "tool", "first run", "second run", "dry run"],
    );
    for hosts in bench.options.sizes() {
        let runs = Runs::collect(bench, hosts)?;
        for tool in bench.tools().filter(|tool| runs.has(*tool)) {
            time.rows.push(runs.time_row(hosts, tool));
            cost.rows.push(runs.cost_row(hosts, tool));
            if !matches!(tool, Tool::Floor | Tool::Pirun) && runs.has(Tool::Pirun) {
                peers.rows.push(runs.peer_row(hosts, tool));
            }
        }
        targets.extend(runs.targets(hosts));
        time.notes.extend(runs.failed.iter().map(|(tool, why)| {
            format!(
                "{} on {hosts} hosts: no figure, because: {}",
                tool.name(),
                why.replace('\n', " ")
            )
        }));
    }
    cost.notes.push("Controller CPU: the tool and all it starts (`ssh`). Logins, channels, processes (the server's own included): first run, first host. Peak memory: the tool's own process.".into());
    Ok(vec![time, peers, cost])
}

impl Runs {
    fn collect(bench: &Bench, hosts: usize) -> Result<Self> {
        let mut runs = Self::default();
        let most = bench.tools().map(|tool| bench.options.repetitions(tool, hosts)).max();
        // Tools take turns, so that what the machine does besides hits all of them alike.
        for repetition in 0..most.unwrap_or(0) {
            for tool in bench.tools() {
                if repetition < bench.options.repetitions(tool, hosts)
                    && !runs.failed.contains_key(&tool)
                {
                    let result = runs.once(bench, hosts, tool);
                    if let Err(error) = result {
                        progress(&format!("{hosts} hosts, {}: {error:#}", tool.name()));
                        runs.costs.retain(|(its, _), _| *its != tool);
                        runs.failed.insert(tool, format!("{error:#}"));
                    }
                }
            }
        }
        Ok(runs)
    }

    /// Check, first and second run on hosts made for them.
    fn once(&mut self, bench: &Bench, hosts: usize, tool: Tool) -> Result<()> {
        let nodes = bench.ground.start(hosts)?;
        let site = bench.site(&nodes, false)?;
        let mut said = format!("{hosts} hosts, {}:", tool.name());
        for work in WORKS {
            // A dry run tells nothing new about the slowest, but takes as long.
            if work == Work::Check && tool.is_python() && tool != Tool::Pyinfra && hosts > 5 {
                continue;
            }
            if let Some(cost) = bench.run(tool, work, &site, &nodes)? {
                said += &format!(" {work:?} {:.2} s", cost.wall.as_secs_f64()).to_lowercase();
                self.costs.entry((tool, work)).or_default().push(cost);
            }
        }
        progress(&said);
        Ok(())
    }

    fn targets(&self, hosts: usize) -> Vec<Target> {
        let many = if hosts == 1 { "1 host".to_owned() } else { format!("{hosts} hosts") };
        let wall = |tool| self.spread(tool, Work::First, |cost| cost.wall);
        let first = |figure: fn(&Cost) -> Duration| {
            [Tool::Pirun, Tool::Floor].map(|tool| self.spread(tool, Work::First, figure))
        };
        let beside_floor = |what: &str, figure, limit| {
            let [ours, floor] = first(figure);
            Target::at_most(format!("{many}: {what}, to the floor"), ours, floor, limit)
        };
        let peer = |tool: Tool, limit| {
            let what = format!("{many}: time of {}, to pirun", tool.name());
            Target::at_least(what, wall(tool), wall(Tool::Pirun), limit)
        };
        let all = [
            beside_floor("time", |cost: &Cost| cost.wall, 1.3),
            beside_floor("controller CPU", |cost: &Cost| cost.controller_cpu, 1.3),
            beside_floor("nodes' CPU", |cost: &Cost| cost.node_cpu, 1.5),
            peer(Tool::AnsibleTuned, 10.0),
            peer(Tool::Pyinfra, 1.0),
            Target::below(format!("{many}: peak memory"), self.peak(Tool::Pirun), 64.0, "MiB"),
        ];
        all.into_iter().flatten().collect()
    }

    /// Most memory that the tool's own process took, in MiB.
    fn peak(&self, tool: Tool) -> Option<f64> {
        let its = self.costs.iter().filter(|((its, _), _)| *its == tool);
        let most = its.flat_map(|(_, costs)| costs).map(|cost| cost.peak_kib).max()?;
        Some(most as f64 / 1024.0)
    }

    fn has(&self, tool: Tool) -> bool {
        self.costs.contains_key(&(tool, Work::First))
    }

    fn spread(&self, tool: Tool, work: Work, figure: impl Fn(&Cost) -> Duration) -> Option<Spread> {
        Spread::of_times(self.costs.get(&(tool, work))?.iter().map(figure))
    }

    fn beside_floor(
        &self,
        tool: Tool,
        work: Work,
        figure: impl Fn(&Cost) -> Duration + Copy,
    ) -> String {
        let floor = self.spread(Tool::Floor, work, figure).filter(|_| tool != Tool::Floor);
        or_dash(self.spread(tool, work, figure), |spread| spread.beside(floor))
    }

    fn time_row(&self, hosts: usize, tool: Tool) -> Vec<String> {
        let wall = |work| self.beside_floor(tool, work, |cost| cost.wall);
        let runs = self.costs.get(&(tool, Work::First)).map_or(0, Vec::len);
        vec![
            hosts.to_string(),
            tool.name().into(),
            wall(Work::First),
            wall(Work::Second),
            wall(Work::Check),
            runs.to_string(),
        ]
    }

    fn cost_row(&self, hosts: usize, tool: Tool) -> Vec<String> {
        let controller = |work| self.beside_floor(tool, work, |cost| cost.controller_cpu);
        let nodes = |work| self.beside_floor(tool, work, |cost| cost.node_cpu);
        let first = self.costs.get(&(tool, Work::First)).and_then(|costs| costs.first());
        vec![
            hosts.to_string(),
            tool.name().into(),
            controller(Work::First),
            controller(Work::Second),
            nodes(Work::First),
            nodes(Work::Second),
            or_dash(first, |cost| cost.logins.to_string()),
            or_dash(first, |cost| cost.channels.to_string()),
            or_dash(first.and_then(|cost| cost.processes), |count| count.to_string()),
            or_dash(self.peak(tool).filter(|_| tool != Tool::Floor), |mib| format!("{mib:.0}")),
        ]
    }

    fn peer_row(&self, hosts: usize, tool: Tool) -> Vec<String> {
        let times = |work| {
            let (one, other) =
                (self.spread(tool, work, |c| c.wall), self.spread(Tool::Pirun, work, |c| c.wall));
            or_dash(one.zip(other), |(one, other)| ratio(one.median, other.median))
        };
        vec![
            hosts.to_string(),
            tool.name().into(),
            times(Work::First),
            times(Work::Second),
            times(Work::Check),
        ]
    }
}
