//! Namespaces of the kernel, entered and left by threads: no process of the lab's own stands between it and a node.
#![allow(unsafe_code)]

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result};
use rustix::thread::{ThreadNameSpaceType, UnshareFlags};

pub use rustix::thread::{ThreadNameSpaceType as Kind, UnshareFlags as New};

/// A namespace kept alive by being open.
#[derive(Clone)]
pub struct Namespace(Arc<OwnedFd>);

impl Namespace {
    /// The calling thread's namespace of that kind (`net`, `mnt`, …, as in `/proc/self/ns`).
    pub fn current(kind: &str) -> Result<Self> {
        let path = format!("/proc/thread-self/ns/{kind}");
        let file = File::open(&path).with_context(|| format!("open {path}"))?;
        Ok(Self(Arc::new(file.into())))
    }

    /// Moves the calling thread into it.
    pub fn enter(&self) -> Result<()> {
        rustix::thread::move_into_link_name_space(self.0.as_fd(), None)
            .context("enter a namespace of the lab")
    }

    /// Lets a command's process enter it before it starts.
    pub fn enter_in_child(&self, command: &mut Command) {
        let namespace = self.clone();
        // Safety: one system call between fork and exec, no allocation.
        unsafe {
            command.pre_exec(move || {
                Ok(rustix::thread::move_into_link_name_space(namespace.as_fd(), None)?)
            })
        };
    }
}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Moves the calling thread into the namespace that `path` names.
pub fn enter_namespace(path: &std::path::Path) -> Result<()> {
    let file =
        File::open(path).with_context(|| format!("open {}: is this root?", path.display()))?;
    Namespace(Arc::new(file.into())).enter()
}

/// Runs `work` in a thread made for it, which may change its namespaces: they end with it. A panic goes on in the
/// caller.
pub fn in_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        scope.spawn(work).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Runs `work` in a thread that is in the given namespaces.
pub fn inside<T: Send>(
    namespaces: &[&Namespace],
    work: impl FnOnce() -> Result<T> + Send,
) -> Result<T> {
    in_thread(|| {
        unshare(UnshareFlags::FS)?;
        namespaces.iter().try_for_each(|namespace| namespace.enter())?;
        work()
    })
}

/// Runs `work` in a thread that is in those namespaces of another process; what it starts is there as well.
pub fn inside_process<T: Send>(
    process: BorrowedFd<'_>,
    kinds: ThreadNameSpaceType,
    work: impl FnOnce() -> Result<T> + Send,
) -> Result<T> {
    in_thread(|| {
        unshare(UnshareFlags::FS)?;
        rustix::thread::move_into_thread_name_spaces(process, kinds)
            .context("enter a node's namespaces")?;
        work()
    })
}

/// Gives the calling thread new namespaces. Mount namespaces need `FS` as well, as other threads share the root.
pub fn unshare(new: UnshareFlags) -> Result<()> {
    debug_assert!(!new.contains(UnshareFlags::FILES));
    // Safety: what could go wrong is unsharing the table of open files, see above.
    unsafe { rustix::thread::unshare_unsafe(new) }
        .with_context(|| format!("make namespaces ({new:?}): is this root?"))
}

/// Like [`unshare`], and fit for the time between fork and exec.
pub fn unshare_in_child(new: UnshareFlags) -> std::io::Result<()> {
    // Safety: as above.
    Ok(unsafe { rustix::thread::unshare_unsafe(new) }?)
}

/// Adds what a child does between fork and exec.
///
/// # Safety
/// `work` must neither allocate nor take locks: other threads' locks are frozen in the child.
pub unsafe fn before_exec(
    command: &mut Command,
    work: impl FnMut() -> std::io::Result<()> + Send + Sync + 'static,
) {
    // Safety: passed on to the caller.
    unsafe { command.pre_exec(work) };
}
