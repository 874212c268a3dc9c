//! A relay in front of a node: one more address on the hub, whose SSH port leads to the node's. It counts what passes,
//! and can be slow, silent or broken at a chosen byte.

use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, poll};

use crate::hub::{self, Hub};
use crate::lanes::{Pair, timespec};
use crate::node::Node;

/// How long a change of settings may go unnoticed by a connection on which nothing happens.
pub const GLANCE: Duration = Duration::from_millis(20);

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

/// What the relay and its connections have in common.
#[derive(Default)]
pub struct Shared {
    pub traffic: Traffic,
    pub delay: Duration,
    /// Cut when that many bytes in all have gone to the node.
    limit: Option<(u64, Cut)>,
    /// The same for bytes from the node.
    answer_limit: Option<(u64, Cut)>,
    pub cut: Option<Cut>,
    pub closed: bool,
}

impl Relay {
    pub(crate) fn start(hub: &Hub, address: Ipv4Addr, node: &Node) -> Result<Self> {
        let target = SocketAddrV4::new(node.address(), SSH_PORT);
        let prefix = hub::PREFIX;
        hub::ip(Some(hub.network()), &format!("addr add {address}/{prefix} dev br0\n"))?;
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
        Ok(Self { address, host_key, shared, acceptor: Some(acceptor) })
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

    /// Cuts all connections when `bytes` more bytes have come from the node: not one more gets through.
    pub fn cut_after_answers(&self, bytes: u64, cut: Cut) {
        let mut shared = lock(&self.shared);
        shared.answer_limit = Some((shared.traffic.bytes_from_node + bytes, cut));
    }

    /// Whether it is cut at the moment.
    pub fn is_cut(&self) -> bool {
        lock(&self.shared).cut.is_some()
    }

    /// Ends a cut. Silent connections go on where they were, if their ends are still there.
    pub fn mend(&self) {
        let mut shared = lock(&self.shared);
        (shared.cut, shared.limit, shared.answer_limit) = (None, None, None);
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

pub fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
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

impl Shared {
    /// How many of `wanted` bytes may go on.
    pub fn allowed(&self, wanted: usize, is_to_node: bool) -> usize {
        let (limit, passed) = match is_to_node {
            true => (self.limit, self.traffic.bytes_to_node),
            false => (self.answer_limit, self.traffic.bytes_from_node),
        };
        let left = limit.map_or(u64::MAX, |(limit, _)| limit.saturating_sub(passed));
        usize::try_from(left).map_or(wanted, |left| left.min(wanted))
    }

    /// Notes bytes that have gone, and cuts where the limit says so.
    pub fn count(&mut self, bytes: usize, is_to_node: bool) {
        let (limit, passed) = match is_to_node {
            true => (&mut self.limit, &mut self.traffic.bytes_to_node),
            false => (&mut self.answer_limit, &mut self.traffic.bytes_from_node),
        };
        *passed += bytes as u64;
        if let Some((_, cut)) = limit.take_if(|(limit, _)| *passed >= *limit) {
            self.cut = Some(cut);
        }
    }
}
