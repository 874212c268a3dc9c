//! An HTTP server for a mirror, on the loopback interface. It counts what it sends, and can be made to fail.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result};

/// How long a change may go unnoticed by a connection on which nothing happens.
const GLANCE: Duration = Duration::from_millis(20);

/// The server. Dropping it ends its connections.
pub struct MirrorServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

/// What goes wrong with a request whose path ends with a given text.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The connection ends after that many bytes of the body.
    Truncate(u64),
    /// After that many bytes of the body nothing more comes, and the connection stays.
    Stall(u64),
    /// That status, such as 404.
    Status(u16),
    /// The byte at that place of the file is another one.
    Alter(usize),
    /// The file is that instead.
    Replace(Vec<u8>),
    /// Requests for a part are answered with the whole.
    WithoutRanges,
}

struct Shared {
    dir: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    closed: bool,
    /// The path's end, what goes wrong, and how many times yet.
    faults: Vec<(String, Fault, u32)>,
    requests: u64,
    bytes: u64,
    /// Bytes of bodies, by path.
    sent: BTreeMap<String, u64>,
}

impl MirrorServer {
    pub fn start(dir: &Path) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("listen for HTTP")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { dir: dir.to_owned(), state: Mutex::default() });
        let its = Arc::clone(&shared);
        let acceptor = thread::Builder::new().name("mirror".into()).spawn(move || {
            thread::scope(|scope| {
                for connection in listener.incoming() {
                    if its.state().closed {
                        break;
                    }
                    if let Ok(connection) = connection {
                        // A client that goes away ends its connection, and nothing else.
                        let its = &its;
                        scope.spawn(move || drop(its.serve(&connection)));
                    }
                }
            });
        })?;
        Ok(Self { address, shared, acceptor: Some(acceptor) })
    }

    /// What the paths of repositories, such as `/v3.23/main`, are put behind.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Lets requests whose path ends with `path` fail, until the faults are cleared.
    pub fn fail(&self, path: &str, fault: Fault) {
        self.fail_times(path, fault, u32::MAX);
    }

    /// Like [`fail`](Self::fail), that many times.
    pub fn fail_times(&self, path: &str, fault: Fault, times: u32) {
        self.shared.state().faults.push((path.to_owned(), fault, times));
    }

    /// Everything works again; what has stalled goes on.
    pub fn mend(&self) {
        self.shared.state().faults.clear();
    }

    /// Requests so far.
    pub fn requests(&self) -> u64 {
        self.shared.state().requests
    }

    /// Bytes of bodies sent so far.
    pub fn bytes(&self) -> u64 {
        self.shared.state().bytes
    }

    /// Bytes of bodies sent so far for paths that end with `path`.
    pub fn bytes_of(&self, path: &str) -> u64 {
        let state = self.shared.state();
        state.sent.iter().filter(|(name, _)| name.ends_with(path)).map(|(_, sent)| sent).sum()
    }

    /// Sets all counters to zero.
    pub fn forget(&self) {
        let mut state = self.shared.state();
        (state.requests, state.bytes) = (0, 0);
        state.sent.clear();
    }
}

impl Drop for MirrorServer {
    fn drop(&mut self) {
        self.shared.state().closed = true;
        // Wakes the acceptor. If that fails it is gone already.
        drop(TcpStream::connect(self.address));
        if let Some(acceptor) = self.acceptor.take() {
            // Its panic has been printed already.
            drop(acceptor.join());
        }
    }
}

/// A request's line and the one header that matters.
struct Request {
    path: String,
    from: Option<u64>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, connection: &TcpStream) -> std::io::Result<()> {
        connection.set_read_timeout(Some(GLANCE))?;
        connection.set_nodelay(true)?;
        let mut reader = BufReader::new(Patient { connection, shared: self });
        while let Some(request) = read_request(&mut reader)? {
            if !self.answer(connection, &request)? {
                break;
            }
        }
        Ok(())
    }

    /// Whether the connection can be used again.
    fn answer(&self, mut connection: &TcpStream, request: &Request) -> std::io::Result<bool> {
        let fault = self.fault_for(&request.path);
        let body = match &fault {
            Some(Fault::Status(status)) => Err(*status),
            Some(Fault::Replace(bytes)) => Ok(bytes.clone()),
            _ => self.file(&request.path).ok_or(404),
        };
        let mut body = match body {
            Ok(body) => body,
            Err(status) => {
                write!(connection, "HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n")?;
                return Ok(true);
            }
        };
        if let Some(Fault::Alter(at)) = fault
            && let Some(byte) = body.get_mut(at)
        {
            *byte ^= 0xff;
        }
        let total = body.len();
        let from = request.from.filter(|_| !matches!(fault, Some(Fault::WithoutRanges)));
        let from = from.map(|from| usize::try_from(from).unwrap_or(usize::MAX));
        let head = match from {
            Some(from) if from >= total => {
                write!(
                    connection,
                    "HTTP/1.1 416 No\r\nContent-Range: bytes */{total}\r\nContent-Length: 0\r\n\r\n"
                )?;
                return Ok(true);
            }
            Some(from) => {
                body.drain(..from);
                format!("206 Part\r\nContent-Range: bytes {from}-{}/{total}", total - 1)
            }
            None => "200 OK".to_owned(),
        };
        write!(connection, "HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n", body.len())?;
        let limit = match fault {
            Some(Fault::Truncate(bytes) | Fault::Stall(bytes)) => {
                body.len().min(usize::try_from(bytes).unwrap_or(usize::MAX))
            }
            _ => body.len(),
        };
        self.send(connection, &request.path, &body[..limit])?;
        if matches!(fault, Some(Fault::Stall(_))) {
            self.wait_for_mending();
            self.send(connection, &request.path, &body[limit..])?;
        }
        Ok(!matches!(fault, Some(Fault::Truncate(_))))
    }

    fn send(&self, mut connection: &TcpStream, path: &str, body: &[u8]) -> std::io::Result<()> {
        for chunk in body.chunks(16 << 10) {
            connection.write_all(chunk)?;
            let mut state = self.state();
            state.bytes += chunk.len() as u64;
            *state.sent.entry(path.to_owned()).or_default() += chunk.len() as u64;
        }
        Ok(())
    }

    fn wait_for_mending(&self) {
        loop {
            let state = self.state();
            if state.closed || state.faults.is_empty() {
                return;
            }
            drop(state);
            thread::sleep(GLANCE);
        }
    }

    /// Counts the request, and finds what is to go wrong with it.
    fn fault_for(&self, path: &str) -> Option<Fault> {
        let mut state = self.state();
        state.requests += 1;
        let found =
            state.faults.iter_mut().find(|(end, _, times)| *times > 0 && path.ends_with(&**end));
        found.map(|(_, fault, times)| {
            *times -= 1;
            fault.clone()
        })
    }

    fn file(&self, path: &str) -> Option<Vec<u8>> {
        let path = Path::new(path.trim_start_matches('/'));
        let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
        plain.then(|| fs::read(self.dir.join(path)).ok()).flatten()
    }
}

/// Reads on after time-outs, until the server is to end.
struct Patient<'a> {
    connection: &'a TcpStream,
    shared: &'a Shared,
}

impl Read for Patient<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        use std::io::ErrorKind::{TimedOut, WouldBlock};
        loop {
            match self.connection.read(bytes) {
                Err(error) if matches!(error.kind(), TimedOut | WouldBlock) => {
                    if self.shared.state().closed {
                        return Ok(0);
                    }
                }
                result => return result,
            }
        }
    }
}

/// `None` at the end of the connection.
fn read_request(reader: &mut impl BufRead) -> std::io::Result<Option<Request>> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        if line.trim().is_empty() {
            break;
        }
        lines.push(line.trim().to_owned());
    }
    let path = lines.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
    let range = lines.iter().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let range = value.trim().strip_prefix("bytes=")?;
        name.eq_ignore_ascii_case("range").then(|| range.split('-').next()?.parse().ok()).flatten()
    });
    Ok(Some(Request { path: decoded(path), from: range }))
}

/// Without `%2B` and the like.
fn decoded(path: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = path.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let code = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let code =
            code.filter(|_| first == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(code.unwrap_or(first));
        rest = if code.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
