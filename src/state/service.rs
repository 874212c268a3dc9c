//! An OpenRC service: running or not, and in a runlevel or not.

use super::node::Wanted;
use super::{Action, Aspect, Change};
use crate::error::{Error, Result};
use crate::remote::{Converge, Converged};
use crate::suggest;

/// What a service should be doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceState {
    Started,
    Stopped,
    /// Restarted now, whatever it was doing.
    Restarted,
    /// Told to read its configuration again.
    Reloaded,
}

impl ServiceState {
    /// The words of the playbook.
    pub const NAMES: [&'static str; 4] = ["started", "stopped", "restarted", "reloaded"];

    pub fn parse(word: &str) -> Option<Self> {
        [Self::Started, Self::Stopped, Self::Restarted, Self::Reloaded]
            .into_iter()
            .find(|state| state.name() == word)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Stopped => "stopped",
            Self::Restarted => "restarted",
            Self::Reloaded => "reloaded",
        }
    }
}

/// A wanted service. `None` leaves that side of it alone.
#[derive(Debug, Clone)]
pub struct Service {
    name: String,
    pub state: Option<ServiceState>,
    pub enabled: Option<bool>,
    pub runlevel: String,
}

impl Service {
    pub fn new(name: &str) -> Result<Self> {
        check_name(name)?;
        Ok(Self { name: name.to_owned(), state: None, enabled: None, runlevel: "default".into() })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    fn wanted_line(&self) -> String {
        let enabled = match self.enabled {
            Some(true) => "enabled ",
            Some(false) => "disabled ",
            None => "",
        };
        // "restarted" is never found, so that it always differs.
        format!("{enabled}{}", self.state.map_or("", ServiceState::name))
    }

    fn actions(&self, found: &str) -> Vec<Action> {
        match (self.state, found) {
            (Some(ServiceState::Started), "crashed") => vec![Action::Restart],
            (Some(ServiceState::Started), "stopped") => vec![Action::Start],
            (Some(ServiceState::Stopped), "started" | "crashed") => vec![Action::Stop],
            (Some(ServiceState::Restarted | ServiceState::Reloaded), "stopped") => {
                vec![Action::Start]
            }
            (Some(ServiceState::Restarted), _) => vec![Action::Restart],
            (Some(ServiceState::Reloaded), _) => vec![Action::Reload],
            _ => Vec::new(),
        }
    }
}

/// Refuses names that are paths or options.
pub(super) fn check_name(name: &str) -> Result<()> {
    let good = |c: char| c.is_ascii_alphanumeric() || "_-.+@".contains(c);
    if name.is_empty() || name.starts_with(['-', '.']) || !name.chars().all(good) {
        return Err(Error::playbook(format!("`{}` is not a service name", name.escape_debug())));
    }
    Ok(())
}

impl Wanted for Service {
    fn converge(&self) -> Result<Converge> {
        check_name(&self.runlevel)?;
        let Self { name, runlevel, .. } = self;
        let level = if self.enabled.is_some() { runlevel } else { "''" };
        let state = if self.state.is_some() { "1" } else { "''" };
        let enable = match self.enabled {
            Some(true) => format!(
                "[ -e /etc/runlevels/{runlevel}/{name} ] || rc-update -q add {name} {runlevel} || return\n"
            ),
            Some(false) => format!(
                "[ ! -e /etc/runlevels/{runlevel}/{name} ] || rc-update -q del {name} {runlevel} || return\n"
            ),
            None => String::new(),
        };
        let act =
            self.state.map_or(String::new(), |state| format!("s_bring {name} {}", state.name()));
        Ok(Converge {
            key: format!("service {name}"),
            probe: format!("s_state {name} {level} {state}"),
            wanted: self.wanted_line(),
            facets: self
                .enabled
                .map(|_| "enabled")
                .into_iter()
                .chain(self.state.map(|_| "state"))
                .collect(),
            show: "[ \"$G\" != missing ] || ls /etc/init.d".into(),
            apply: format!("[ \"$G\" != missing ] || return 0\n{enable}{act}"),
            path: if self.enabled.is_some() {
                format!("/etc/runlevels/{runlevel}/{name}")
            } else {
                String::new()
            },
            makes_parents: true,
            replaces_link: true,
            ..Converge::default()
        })
    }

    fn change(&self, seen: &Converged) -> Result<Change> {
        let change = Change::of("service", &self.name);
        if !seen.differs {
            return Ok(change);
        }
        if seen.found == "missing" {
            return Err(self.missing(&seen.shown));
        }
        let (enabled, state) = match (self.enabled, seen.found.split_once(' ')) {
            (Some(_), Some((enabled, state))) => (enabled == "enabled", state),
            _ => (self.enabled.unwrap_or_default(), &*seen.found),
        };
        let mut change = change;
        if let Some(wanted) = self.enabled.filter(|wanted| *wanted != enabled) {
            let word = |on: bool| if on { "yes" } else { "no" }.to_owned();
            change.aspects.push(Aspect::Attribute {
                name: "enabled",
                before: Some(word(enabled)),
                after: word(wanted),
            });
        }
        change
            .aspects
            .extend(self.actions(state).into_iter().map(|action| Aspect::Action { action }));
        Ok(change)
    }
}

impl Service {
    fn missing(&self, listing: &[u8]) -> Error {
        let listing = String::from_utf8_lossy(listing);
        let error = Error::file(format!("there is no service `{}`", self.name));
        match suggest::did_you_mean(&self.name, listing.lines()) {
            Some(hint) => error.hint(hint),
            None => error.hint(
                "Is its package in the image? `rc-service --list` on the node shows what is there.",
            ),
        }
    }
}
