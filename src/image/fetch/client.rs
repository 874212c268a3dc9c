//! Reads files of mirrors, from any byte on: by HTTP, or from a directory.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek as _, SeekFrom};
use std::time::Duration;

use super::trouble::Trouble;
use crate::error::plain_io;

/// How long a mirror may take. There is no limit for a whole download: lines are slow.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Until there is a connection.
    pub connect: Duration,
    /// Until the next byte.
    pub silence: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), silence: Duration::from_secs(30) }
    }
}

/// Clones share their connections.
#[derive(Debug, Clone)]
pub struct Client {
    agent: ureq::Agent,
}

/// A file that is on its way.
pub struct Answer {
    /// The byte that it begins with: the one asked for, or the first.
    pub from: u64,
    pub body: Box<dyn Read + Send>,
}

impl Client {
    pub fn new(patience: Patience) -> Self {
        let config = ureq::Agent::config_builder()
            .timeout_resolve(Some(patience.connect))
            .timeout_connect(Some(patience.connect))
            .timeout_recv_response(Some(patience.silence))
            .timeout_per_read(Some(patience.silence))
            .user_agent(concat!("pirun/", env!("CARGO_PKG_VERSION")))
            // Packages are compressed, and counted as they are.
            .accept_encoding("")
            .build();
        Self { agent: config.into() }
    }

    /// The file behind `url`, from byte `from` on if the server can do that.
    pub fn get(&self, url: &str, from: u64) -> Result<Answer, Trouble> {
        if let Some(path) = url.strip_prefix("file://") {
            return open(path, from);
        }
        let mut request = self.agent.get(url);
        if from > 0 {
            request = request.header("Range", format!("bytes={from}-"));
        }
        let answer = match request.call() {
            // There is nothing from there on: the server's file is shorter than what is here.
            Err(ureq::Error::StatusCode(416)) if from > 0 => return self.get(url, 0),
            answer => answer?,
        };
        let from = if answer.status() == 206 { range_begin(&answer).unwrap_or(from) } else { 0 };
        Ok(Answer { from, body: Box::new(answer.into_body().into_reader()) })
    }
}

/// From `Content-Range: bytes 7-9/10`.
fn range_begin<T>(answer: &http::Response<T>) -> Option<u64> {
    let range = answer.headers().get("Content-Range")?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split('-').next()?.parse().ok()
}

fn open(path: &str, from: u64) -> Result<Answer, Trouble> {
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => Trouble::Missing,
        _ => Trouble::Unreachable(plain_io(&error)),
    };
    let mut file = File::open(path).map_err(failed)?;
    file.seek(SeekFrom::Start(from)).map_err(failed)?;
    Ok(Answer { from, body: Box::new(file) })
}
