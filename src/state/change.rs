//! What a verb changed, or would change: the diff, the JSON event and the recap all come from here.

use serde::Serialize;

/// One wanted thing compared with what was found on a host (or in an image's root).
#[derive(Debug, Clone, Serialize, PartialEq)]
pub struct Change {
    /// The verb as the playbook says it: `file`, `service`, …
    pub verb: &'static str,
    /// What it is about: a path, a service's name.
    pub subject: String,
    /// The differences. Empty means: nothing to change.
    pub aspects: Vec<Aspect>,
    /// A short remark for the end of the line, such as `0600 root:root`.
    pub remark: Option<String>,
    /// Names the thing on its node, for the mark that a handler looks for.
    #[serde(skip)]
    pub key: String,
    /// The user, asked with `--step`, did not want it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub declined: bool,
}

/// One difference between what was found and what is wanted.
#[derive(Debug, Clone, Serialize, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum Aspect {
    /// The thing does not exist and is made.
    Created,
    /// The thing exists and goes away.
    Removed,
    /// Text content: both versions whole; the terminal shows a unified diff of them.
    Text { before: String, after: String },
    /// A unified diff that somebody else made, such as Kubernetes.
    Patch { text: String },
    /// Content that is not text: sizes in bytes.
    Binary { before: u64, after: u64 },
    /// Content that holds a secret: only how many lines differ.
    Secret { lines: usize },
    /// A property, such as `mode` or `owner`; `before` is `None` when there was none.
    Attribute { name: &'static str, before: Option<String>, after: String },
    /// Something that is done rather than written: `restart` → "would restart" / "restarted".
    Action { action: Action },
}

/// Things done to services, mounts and nodes, with the words that the output uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    Start,
    Stop,
    Restart,
    Reload,
    Run,
    Reboot,
    Remount,
    Mount,
    Unmount,
    Install,
    Upgrade,
    Wait,
    Drain,
    Uncordon,
}

impl Action {
    /// What it does, for "would …".
    pub fn present(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Reload => "reload",
            Self::Run => "run",
            Self::Reboot => "reboot",
            Self::Remount => "remount",
            Self::Mount => "mount",
            Self::Unmount => "unmount",
            Self::Install => "install",
            Self::Upgrade => "upgrade",
            Self::Wait => "wait",
            Self::Drain => "drain",
            Self::Uncordon => "uncordon",
        }
    }

    /// What it did.
    pub fn past(self) -> &'static str {
        match self {
            Self::Start => "started",
            Self::Stop => "stopped",
            Self::Restart => "restarted",
            Self::Reload => "reloaded",
            Self::Run => "ran",
            Self::Reboot => "rebooted",
            Self::Remount => "remounted",
            Self::Mount => "mounted",
            Self::Unmount => "unmounted",
            Self::Install => "installed",
            Self::Upgrade => "upgraded",
            Self::Wait => "waited",
            Self::Drain => "drained",
            Self::Uncordon => "uncordoned",
        }
    }
}

impl Change {
    /// A comparison that found no difference yet; differences are added with [`Change::with`].
    pub fn of(verb: &'static str, subject: impl Into<String>) -> Self {
        Self {
            verb,
            subject: subject.into(),
            aspects: Vec::new(),
            remark: None,
            key: String::new(),
            declined: false,
        }
    }

    #[must_use]
    pub fn with(mut self, aspect: Aspect) -> Self {
        self.aspects.push(aspect);
        self
    }

    #[must_use]
    pub fn remark(mut self, remark: impl Into<String>) -> Self {
        self.remark = Some(remark.into());
        self
    }

    /// What is left of a change that was not made: nothing differed, or the user did not want it.
    #[must_use]
    pub fn unless_changed(self) -> Self {
        Self { declined: self.changed(), aspects: Vec::new(), ..self }
    }

    /// Whether anything differs.
    pub fn changed(&self) -> bool {
        !self.aspects.is_empty()
    }
}
