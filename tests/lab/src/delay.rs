//! A longer cable: a wire in user space between a node's plug and the hub's bridge that holds back every frame. (The
//! kernel's own `netem` is not built into every kernel.)
#![allow(unsafe_code)]

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::ioctl::{Updater, ioctl};

use crate::lanes::timespec;
use crate::namespaces::{Namespace, inside};

/// Frames on the wire in one direction before further ones are lost, as on a router's queue.
const QUEUE: usize = 8192;

/// The longest frame of the lab's network: 1500 bytes behind an Ethernet header with a VLAN tag.
const FRAME: usize = 1518;

/// `TUNSETIFF` of `linux/if_tun.h`.
const TUNSETIFF: rustix::ioctl::Opcode = rustix::ioctl::opcode::write::<std::ffi::c_int>(b'T', 202);
const IFF_TAP: u16 = 0x0002;
const IFF_NO_PI: u16 = 0x1000;

/// The cable. Dropping it removes both its ends.
pub struct Cable {
    one_way: Arc<AtomicU64>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Cable {
    /// Makes a cable between two new network devices of those names.
    pub fn between(network: &Namespace, names: [&str; 2], one_way: Duration) -> Result<Self> {
        let ends = inside(&[network], || Ok([tap(names[0])?, tap(names[1])?]))?;
        let (nanoseconds, ended) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (its_delay, its_end) = (Arc::clone(&nanoseconds), Arc::clone(&ended));
        let thread = thread::Builder::new()
            .name("cable".into())
            .spawn(move || carry(&ends, &its_delay, &its_end))?;
        let cable = Self { one_way: nanoseconds, ended, thread: Some(thread) };
        cable.set(one_way);
        Ok(cable)
    }

    /// Changes the delay of frames sent from now on.
    pub fn set(&self, one_way: Duration) {
        self.one_way.store(one_way.as_nanos().try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // Its panic has been printed already.
            let _ = thread.join();
        }
    }
}

/// The kernel's `struct ifreq`, as far as this request uses it.
#[repr(C)]
struct InterfaceRequest {
    name: [u8; 16],
    flags: u16,
    rest: [u8; 22],
}

/// A new Ethernet device in the calling thread's network namespace, whose frames are read and written here.
fn tap(name: &str) -> Result<File> {
    let mut options = File::options();
    options.read(true).write(true).custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
    let file =
        options.open("/dev/net/tun").context("open /dev/net/tun, which a longer cable needs")?;
    let mut request = InterfaceRequest { name: [0; 16], flags: IFF_TAP | IFF_NO_PI, rest: [0; 22] };
    request.name[..name.len()].copy_from_slice(name.as_bytes());
    // Safety: the request is the structure the kernel expects, and it keeps no reference to it.
    unsafe { ioctl(&file, Updater::<TUNSETIFF, _>::new(&mut request)) }
        .with_context(|| format!("make device {name}"))?;
    Ok(file)
}

fn carry(ends: &[File; 2], one_way: &AtomicU64, ended: &AtomicBool) {
    // Without it the kernel may be 50 microseconds late.
    let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
    let mut queues = [VecDeque::new(), VecDeque::new()];
    while !ended.load(Ordering::Relaxed) {
        let mut pause = Duration::from_millis(50);
        for (number, queue) in queues.iter_mut().enumerate() {
            if let Some(left) = deliver(queue, &ends[1 - number]) {
                pause = pause.min(left);
            }
        }
        let mut polled = [0, 1]
            .map(|number: usize| PollFd::from_borrowed_fd(ends[number].as_fd(), PollFlags::IN));
        if poll(&mut polled, Some(&timespec(pause))).is_err() {
            continue;
        }
        let delay = Duration::from_nanos(one_way.load(Ordering::Relaxed));
        for (number, queue) in queues.iter_mut().enumerate() {
            collect(queue, &ends[number], delay);
        }
    }
}

/// Sends the frames that are due; how long until the next one is.
fn deliver(queue: &mut VecDeque<(Instant, Vec<u8>)>, mut end: &File) -> Option<Duration> {
    let now = Instant::now();
    while let Some((due, frame)) = queue.front() {
        if *due > now {
            return Some(*due - now);
        }
        // A frame the other side does not take is lost, as on any network.
        let _ = end.write(frame);
        queue.pop_front();
    }
    None
}

fn collect(queue: &mut VecDeque<(Instant, Vec<u8>)>, mut end: &File, delay: Duration) {
    let mut buffer = [0; FRAME];
    while queue.len() < QUEUE {
        match end.read(&mut buffer) {
            Ok(length) if length > 0 => {
                queue.push_back((Instant::now() + delay, buffer[..length].to_vec()))
            }
            _ => return,
        }
    }
}
