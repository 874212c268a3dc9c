//! One boot of a node: from its medium to its first process, and what became of that.

use std::fs::{self, File};
use std::io;
use std::net::Ipv4Addr;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, Result};
use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_change, mount_move,
    mount_remount, unmount,
};
use rustix::process::Signal;
use rustix::thread::CapabilitySet;

use crate::cgroup::Cgroup;
use crate::hub::{self, Hub};
use crate::medium::{Kernel, Medium};
use crate::namespaces::{Namespace, New, before_exec, in_thread, unshare, unshare_in_child};
use crate::{rootless, tree};

/// What a boot needs to know of its node.
pub struct Board<'a> {
    pub name: &'a str,
    pub address: Ipv4Addr,
    /// The name of the hub's end of the network cable.
    pub plug: &'a str,
    /// The node's own place on the hub's disks.
    pub dir: &'a Path,
    pub hub: &'a Hub,
    pub medium: &'a dyn Medium,
    pub cgroup: Option<&'a Cgroup>,
}

/// How a node's first process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// `reboot`.
    Reboot,
    /// `poweroff` or `halt`.
    PowerOff,
    /// Killed from outside, or it crashed.
    Died,
}

impl Board<'_> {
    /// Boots the node and stays until its first process ends. `running` is told that one's id.
    pub fn boot(&self, running: impl FnOnce(u32) + Send) -> Result<End> {
        in_thread(|| {
            let mut init = self.start().with_context(|| format!("boot {}", self.name))?;
            // The node's namespaces, and with them its mounts, must end with its own processes.
            [self.hub.mounts(), self.hub.network()].into_iter().try_for_each(Namespace::enter)?;
            running(init.id());
            let status = init.wait()?;
            self.log(&format!("first process ended: {status}"));
            Ok(End::of(status))
        })
    }

    fn start(&self) -> Result<std::process::Child> {
        unshare(New::FS | New::NEWNS | New::NEWNET | New::NEWUTS | New::NEWIPC)?;
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
        let kernel = self.medium.boot_loader().context("boot loader")?;
        self.log(&format!("boot from {}", kernel.root));
        self.connect()?;
        let root = self.dir.join("root");
        fs::create_dir_all(&root)?;
        let devices = self.make_devices(&kernel)?;
        tree::write(&devices.join(".cmdline"), format!("{}\n", kernel.cmdline), 0o444)?;
        // Mounted while the node's devices lie in /dev, a file system is known by its device's name in the node.
        mount_move(&devices, "/dev")?;
        self.medium.mount(&kernel, &root)?;
        mount_move("/dev", root.join("dev"))?;
        mount("tmpfs", root.join("dev/shm"), "tmpfs", MountFlags::empty(), c"mode=1777")?;
        mount("sysfs", root.join("sys"), "sysfs", MountFlags::RDONLY, c"").context("mount /sys")?;
        let name = if self.medium.is_warm() { self.name } else { "localhost" };
        rustix::system::sethostname(name.as_bytes())?;
        unshare(New::NEWPID)?;
        self.spawn_init(root)
    }

    fn connect(&self) -> Result<()> {
        let [_, _, c, d] = self.address.octets();
        self.hub.plug_in(self.plug, &format!("b8:27:eb:00:{c:02x}:{d:02x}"))?;
        for device in ["default", "eth0"] {
            // Duplicate address detection would hold up `ifup` for seconds. No such file: no IPv6, no detection.
            let _ = fs::write(format!("/proc/sys/net/ipv6/conf/{device}/accept_dad"), "0");
        }
        if !self.medium.is_warm() {
            return Ok(());
        }
        let (address, prefix, gateway) = (self.address, hub::PREFIX, hub::ADDRESS);
        hub::ip(
            None,
            &format!(
                "link set lo up\n\
                 addr add {address}/{prefix} dev eth0\n\
                 link set eth0 up\n\
                 route add default via {gateway}\n"
            ),
        )
    }

    /// The node's /dev, on a file system of its own; it returns where.
    fn make_devices(&self, kernel: &Kernel) -> Result<PathBuf> {
        let dir = self.dir.join("dev");
        fs::create_dir_all(&dir)?;
        mount("dev", &dir, "tmpfs", MountFlags::empty(), c"mode=755,size=1m")?;
        let null = (1, 3);
        // A console, a terminal and a kernel log that swallow everything: OpenRC would make the host's.
        let sinks = [("null", null), ("console", null), ("tty1", null), ("kmsg", null)];
        let others = [
            ("zero", (1, 5)),
            ("full", (1, 7)),
            ("random", (1, 8)),
            ("urandom", (1, 9)),
            ("tty", (5, 0)),
        ];
        for (name, (major, minor)) in sinks.into_iter().chain(others) {
            make_device(&dir, name, FileType::CharacterDevice, makedev(major, minor))?;
        }
        for (name, device) in self.medium.devices() {
            make_device(&dir, &name, FileType::BlockDevice, device)?;
        }
        for (path, target) in [
            ("fd", "/proc/self/fd"),
            ("stdin", "fd/0"),
            ("stdout", "fd/1"),
            ("stderr", "fd/2"),
            ("ptmx", "pts/ptmx"),
        ] {
            tree::link(target, &dir.join(path))?;
        }
        tree::link(&kernel.root, &dir.join("root"))?;
        fs::create_dir(dir.join("shm"))?;
        fs::create_dir(dir.join("pts"))?;
        mount_terminals(&dir.join("pts"))?;
        Ok(dir)
    }

    fn spawn_init(&self, root: PathBuf) -> Result<std::process::Child> {
        let console =
            File::options().create(true).append(true).open(self.dir.join("console.log"))?;
        let members = self.cgroup.map(Cgroup::members).transpose()?;
        let mut init = Command::new("/sbin/init");
        init.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("TERM", "linux");
        init.stdin(Stdio::null()).stdout(console.try_clone()?).stderr(console);
        let root = std::ffi::CString::new(root.into_os_string().into_encoded_bytes())?;
        // Safety: system calls only, on strings that are there already.
        #[allow(unsafe_code)]
        unsafe {
            before_exec(&mut init, move || {
                if let Some(members) = &members {
                    rustix::io::write(members, b"0")?;
                }
                become_init(&root)
            });
        }
        rootless::allow_logins(&mut init);
        init.spawn().context("start the first process")
    }

    /// Adds a line to the node's console log.
    pub fn log(&self, line: &str) {
        use io::Write as _;
        let console = File::options().create(true).append(true).open(self.dir.join("console.log"));
        // A log that cannot be written is no reason to stop a node.
        let _ = console.and_then(|mut console| writeln!(console, "lab: {line}"));
    }
}

impl End {
    /// The kernel tells the parent of a process namespace's first process what was asked of it as a signal.
    fn of(status: ExitStatus) -> Self {
        match status.signal().map(Signal::from_named_raw) {
            Some(Some(Signal::HUP)) => Self::Reboot,
            Some(Some(Signal::INT)) => Self::PowerOff,
            _ => Self::Died,
        }
    }
}

fn make_device(dir: &Path, name: &str, kind: FileType, device: u64) -> Result<()> {
    let path = dir.join(name);
    let mode = Mode::from_raw_mode(0o666);
    match mknodat(CWD, &path, kind, mode, device) {
        Ok(()) => Ok(rustix::fs::chmod(&path, mode)?),
        // In a user namespace devices cannot be made, but the host's can be shown.
        Err(rustix::io::Errno::PERM) => {
            let source = if ["console", "tty1", "kmsg"].contains(&name) { "null" } else { name };
            File::create(&path)?;
            mount_bind(Path::new("/dev").join(source), &path)
                .with_context(|| format!("bind /dev/{source}"))
        }
        Err(error) => Err(error).with_context(|| format!("make device {name}")),
    }
}

fn mount_terminals(dir: &Path) -> Result<()> {
    // A user namespace has no group `tty`.
    let options = if rootless::is_confined() {
        c"newinstance,ptmxmode=666,mode=620"
    } else {
        c"newinstance,ptmxmode=666,mode=620,gid=5"
    };
    mount("devpts", dir, "devpts", MountFlags::empty(), options).context("mount /dev/pts")
}

/// The last steps, in the child: its own /proc, its own root, fewer rights.
fn become_init(root: &std::ffi::CStr) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    unshare_in_child(New::NEWCGROUP)?;
    rustix::process::chdir(root)?;
    mount(c"proc", c"proc", c"proc", MountFlags::empty(), None)?;
    mount_bind(c"dev/.cmdline", c"proc/cmdline")?;
    // All kernel settings are the host's, but for those of the network.
    mount_bind(c"proc/sys", c"proc/sys")?;
    mount_bind(c"proc/sys/net", c"proc/sys/net")?;
    mount_remount(c"proc/sys", MountFlags::BIND | MountFlags::RDONLY, c"")?;
    if mount_bind(c"proc/sysrq-trigger", c"proc/sysrq-trigger").is_ok() {
        mount_remount(c"proc/sysrq-trigger", MountFlags::BIND | MountFlags::RDONLY, c"")?;
    }
    rustix::process::pivot_root(c".", c".")?;
    unmount(c".", UnmountFlags::DETACH)?;
    rustix::process::chdir(c"/")?;
    for capability in [
        CapabilitySet::SYS_MODULE,
        CapabilitySet::SYS_RAWIO,
        CapabilitySet::SYS_TIME,
        CapabilitySet::SYSLOG,
    ] {
        rustix::thread::remove_capability_from_bounding_set(capability)?;
    }
    Ok(())
}
