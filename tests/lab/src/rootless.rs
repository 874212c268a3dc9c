//! A lab without root: the process becomes root of a user namespace of its own. That is enough for fast nodes; loop
//! devices, and so cards, stay out of reach.
#![allow(unsafe_code)]

use std::fs;
use std::io;
use std::process::Command;

use anyhow::{Context, Result};

use crate::namespaces::{New, before_exec, unshare};

/// What to say where this is forbidden.
const FORBIDDEN: &str = "this system does not let its users make namespaces (see user.max_user_namespaces, and \
                         kernel.apparmor_restrict_unprivileged_userns on Ubuntu): run as root instead";

/// Makes the calling process root of a new user namespace. It must not have started threads yet.
pub fn enter() -> Result<()> {
    let (user, group) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    unshare(New::NEWUSER | New::NEWNS).context(FORBIDDEN)?;
    // The kernel lets a user map its own group only after this.
    fs::write("/proc/self/setgroups", "deny").context(FORBIDDEN)?;
    fs::write("/proc/self/uid_map", format!("0 {user} 1")).context(FORBIDDEN)?;
    fs::write("/proc/self/gid_map", format!("0 {group} 1")).context(FORBIDDEN)?;
    Ok(())
}

/// Whether the process is in a namespace where root is not the machine's root.
pub(crate) fn is_confined() -> bool {
    let everybody = |map: String| map.split_whitespace().eq(["0", "0", "4294967295"]);
    !fs::read_to_string("/proc/self/uid_map").is_ok_and(everybody)
}

/// The user whose process this is, as the machine knows it.
pub(crate) fn user() -> u32 {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let outer = map.split_whitespace().nth(1).and_then(|word| word.parse().ok());
    let confined = outer.filter(|_| is_confined());
    confined.unwrap_or_else(|| rustix::process::geteuid().as_raw())
}

/// Lets what a command starts change its groups, as far as the user namespace needs help with that: an SSH server
/// does so at each login.
pub(crate) fn allow_logins(command: &mut Command) {
    if is_confined() {
        // Safety: one system call between fork and exec, no allocation.
        unsafe { before_exec(command, ignore_setgroups) };
    }
}

/// Lets `setgroups` succeed without doing anything, for the calling process and all it starts. The namespace has one
/// group only, the kernel forbids the call there, and an SSH server refuses to go on without it. Fit for the time
/// between fork and exec.
fn ignore_setgroups() -> io::Result<()> {
    let number = u32::try_from(libc::SYS_setgroups).unwrap_or(u32::MAX);
    let statement = |code: u32, k: u32| libc::sock_filter { code: code as u16, jt: 0, jf: 0, k };
    let mut filter = [
        // The first field of `struct seccomp_data` is the number of the system call.
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0),
        libc::sock_filter {
            code: (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16,
            jt: 0,
            jf: 1,
            k: number,
        },
        // "Error 0" is success.
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ERRNO),
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // Safety: the program is valid, and the kernel copies it.
    let done = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &program) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
