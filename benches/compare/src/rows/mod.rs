//! The experiments.

mod job;
mod line;
mod start;
mod transfer;
mod vault;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use tempfile::TempDir;

use crate::job::{Site, done, fresh};
use crate::measure::{self, Cost};
use crate::nodes::{Ground, Nodes};
use crate::options::{Options, Row};
use crate::report::{Report, Written};
use crate::tools::{Tool, Work};
use crate::{cgroup, isolate, state, target};

/// What all experiments share.
pub struct Bench {
    pub options: Options,
    pub ground: Ground,
    pirun: PathBuf,
    work: TempDir,
}

pub fn run(options: &Options) -> Result<Written> {
    let bench = Bench::new(options)?;
    let mut report = Report::default();
    let mut targets = Vec::new();
    let chosen = |row| options.rows.contains(&row);
    if chosen(Row::Job) {
        report.tables.extend(job::run(&bench, &mut targets)?);
    }
    if chosen(Row::Wire) {
        report.tables.push(line::wire(&bench, &mut targets)?);
    }
    if chosen(Row::Latency) {
        report.tables.push(line::latency(&bench, &mut targets)?);
    }
    if chosen(Row::Transfer) {
        report.tables.push(transfer::run(&bench, &mut targets)?);
    }
    if chosen(Row::Start) {
        report.tables.push(start::table(&bench, &mut targets)?);
    }
    if !targets.is_empty() {
        report.tables.insert(0, target::table(&targets));
    }
    if chosen(Row::Vault) {
        report.tables.push(vault::table(&bench)?);
    }
    Ok(report.write())
}

impl Bench {
    fn new(options: &Options) -> Result<Self> {
        let beside = std::env::current_exe()?.with_file_name("pirun");
        let pirun = options.pirun.clone().unwrap_or(beside);
        let pirun = std::path::absolute(pirun)?;
        if options.tools.contains(&Tool::Pirun) {
            ensure!(
                pirun.exists(),
                "{} does not exist: `cargo build --release -p pirun`",
                pirun.display()
            );
        }
        let work = tempfile::Builder::new().prefix("pc-").tempdir()?;
        isolate::set_up(work.path())?;
        cgroup::sweep();
        let ground = Ground::create(work.path())?;
        Ok(Self { options: options.clone(), ground, pirun, work })
    }

    /// Tools that are to be run, in their order.
    pub fn tools(&self) -> impl Iterator<Item = Tool> {
        let asked = self.options.tools.clone();
        Tool::ALL.into_iter().filter(move |tool| *tool == Tool::Floor || asked.contains(tool))
    }

    pub fn site(&self, nodes: &Nodes, relayed: bool) -> Result<Site> {
        let dir = self.work.path().join("site");
        if dir.exists() {
            fs::remove_dir_all(&dir)?;
        }
        Site::write(dir, &self.ground, nodes, relayed)
    }

    /// Runs one tool and checks what it did; `None` if it has no way to do that work.
    pub fn run(&self, tool: Tool, work: Work, site: &Site, nodes: &Nodes) -> Result<Option<Cost>> {
        let Some(invocation) = tool.invocation(work, site, &self.pirun)? else { return Ok(None) };
        let log = self.work.path().join("log");
        let cost = measure::run(&invocation, &site.dir, &log, nodes);
        if let Some(dir) = &self.options.logs {
            fs::create_dir_all(dir)?;
            fs::copy(
                &log,
                dir.join(format!("{tool}-{work:?}-{}.log", nodes.len()).to_lowercase()),
            )?;
        }
        let cost = cost?;
        self.check(work, nodes).with_context(|| format!("it did not do the job ({work:?})"))?;
        Ok(Some(cost))
    }

    fn check(&self, work: Work, nodes: &Nodes) -> Result<()> {
        for (number, node) in nodes.iter().enumerate() {
            let wanted = match work {
                Work::First | Work::Second => done(&self.ground, number, node)?,
                Work::Check | Work::Nothing | Work::Transfer => fresh(&self.ground)?,
            };
            state::check(node, &wanted)?;
            let calls = state::take_calls(node).join(", ");
            match (work, &*calls) {
                (Work::First, "k3s restart" | "k3s stop, k3s start") => {}
                (Work::Second | Work::Check | Work::Nothing | Work::Transfer, "") => {}
                _ => bail!("{}: services were told: {calls:?}", node.name),
            }
        }
        Ok(())
    }

    /// A directory of this run for files that no node sees.
    pub fn scratch(&self, name: &str) -> Result<PathBuf> {
        let dir = self.work.path().join(name);
        fs::create_dir_all(&dir)?;
        Ok(dir)
    }

    pub fn pirun(&self) -> &Path {
        &self.pirun
    }
}

/// How far we are, for whoever waits.
pub fn progress(text: &str) {
    eprintln!("{text}");
}
