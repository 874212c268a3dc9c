//! The command line.

use std::path::PathBuf;

use clap::Parser;

use crate::tools::Tool;

/// Compare pirun with plain ssh and with its peers.
#[derive(Parser, Clone)]
pub struct Options {
    /// One and five hosts, one repetition: to see whether it works.
    #[arg(long)]
    pub quick: bool,
    /// Numbers of hosts.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 5, 20, 100])]
    pub hosts: Vec<usize>,
    /// What to run. The floor is always among them.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Tool::USUAL)]
    pub tools: Vec<Tool>,
    /// The experiments.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Row::ALL)]
    pub rows: Vec<Row>,
    /// Repetitions of the quick tools; the slow ones get fewer.
    #[arg(long, default_value_t = 5)]
    pub repetitions: usize,
    /// Lets slow tools run on any number of hosts.
    #[arg(long)]
    pub unlimited: bool,
    /// The pirun to measure; by default the one beside this program.
    #[arg(long)]
    pub pirun: Option<PathBuf>,
    /// Where the Markdown goes.
    #[arg(long, default_value = "target/bench.md")]
    pub output: Option<PathBuf>,
    /// Keeps what the tools printed in this directory.
    #[arg(long)]
    pub logs: Option<PathBuf>,
}

/// An experiment.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Row {
    /// The job on fresh nodes, again, and as a dry run.
    Job,
    /// Bytes and turnarounds of the job on one host.
    Wire,
    /// The job over a line with 50 ms round-trip time.
    Latency,
    /// One large file to one and to five hosts.
    Transfer,
    /// Starting, and doing nothing on one host.
    Start,
    /// Opening a vault with a thousand secrets and reading them all.
    Vault,
}

impl Row {
    const ALL: [Self; 6] =
        [Self::Job, Self::Wire, Self::Latency, Self::Transfer, Self::Start, Self::Vault];
}

// Clap shows default values in words.
impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&format!("{self:?}").to_lowercase())
    }
}

impl Options {
    /// The sizes that were asked for.
    pub fn sizes(&self) -> Vec<usize> {
        let mut sizes = self.hosts.clone();
        sizes.retain(|size| !self.quick || *size <= 5);
        sizes
    }

    /// How often a tool is run on that many hosts; zero: not at all.
    pub fn repetitions(&self, tool: Tool, hosts: usize) -> usize {
        if !self.tools.contains(&tool) && tool != Tool::Floor {
            return 0;
        }
        let quick = matches!(tool, Tool::Floor | Tool::Pirun);
        // What is ten times slower than the rest would take most of the time, and tells no more the second time.
        let most = match tool {
            Tool::AnsibleTuned | Tool::AnsibleDefaults => 1,
            Tool::Pyinfra | Tool::AnsibleRs if hosts > 1 => 2,
            _ if hosts > 50 => 2,
            _ => self.repetitions,
        };
        match hosts {
            _ if hosts > 20 && !quick && !self.unlimited => 0,
            _ if self.quick => 1,
            _ => self.repetitions.min(most),
        }
    }
}
