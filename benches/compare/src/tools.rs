//! The tools, and how each is told to do which work.

use std::path::Path;

use anyhow::Result;

use crate::job::Site;
use crate::measure::Invocation;
use crate::obtain;

#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Tool {
    /// One ssh a host, one script: no tool that logs in to each host can be much quicker.
    Floor,
    Pirun,
    Pyinfra,
    /// ansible-core with pipelining, without fact gathering, with a fork for each host.
    AnsibleTuned,
    /// ansible-core as it comes.
    AnsibleDefaults,
    /// ansible-core rewritten in Rust, from the Python package index.
    AnsibleRs,
}

/// What there is to do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Work {
    /// A dry run of the job on fresh hosts.
    Check,
    /// The job on fresh hosts.
    First,
    /// The job on hosts that need nothing.
    Second,
    /// Log in, and that is all.
    Nothing,
    /// The large file.
    Transfer,
}

impl Tool {
    pub const ALL: [Self; 6] = [
        Self::Floor,
        Self::Pirun,
        Self::Pyinfra,
        Self::AnsibleTuned,
        Self::AnsibleDefaults,
        Self::AnsibleRs,
    ];

    /// All but one that teaches nothing new: untuned, Ansible is a little slower still.
    pub const USUAL: [Self; 5] =
        [Self::Floor, Self::Pirun, Self::Pyinfra, Self::AnsibleTuned, Self::AnsibleRs];

    pub fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor (ssh)",
            Self::Pirun => "pirun",
            Self::Pyinfra => "pyinfra",
            Self::AnsibleTuned => "ansible, tuned",
            Self::AnsibleDefaults => "ansible, defaults",
            Self::AnsibleRs => "ansible-core-rs",
        }
    }

    pub fn is_python(self) -> bool {
        matches!(self, Self::Pyinfra | Self::AnsibleTuned | Self::AnsibleDefaults)
    }

    /// The command line for some work; `None` if this comparison does not ask the tool for it.
    pub fn invocation(self, work: Work, site: &Site, pirun: &Path) -> Result<Option<Invocation>> {
        let words: Vec<String> = match self {
            Self::Floor => floor(work, site),
            Self::Pirun => [&*pirun.to_string_lossy()]
                .into_iter()
                .chain(pirun_words(work))
                .map(str::to_owned)
                .collect(),
            _ => match peer(self, work)? {
                Some(words) => words,
                None => return Ok(None),
            },
        };
        let config = match self {
            Self::AnsibleTuned => "ansible-tuned.cfg",
            _ => "ansible-defaults.cfg",
        };
        let config = site.dir.join(config).to_string_lossy().into_owned();
        Ok(Some(Invocation { words, env: vec![("ANSIBLE_CONFIG", config)] }))
    }
}

// Clap shows default values in words.
impl std::fmt::Display for Tool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Floor => "floor",
            Self::Pirun => "pirun",
            Self::Pyinfra => "pyinfra",
            Self::AnsibleTuned => "ansible-tuned",
            Self::AnsibleDefaults => "ansible-defaults",
            Self::AnsibleRs => "ansible-rs",
        })
    }
}

fn floor(work: Work, site: &Site) -> Vec<String> {
    let kind = match work {
        Work::Check => "check",
        Work::First | Work::Second => "job",
        Work::Nothing => "nothing",
        Work::Transfer => "big",
    };
    ["sh", "floor.sh", kind]
        .into_iter()
        .map(str::to_owned)
        .chain(site.hosts.iter().cloned())
        .collect()
}

fn pirun_words(work: Work) -> Vec<&'static str> {
    match work {
        Work::Check => vec!["job.rhai", "--dry-run"],
        Work::First | Work::Second => vec!["job.rhai"],
        Work::Nothing => vec!["nothing.rhai"],
        Work::Transfer => vec!["transfer.rhai"],
    }
}

fn peer(tool: Tool, work: Work) -> Result<Option<Vec<String>>> {
    let program = match tool {
        Tool::Pyinfra => obtain::peer("pyinfra")?,
        Tool::AnsibleRs => obtain::ansible_rs()?,
        _ => obtain::peer("ansible-playbook")?,
    };
    let words: &[&str] = match (tool, work) {
        (Tool::Pyinfra, Work::Check) => &["inventory.py", "job.py", "--dry", "--diff"],
        (Tool::Pyinfra, Work::First | Work::Second) => &["inventory.py", "job.py", "-y"],
        (Tool::AnsibleRs, Work::Check) => {
            &["playbook", "-i", "inventory.yaml", "job.yml", "--check", "--diff"]
        }
        (Tool::AnsibleRs, Work::First | Work::Second) => {
            &["playbook", "-i", "inventory.yaml", "job.yml"]
        }
        (_, Work::Check) => &["job.yml", "--check", "--diff"],
        (_, Work::First | Work::Second) => &["job.yml"],
        _ => return Ok(None),
    };
    let program = program.to_string_lossy().into_owned();
    Ok(Some(std::iter::once(program).chain(words.iter().map(|word| (*word).to_owned())).collect()))
}
