//! A connection through a relay: two lanes, one for each direction.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::set_socket_linger;

use crate::relay::{Cut, GLANCE, Shared, lock};

/// What a connection holds back before it stops reading, in bytes each way.
const HELD: usize = 4 << 20;

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
pub struct Pair {
    lanes: [Lane; 2],
    node_spoke_last: bool,
}

impl Pair {
    pub fn new(client: TcpStream, node: TcpStream) -> std::io::Result<Self> {
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
    pub fn carry(&mut self, shared: &Mutex<Shared>) -> std::io::Result<()> {
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
            let allowed = shared.allowed(bytes.len(), self.is_to_node);
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

/// For `poll`; the durations here are short.
pub fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: duration.as_secs().try_into().unwrap_or(i64::MAX),
        tv_nsec: duration.subsec_nanos().into(),
    }
}
