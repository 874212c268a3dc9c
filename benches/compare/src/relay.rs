//! A relay in front of a node: counts what passes, and can hold every byte back for a while.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// How soon an idle connection notices that the relay is closed.
const GLANCE: Duration = Duration::from_millis(50);

/// Bytes held back in one direction before no more are read: several seconds of a fast line.
const HELD: usize = 64 << 20;

/// What has passed so far, over all connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Each is a login.
    pub connections: u64,
    pub bytes_to_node: u64,
    pub bytes_from_node: u64,
    /// How many times the client spoke after the node had: what a longer line makes slower.
    pub turnarounds: u64,
}

/// The relay. Dropping it breaks its connections.
pub struct Relay {
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    traffic: Mutex<Traffic>,
    one_way: AtomicU64,
    closed: AtomicBool,
}

impl Relay {
    /// Listens on `address` and leads to `node`, on SSH's port on both.
    pub fn start(address: Ipv4Addr, node: Ipv4Addr, one_way: Duration) -> Result<Self> {
        let listener =
            TcpListener::bind((address, 22)).with_context(|| format!("listen on {address}"))?;
        let shared = Arc::new(Shared::default());
        shared.one_way.store(one_way.as_micros().try_into().unwrap_or(u64::MAX), Relaxed);
        let its = Arc::clone(&shared);
        let acceptor = thread::Builder::new()
            .name("relay".into())
            .spawn(move || accept(&listener, node, &its))?;
        Ok(Self { shared, acceptor: Some(acceptor) })
    }

    /// What has passed since the last call.
    pub fn take_traffic(&self) -> Traffic {
        std::mem::take(&mut self.shared.traffic.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.closed.store(true, Relaxed);
        if let Some(acceptor) = self.acceptor.take() {
            // Its panic has been printed already.
            let _ = acceptor.join();
        }
    }
}

impl Shared {
    fn count(&self, count: impl FnOnce(&mut Traffic)) {
        count(&mut self.traffic.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

fn accept(listener: &TcpListener, node: Ipv4Addr, shared: &Shared) {
    thread::scope(|scope| {
        while !shared.closed.load(Relaxed) {
            let mut ready = [PollFd::new(listener, PollFlags::IN)];
            if !matches!(poll(&mut ready, Some(&timespec(GLANCE))), Ok(1)) {
                continue;
            }
            if let Ok((client, _)) = listener.accept() {
                shared.count(|traffic| traffic.connections += 1);
                // An end that breaks ends its connection; the other is told by its socket being closed.
                scope.spawn(move || {
                    TcpStream::connect((node, 22)).and_then(|node| carry(client, node, shared))
                });
            }
        }
    });
}

/// One direction of a connection.
struct Lane<'a> {
    from: &'a TcpStream,
    to: &'a TcpStream,
    held: VecDeque<(Instant, Vec<u8>)>,
    bytes: usize,
    ended: bool,
}

fn carry(client: TcpStream, node: TcpStream, shared: &Shared) -> std::io::Result<()> {
    for stream in [&client, &node] {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
    }
    let mut lanes = [(&client, &node), (&node, &client)].map(|(from, to)| Lane {
        from,
        to,
        held: VecDeque::new(),
        bytes: 0,
        ended: false,
    });
    let mut node_spoke_last = false;
    let mut buffer = vec![0; 256 << 10];
    while !shared.closed.load(Relaxed) {
        let delay = Duration::from_micros(shared.one_way.load(Relaxed));
        for (number, lane) in lanes.iter_mut().enumerate() {
            let length = lane.take_in(&mut buffer, delay)?;
            let to_node = number == 0;
            if length > 0 {
                shared.count(|traffic| {
                    if to_node {
                        traffic.bytes_to_node += length as u64;
                        traffic.turnarounds += u64::from(node_spoke_last);
                    } else {
                        traffic.bytes_from_node += length as u64;
                    }
                });
                node_spoke_last = !to_node;
            }
            lane.pass_on()?;
        }
        if lanes.iter().all(|lane| lane.ended && lane.held.is_empty()) {
            return Ok(());
        }
        wait(&lanes)?;
    }
    Ok(())
}

fn wait(lanes: &[Lane<'_>; 2]) -> std::io::Result<()> {
    let now = Instant::now();
    let mut pause = GLANCE;
    let mut polled = Vec::new();
    for lane in lanes {
        if lane.wants_more() {
            polled.push(PollFd::from_borrowed_fd(lane.from.as_fd(), PollFlags::IN));
        }
        match lane.held.front() {
            Some((due, _)) if *due <= now => {
                polled.push(PollFd::from_borrowed_fd(lane.to.as_fd(), PollFlags::OUT));
            }
            Some((due, _)) => pause = pause.min(*due - now),
            None => {}
        }
    }
    poll(&mut polled, Some(&timespec(pause)))?;
    Ok(())
}

impl Lane<'_> {
    fn wants_more(&self) -> bool {
        !self.ended && self.bytes < HELD
    }

    /// Reads what one end has sent; how many bytes.
    fn take_in(&mut self, buffer: &mut [u8], delay: Duration) -> std::io::Result<usize> {
        if !self.wants_more() {
            return Ok(0);
        }
        match self.from.read(buffer) {
            Ok(0) => self.ended = true,
            Ok(length) => {
                self.bytes += length;
                self.held.push_back((Instant::now() + delay, buffer[..length].to_vec()));
                return Ok(length);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        Ok(0)
    }

    /// Writes what is due, as far as the other end takes it.
    fn pass_on(&mut self) -> std::io::Result<()> {
        while let Some((due, bytes)) = self.held.front_mut() {
            if *due > Instant::now() {
                return Ok(());
            }
            let written = match self.to.write(bytes) {
                Ok(written) => written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            self.bytes -= written;
            if written == bytes.len() {
                self.held.pop_front();
            } else {
                bytes.drain(..written);
            }
        }
        if self.ended {
            // The other end may have closed already.
            let _ = self.to.shutdown(std::net::Shutdown::Write);
        }
        Ok(())
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: duration.as_secs().try_into().unwrap_or(i64::MAX),
        tv_nsec: duration.subsec_nanos().into(),
    }
}
