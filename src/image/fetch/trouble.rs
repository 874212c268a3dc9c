//! What can go wrong with one mirror, and what is said when all of them failed.

use std::fmt;
use std::io;

use crate::error::{Error, ErrorKind};

/// Why a mirror did not give a file. The next mirror may.
#[derive(Debug, Clone, PartialEq)]
pub enum Trouble {
    /// It has no such file.
    Missing,
    /// It answered with that status.
    Status(u16),
    /// No connection came about.
    Unreachable(String),
    /// It fell silent.
    Silent,
    /// The connection ended in the middle.
    Cut,
    /// What came is not what was wanted.
    Wrong(String),
}

impl Trouble {
    /// Whether the same mirror may be asked again at once.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Silent | Self::Cut => true,
            Self::Status(status) => *status >= 500 || *status == 429,
            Self::Missing | Self::Unreachable(_) | Self::Wrong(_) => false,
        }
    }

    /// What an error while waiting for bytes means.
    pub fn of_body(error: &io::Error) -> Self {
        let timed_out = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<ureq::Error>())
            .is_some_and(|inner| matches!(inner, ureq::Error::Timeout(_)));
        if timed_out || matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock)
        {
            return Self::Silent;
        }
        Self::Cut
    }
}

impl From<ureq::Error> for Trouble {
    fn from(error: ureq::Error) -> Self {
        use ureq::Timeout::{Connect, Resolve};
        match error {
            ureq::Error::StatusCode(404 | 410) => Self::Missing,
            ureq::Error::StatusCode(status) => Self::Status(status),
            ureq::Error::Timeout(Connect | Resolve) => {
                Self::Unreachable("it does not answer".to_owned())
            }
            ureq::Error::Timeout(_) => Self::Silent,
            ureq::Error::HostNotFound => {
                Self::Unreachable("its name is not known to the network".to_owned())
            }
            ureq::Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => Self::Cut,
            ureq::Error::Io(error) if error.kind() == io::ErrorKind::ConnectionReset => Self::Cut,
            ureq::Error::Io(error) => Self::Unreachable(crate::error::plain_io(&error)),
            error => Self::Unreachable(error.to_string()),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("it is not there"),
            Self::Status(status) => write!(f, "the server answers with status {status}"),
            Self::Unreachable(why) => write!(f, "it cannot be reached: {why}"),
            Self::Silent => f.write_str("it fell silent"),
            Self::Cut => f.write_str("the connection was cut"),
            Self::Wrong(why) => f.write_str(why),
        }
    }
}

/// The error after all mirrors failed: `what` was to be downloaded, and what each mirror had to say.
pub fn all_failed(what: &str, troubles: &[(String, Trouble)]) -> Error {
    let wrong = troubles.iter().find(|(_, trouble)| matches!(trouble, Trouble::Wrong(_)));
    let error = match (wrong, troubles) {
        (Some((mirror, why)), _) => {
            Error::new(ErrorKind::Image, format!("{what} from {mirror} is refused: {why}"))
        }
        (None, [(mirror, why)]) => {
            Error::new(ErrorKind::Image, format!("{what} cannot be had from {mirror}: {why}"))
        }
        (None, _) => Error::new(ErrorKind::Image, format!("{what} cannot be had from any mirror")),
    };
    let error = if troubles.len() > 1 {
        let lines = troubles.iter().map(|(mirror, why)| format!("{mirror}: {why}\n"));
        error.detail(lines.collect::<String>())
    } else {
        error
    };
    if troubles.iter().any(|(_, trouble)| matches!(trouble, Trouble::Unreachable(_))) {
        return error.hint(
            "Is the machine online? With `offline: true` a build takes from the cache what was downloaded before.",
        );
    }
    if wrong.is_some() {
        return error.hint("Try another mirror: `mirrors: [\"https://…/alpine\"]` of `rootfs`.");
    }
    error.hint("What has arrived is kept: the next build goes on from there.")
}
