//! The hosts: OpenSSH servers with the machine's own userland (a peer needs Python there), each in mount, host name and
//! process namespaces of its own. What they write stays in memory, in a layer of their own over the machine's root.

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::cgroup::Cgroup;
use crate::isolate::run;
use crate::obtain;

/// What all hosts have in common.
pub struct Ground {
    dir: PathBuf,
    /// The pair that may log in; the public half has `.pub` behind it.
    pub key: PathBuf,
    /// Type and data of the key that all hosts show.
    pub host_key: String,
}

/// Running hosts. Dropping them ends them.
pub struct Nodes {
    nodes: Vec<Node>,
    pub cgroup: Cgroup,
}

pub struct Node {
    pub name: String,
    pub address: Ipv4Addr,
    dir: PathBuf,
    process: Child,
}

/// The service that the job restarts, and another one.
const SERVICES: [&str; 2] = ["k3s", "rpcbind"];

pub const FSTAB: &str = "proc /proc proc defaults 0 0\ntmpfs /tmp tmpfs mode=1777 0 0\n";

/// Some tools call the script itself.
const INIT: &str = "#!/bin/sh\nexec /sbin/rc-service \"${0##*/}\" \"$1\"\n";

const SSHD: &str = "Port 22\nHostKey /etc/ssh/compare_host_key\nPermitRootLogin prohibit-password\n\
    UsePAM no\nUseDNS no\nPidFile none\nPrintMotd no\nLogLevel VERBOSE\nSubsystem sftp internal-sftp\n";

impl Ground {
    /// Makes the layer between the machine's root and each host's own.
    pub fn create(work: &Path) -> Result<Self> {
        let dir = work.join("ground");
        let base = dir.join("base");
        let put = |path: &str, content: &str, mode| put(&base.join(path), content.as_bytes(), mode);
        let sshd = obtain::sshd()?;
        copy(&find(&sshd, "sshd")?, &base.join("usr/sbin/sshd"))?;
        // Below /usr/lib itself, where it is found on any architecture.
        copy(&find(&sshd, "libwrap.so.0")?, &base.join("usr/lib/libwrap.so.0"))?;
        let mut users = fs::read_to_string("/etc/passwd")?;
        if !users.lines().any(|line| line.starts_with("sshd:")) {
            users.push_str("sshd:x:65533:65534::/run/sshd:/usr/sbin/nologin\n");
        }
        put("etc/passwd", &users, 0o644)?;
        put("etc/fstab", FSTAB, 0o644)?;
        put("etc/hostname", "fresh\n", 0o644)?;
        put("etc/ssh/compare.conf", SSHD, 0o644)?;
        put("usr/sbin/rc-service", include_str!("rc-service.sh"), 0o755)?;
        put("usr/sbin/rc-status", include_str!("rc-status.sh"), 0o755)?;
        for service in SERVICES {
            put(&format!("etc/init.d/{service}"), INIT, 0o755)?;
        }
        for directory in ["etc/runlevels/default", "etc/conf.d", "etc/iscsi", "data"] {
            fs::create_dir_all(base.join(directory))?;
        }
        let host_key = base.join("etc/ssh/compare_host_key");
        let key = dir.join("id_ed25519");
        make_key(&host_key)?;
        make_key(&key)?;
        let public = fs::read_to_string(host_key.with_extension("pub"))?;
        let host_key = public.split(' ').take(2).collect::<Vec<_>>().join(" ");
        Ok(Self { dir, key, host_key })
    }

    /// Fresh hosts; they answer when this returns.
    pub fn start(&self, count: usize) -> Result<Nodes> {
        let cgroup = Cgroup::create("nodes")?;
        let nodes = (0..count).map(|number| self.node(number, &cgroup)).collect::<Result<_>>()?;
        let nodes = Nodes { nodes, cgroup };
        for node in &nodes.nodes {
            node.wait_up()?;
        }
        Ok(nodes)
    }

    fn node(&self, number: usize, cgroup: &Cgroup) -> Result<Node> {
        let (name, address) = (name(number), address(number));
        let dir = self.dir.join("nodes").join(&name);
        if dir.exists() {
            fs::remove_dir_all(&dir).with_context(|| format!("remove {}", dir.display()))?;
        }
        for part in ["upper", "work", "root", "data", "home/.ssh", "run/sshd", "run/openrc/started"]
        {
            fs::create_dir_all(dir.join(part))?;
        }
        for part in ["home", "home/.ssh"] {
            fs::set_permissions(dir.join(part), fs::Permissions::from_mode(0o700))?;
        }
        let keys = fs::read(self.key.with_extension("pub"))?;
        put(&dir.join("home/.ssh/authorized_keys"), &keys, 0o600)?;
        for service in SERVICES {
            symlink(
                format!("/etc/init.d/{service}"),
                dir.join("run/openrc/started").join(service),
            )?;
        }
        let (base, here) = (self.dir.join("base"), dir.display());
        let mounts = format!(
            "overlay {here}/root overlay lowerdir={}:/,upperdir={here}/upper,workdir={here}/work 0 0\n\
             {here}/home {here}/root/root none bind 0 0\n{here}/data {here}/root/data none bind 0 0\n\
             {here}/run {here}/root/run none bind 0 0\ntmp {here}/root/tmp tmpfs mode=1777 0 0\n\
             proc {here}/root/proc proc defaults 0 0\n/dev {here}/root/dev none rbind 0 0\n\
             /sys {here}/root/sys none bind 0 0\n",
            base.display()
        );
        fs::write(dir.join("fstab"), mounts)?;
        let process = Command::new("unshare")
            .args(["--mount", "--uts", "--pid", "--fork", "--kill-child=KILL"])
            .args(["sh", "-c", include_str!("node.sh"), "node"])
            .arg(&dir)
            .args([&name, &address.to_string()])
            .arg(cgroup.door())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()?;
        Ok(Node { name, address, dir, process })
    }
}

impl Nodes {
    pub fn iter(&self) -> std::slice::Iter<'_, Node> {
        self.nodes.iter()
    }

    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Waits until every host has only its server left.
    pub fn settle(&self) {
        self.cgroup.settles_at(self.len(), Duration::from_secs(5));
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        self.cgroup.end();
        for node in &mut self.nodes {
            let _ = node.process.wait();
            // The next of that name would remove it as well.
            let _ = fs::remove_dir_all(&node.dir);
        }
    }
}

impl Node {
    /// Where what a host sees as `path` lies for us: below `/root`, `/data`, `/run`, or changed by it elsewhere.
    pub fn place(&self, path: &str) -> PathBuf {
        let path = path.trim_start_matches('/');
        let (first, rest) = path.split_once('/').unwrap_or((path, ""));
        match first {
            "root" => self.dir.join("home").join(rest),
            "data" | "run" => self.dir.join(first).join(rest),
            _ => self.dir.join("upper").join(path),
        }
    }

    /// What the server has noted: logins and channels so far.
    pub fn logins_and_channels(&self) -> (usize, usize) {
        let log = fs::read_to_string(self.place("/run/sshd.log")).unwrap_or_default();
        let count = |word: &str| log.lines().filter(|line| line.contains(word)).count();
        (count("Accepted publickey"), count("Starting session:"))
    }

    /// How many processes there have been, this look's own included; `None` where the kernel does not say.
    pub fn processes(&self) -> Option<u64> {
        let id = self.process.id();
        let first = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).ok()?;
        let output = Command::new("nsenter")
            .args(["--target", first.trim(), "--pid", "cat", "/proc/sys/kernel/ns_last_pid"])
            .output()
            .ok()?;
        String::from_utf8_lossy(&output.stdout).trim().parse().ok()
    }

    fn wait_up(&self) -> Result<()> {
        let log = self.place("/run/sshd.log");
        let end = Instant::now() + Duration::from_secs(30);
        // Not by connecting: that would be seen in the figures.
        while !fs::read_to_string(&log).unwrap_or_default().contains("Server listening") {
            ensure!(
                Instant::now() < end,
                "{} does not come up; its log: {:?}",
                self.name,
                fs::read_to_string(&log)
            );
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }
}

pub fn name(number: usize) -> String {
    format!("n{:03}", number + 1)
}

/// Hosts are at 10.98.1.1 …, 250 in a row.
pub fn address(number: usize) -> Ipv4Addr {
    let byte = |value: usize| u8::try_from(value).unwrap_or(u8::MAX);
    Ipv4Addr::new(10, 98, byte(1 + number / 250), byte(1 + number % 250))
}

/// The address of a relay in front of a host.
pub fn relay_address(number: usize) -> Ipv4Addr {
    let [a, b, c, d] = address(number).octets();
    Ipv4Addr::new(a, b, c + 100, d)
}

fn make_key(path: &Path) -> Result<()> {
    let mut command = Command::new("ssh-keygen");
    run(command.args(["-q", "-t", "ed25519", "-N", "", "-C", "compare", "-f"]).arg(path))
}

fn put(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    fs::create_dir_all(path.parent().context("no parent")?)?;
    fs::write(path, content).with_context(|| format!("write {}", path.display()))?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(mode))?)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    put(to, &fs::read(from)?, 0o755)
}

/// The file of that name below a directory; a link counts as what it leads to.
fn find(dir: &Path, name: &str) -> Result<PathBuf> {
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                open.push(entry.path());
            } else if entry.file_name() == name {
                return Ok(entry.path());
            }
        }
    }
    anyhow::bail!("no {name} in {}", dir.display())
}
