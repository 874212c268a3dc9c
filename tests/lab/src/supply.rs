//! The power supply of a node: a thread that boots it, and boots it again when it asks for that.

use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::boot::{Board, End};
use crate::cgroup::Cgroup;
use crate::hub::Hub;
use crate::medium::Medium;
use crate::namespaces::{New, unshare};

/// Boots in a row that never got anywhere, before the power supply gives up.
const HOPELESS: u32 = 12;

/// The power supply of a node, and what it needs to know of it.
pub struct Supply {
    pub parts: Parts,
    /// The name of the hub's end of the network cable.
    pub plug: String,
    state: Mutex<State>,
    pub changed: Condvar,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the node does, and what it is to do.
pub struct State {
    pub wanted: Wanted,
    pub running: Option<Running>,
    pub boots: u32,
    /// In a row, since one got anywhere.
    failed_boots: u32,
    /// Why the last boot failed.
    pub failure: Option<String>,
}

/// A node's first process.
#[derive(Clone)]
pub struct Running {
    pub pid: u32,
    pub process: Arc<OwnedFd>,
    /// Processes that the lab itself started in the node to look at it.
    pub probes: Arc<Mutex<u32>>,
}

/// The switch.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    On,
    Off,
    /// Off for good.
    Gone,
}

/// What a node is made of.
pub struct Parts {
    pub name: String,
    pub address: Ipv4Addr,
    pub host_key: String,
    pub dir: PathBuf,
    pub hub: Hub,
    pub medium: Box<dyn Medium>,
    pub cgroup: Option<Cgroup>,
}

impl Supply {
    /// Starts the thread that boots the node.
    pub fn start(parts: Parts) -> Result<Arc<Self>> {
        let [_, _, c, d] = parts.address.octets();
        let state =
            State { wanted: Wanted::On, running: None, boots: 0, failed_boots: 0, failure: None };
        let supply = Arc::new(Self {
            plug: format!("plug{c}.{d}"),
            parts,
            state: Mutex::new(state),
            changed: Condvar::new(),
            thread: Mutex::new(None),
        });
        let supplied = Arc::clone(&supply);
        let thread = thread::Builder::new()
            .name(supply.parts.name.clone())
            .spawn(move || supplied.supply_power())?;
        *supply.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(supply)
    }

    /// Waits for the end of a node that is doomed.
    pub fn join(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // Its panic has been printed already.
            let _ = thread.join();
        }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn running(&self) -> Result<Running> {
        self.state().running.clone().with_context(|| format!("{} is off", self.parts.name))
    }

    pub fn want(&self, wanted: Wanted) {
        let mut state = self.state();
        if state.wanted != Wanted::Gone {
            state.wanted = wanted;
            state.failed_boots = 0;
            state.failure = None;
        }
        self.changed.notify_all();
    }

    fn supply_power(&self) {
        let in_lab = unshare(New::FS).and_then(|()| self.parts.hub.mounts().enter());
        if let Err(error) = in_lab {
            self.give_up(&error);
            return;
        }
        while self.wait_for_switch() {
            let start = Instant::now();
            let end = self.board().boot(|pid| self.note_running(pid));
            self.note_end(end, start.elapsed());
        }
    }

    fn board(&self) -> Board<'_> {
        Board {
            name: &self.parts.name,
            address: self.parts.address,
            plug: &self.plug,
            dir: &self.parts.dir,
            hub: &self.parts.hub,
            medium: &*self.parts.medium,
            cgroup: self.parts.cgroup.as_ref(),
        }
    }

    /// Waits while the node is to be off; `false` when it is to be gone.
    fn wait_for_switch(&self) -> bool {
        let waited = self.changed.wait_while(self.state(), |state| state.wanted == Wanted::Off);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        state.boots += u32::from(state.wanted == Wanted::On);
        state.wanted == Wanted::On
    }

    fn note_running(&self, pid: u32) {
        let process = i32::try_from(pid)
            .ok()
            .and_then(Pid::from_raw)
            .map(|pid| pidfd_open(pid, PidfdFlags::empty()));
        let Some(Ok(process)) = process else { return };
        let mut state = self.state();
        if state.wanted != Wanted::On {
            // The switch was turned while it booted.
            let _ = pidfd_send_signal(&process, Signal::KILL);
        }
        state.running = Some(Running { pid, process: Arc::new(process), probes: Arc::default() });
        self.changed.notify_all();
    }

    fn note_end(&self, end: Result<End>, lived: Duration) {
        let mut state = self.state();
        state.running = None;
        match end {
            Ok(End::Reboot) => state.failed_boots = 0,
            Ok(End::PowerOff) if state.wanted == Wanted::On => state.wanted = Wanted::Off,
            Ok(End::Died) if lived > Duration::from_secs(5) => state.failed_boots = 0,
            Ok(_) => state.failed_boots += 1,
            Err(error) => {
                self.board().log(&format!("{error:#}"));
                state.failed_boots += 1;
                state.failure = Some(format!("{error:#}"));
            }
        }
        if state.failed_boots >= HOPELESS && state.wanted == Wanted::On {
            state.wanted = Wanted::Off;
        }
        self.changed.notify_all();
    }

    fn give_up(&self, error: &anyhow::Error) {
        let mut state = self.state();
        state.wanted = Wanted::Off;
        state.failure = Some(format!("{error:#}"));
        self.changed.notify_all();
    }
}
