//! A relay in front of a node: one more address on the hub, whose SSH port leads to the node's. It counts what passes,
//! and can be slow, silent or broken at a chosen byte.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::set_socket_linger;

use crate::hub::{self, Hub};
use crate::node::Node;

/// How long a change of settings may go unnoticed by a connection on which nothing happens.
const GLANCE: Duration = Duration::from_millis(20);

/// What a connection holds back before it stops reading, in bytes each way.
const HELD: usize = 4 << 20;

/// How long the node may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(10);

const SSH_PORT: u16 = 22;

/// The relay. Dropping it breaks its connections.
pub struct Relay {
    address: Ipv4Addr,
    host_key: String,
    shared: Arc<Mutex<Shared>>,
    acceptor: Option<JoinHandle<()>>,
}

/// What has passed so far, over all connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Accepted so far: each is a login.
    pub connections: u32,
    pub bytes_to_node: u64,
    pub bytes_from_node: u64,
    /// How many times the client spoke after the node had: what a longer cable makes slower.
    pub turnarounds: u32,
}

/// How a connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Nothing gets through and nobody is told, until the relay is mended.
    Silence,
    /// Both sides are told at once.
    Reset,
}

#[derive(Default)]
struct Shared {
    traffic: Traffic,
    delay: Duration,
    /// Cut when that many bytes in all have gone to the node.
    limit: Option<(u64, Cut)>,
    cut: Option<Cut>,
    closed: bool,
}

impl Relay {
    pub(crate) fn start(hub: &Hub, address: Ipv4Addr, node: &Node) -> Result<Self> {
        let target = SocketAddrV4::new(node.address(), SSH_PORT);
        let prefix = hub::PREFIX;
        hub::ip(
            Some(hub.network()),
            &format!("addr add {address}/{prefix} dev br0\n"),
        )?;
        let listener = hub.run(|| {
            let listener = TcpListener::bind((address, SSH_PORT));
            listener.with_context(|| format!("listen on {address}"))
        })?;
        let shared = Arc::new(Mutex::new(Shared::default()));
        let (its, hub) = (Arc::clone(&shared), hub.clone());
        let acceptor = thread::Builder::new().name("relay".into()).spawn(move || {
            // Sockets made in this thread are to be on the hub's network.
            if hub.network().enter().is_ok() {
                accept(&listener, target, &its);
            }
        })?;
        let host_key = format!("{address} {}", node.public_host_key());
        Ok(Self {
            address,
            host_key,
            shared,
            acceptor: Some(acceptor),
        })
    }

    /// Where to connect to instead of the node; the port is SSH's own.
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// The line of a `known_hosts` file for the node behind it, by the relay's address.
    pub fn host_key(&self) -> &str {
        &self.host_key
    }

    pub fn traffic(&self) -> Traffic {
        lock(&self.shared).traffic
    }

    /// Sets all counters to zero.
    pub fn forget_traffic(&self) {
        lock(&self.shared).traffic = Traffic::default();
    }

    /// Holds back each byte for that long, in both directions: half of what is added to a round trip.
    pub fn delay(&self, one_way: Duration) {
        lock(&self.shared).delay = one_way;
    }

    /// Cuts all connections now.
    pub fn cut(&self, cut: Cut) {
        lock(&self.shared).cut = Some(cut);
    }

    /// Cuts all connections when `bytes` more bytes have gone to the node: not one more gets there.
    pub fn cut_after(&self, bytes: u64, cut: Cut) {
        let mut shared = lock(&self.shared);
        shared.limit = Some((shared.traffic.bytes_to_node + bytes, cut));
    }

    /// Whether it is cut at the moment.
    pub fn is_cut(&self) -> bool {
        lock(&self.shared).cut.is_some()
    }

    /// Ends a cut. Silent connections go on where they were, if their ends are still there.
    pub fn mend(&self) {
        let mut shared = lock(&self.shared);
        (shared.cut, shared.limit) = (None, None);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        lock(&self.shared).closed = true;
        if let Some(acceptor) = self.acceptor.take() {
            // Its panic has been printed already.
            let _ = acceptor.join();
        }
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes connections until the relay is dropped, and waits for them to end.
fn accept(listener: &TcpListener, target: SocketAddrV4, shared: &Mutex<Shared>) {
    thread::scope(|scope| {
        while !lock(shared).closed {
            let mut ready = [PollFd::new(listener, PollFlags::IN)];
            if !matches!(poll(&mut ready, Some(&timespec(GLANCE))), Ok(1))
                || lock(shared).cut.is_some()
            {
                continue;
            }
            if let Ok((client, _)) = listener.accept() {
                lock(shared).traffic.connections += 1;
                // An end that breaks ends its connection; the other end is told by its socket being closed.
                scope.spawn(move || {
                    TcpStream::connect_timeout(&target.into(), CONNECT)
                        .and_then(|node| Pair::new(client, node)?.carry(shared))
                });
            }
        }
    });
}

/// One direction of a connection.
struct Lane {
    from: TcpStream,
    to: TcpStream,
    held: VecDeque<(Instant, Vec<u8>)>,
    bytes: usize,
    ended: bool,
    is_to_node: bool,
}

/// A connection.
struct Pair {
    lanes: [Lane; 2],
    node_spoke_last: bool,
}

impl Pair {
    fn new(client: TcpStream, node: TcpStream) -> std::io::Result<Self> {
        for stream in [&client, &node] {
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
        }
        let lane = |from: &TcpStream, to: &TcpStream, is_to_node| {
            let held = VecDeque::new();
            Ok::<_, std::io::Error>(Lane {
                from: from.try_clone()?,
                to: to.try_clone()?,
                held,
                bytes: 0,
                ended: false,
                is_to_node,
            })
        };
        Ok(Self {
            lanes: [lane(&client, &node, true)?, lane(&node, &client, false)?],
            node_spoke_last: false,
        })
    }

    /// Carries bytes until both directions have ended.
    fn carry(&mut self, shared: &Mutex<Shared>) -> std::io::Result<()> {
        loop {
            let (cut, delay, closed) = {
                let shared = lock(shared);
                (shared.cut, shared.delay, shared.closed)
            };
            if closed || cut == Some(Cut::Reset) {
                return self.reset();
            }
            if cut == Some(Cut::Silence) {
                thread::sleep(GLANCE);
                continue;
            }
            for lane in &mut self.lanes {
                lane.pass_on(shared)?;
            }
            if self.lanes.iter().all(Lane::is_over) {
                return Ok(());
            }
            if lock(shared).cut.is_none() {
                self.wait()?;
                for number in 0..self.lanes.len() {
                    self.take_in(number, delay, shared)?;
                }
            }
        }
    }

    fn wait(&self) -> std::io::Result<()> {
        let now = Instant::now();
        let mut pause = GLANCE;
        let mut polled = Vec::new();
        for lane in &self.lanes {
            if lane.wants_more() {
                polled.push(PollFd::from_borrowed_fd(lane.from.as_fd(), PollFlags::IN));
            }
            match lane.held.front() {
                Some((due, _)) if *due <= now => {
                    polled.push(PollFd::from_borrowed_fd(lane.to.as_fd(), PollFlags::OUT))
                }
                Some((due, _)) => pause = pause.min(*due - now),
                None => {}
            }
        }
        poll(&mut polled, Some(&timespec(pause)))?;
        Ok(())
    }

    /// Reads what one end has sent, and counts it.
    fn take_in(
        &mut self,
        number: usize,
        delay: Duration,
        shared: &Mutex<Shared>,
    ) -> std::io::Result<()> {
        let lane = &mut self.lanes[number];
        if !lane.wants_more() {
            return Ok(());
        }
        let mut buffer = vec![0; 64 << 10];
        let length = match lane.from.read(&mut buffer) {
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        lane.ended = length == 0;
        if length > 0 {
            buffer.truncate(length);
            lane.bytes += length;
            lane.held.push_back((Instant::now() + delay, buffer));
            if lane.is_to_node && self.node_spoke_last {
                lock(shared).traffic.turnarounds += 1;
            }
            self.node_spoke_last = !lane.is_to_node;
        }
        Ok(())
    }

    /// Closes both ends in a way that is noticed as an error.
    fn reset(&self) -> std::io::Result<()> {
        for lane in &self.lanes {
            set_socket_linger(&lane.to, Some(Duration::ZERO))?;
        }
        Ok(())
    }
}

impl Lane {
    fn wants_more(&self) -> bool {
        !self.ended && self.bytes < HELD
    }

    fn is_over(&self) -> bool {
        self.ended && self.held.is_empty()
    }

    /// Writes what is due, as far as the other end and the limit allow.
    fn pass_on(&mut self, shared: &Mutex<Shared>) -> std::io::Result<()> {
        while let Some((due, bytes)) = self.held.front_mut() {
            if *due > Instant::now() {
                return Ok(());
            }
            // Held while writing: the limit is exact also with several connections.
            let mut shared = lock(shared);
            if shared.cut.is_some() {
                return Ok(());
            }
            let allowed = if self.is_to_node {
                shared.allowed(bytes.len())
            } else {
                bytes.len()
            };
            let written = match self.to.write(&bytes[..allowed]) {
                Ok(written) => written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            shared.count(written, self.is_to_node);
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

impl Shared {
    fn allowed(&self, wanted: usize) -> usize {
        let left = self.limit.map_or(u64::MAX, |(limit, _)| {
            limit.saturating_sub(self.traffic.bytes_to_node)
        });
        usize::try_from(left).map_or(wanted, |left| left.min(wanted))
    }

    fn count(&mut self, bytes: usize, is_to_node: bool) {
        if !is_to_node {
            self.traffic.bytes_from_node += bytes as u64;
            return;
        }
        self.traffic.bytes_to_node += bytes as u64;
        if let Some((limit, cut)) = self.limit
            && self.traffic.bytes_to_node >= limit
        {
            (self.cut, self.limit) = (Some(cut), None);
        }
    }
}

/// For `poll`; the durations here are short.
pub fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: duration.as_secs().try_into().unwrap_or(i64::MAX),
        tv_nsec: duration.subsec_nanos().into(),
    }
}
