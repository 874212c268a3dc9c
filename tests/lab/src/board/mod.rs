//! The board: a Raspberry Pi 3 in QEMU, on which a card's real boot script runs in real U-Boot and starts a real kernel.
//!
//! QEMU plays the Pi's firmware: U-Boot and the kernel's arguments come from the card's own boot partition
//! (`config.txt`, `cmdline.txt`). What is *not* the card's: the device tree (changed, see `parts`), an initial RAM disk
//! with what Debian's kernel has as modules and a Pi's has built in, and the kernel itself, which the slots must hold as
//! `/boot/vmlinuz-rpi`: Debian's ([`Parts::kernel`]), as Alpine's for the Pi is in no package registry and QEMU lacks
//! some of a Pi's hardware.
//!
//! An image of `build_image.rhai` boots here when a step of its own lays [`Parts::kernel`] out as `/boot/vmlinuz-rpi`; the line
//! to wait for is `Starting dropbear`, which is complete when dropbear is up. Its network card is `eth0`, and there is DHCP.
//! A whole Alpine with OpenRC costs about 50 CPU seconds to that line, [`MinimalCard`] about 9.
//!
//! The network moves about 160 KB in a CPU second. Nothing here waits for a number of seconds, but for a line on the
//! serial line.

mod boot_partition;
mod boot_script;
mod cpio;
mod firmware;
mod machine;
mod minimal;
mod modules;
mod parts;
mod serial;

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

pub use boot_partition::BootPartition;
pub use boot_script::boot_script;
pub use minimal::{MinimalCard, MinimalRoot};
pub use parts::Parts;

use crate::fetch::require;
use machine::Machine;
use serial::Serial;

/// For any one wait: ten times of what it takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(1800);
/// No single step needs a third of this, however busy the machine: a board that computes longer is lost.
const CPU_PATIENCE: f64 = 900.0;

/// A board with a card in it. Dropping it ends the emulator.
pub struct Board {
    parts: Parts,
    card: PathBuf,
    identity: PathBuf,
    port: u16,
    serial: Arc<Serial>,
    machine: Option<Machine>,
    /// Used by machines that are off now.
    used: f64,
}

/// What a board is given beside its card.
pub struct BoardOptions {
    /// The private key that may log in.
    pub identity: PathBuf,
}

impl Board {
    /// Puts the card in and the power on. The card is written to; it grows (with a hole) to the next power of two, as
    /// QEMU's reader takes no other sizes.
    pub fn start(card: &Path, options: BoardOptions) -> Result<Self> {
        require("qemu-system-aarch64", "qemu-system-arm")?;
        require("setpriv", "util-linux")?;
        let file = File::options().write(true).open(card);
        let file = file.with_context(|| format!("open the card {}", card.display()))?;
        file.set_len(file.metadata()?.len().next_power_of_two())?;
        let mut board = Self {
            parts: Parts::obtain()?,
            card: card.to_owned(),
            identity: options.identity,
            port: free_port()?,
            serial: Arc::default(),
            machine: None,
            used: 0.0,
        };
        board.power_on()?;
        Ok(board)
    }

    /// Power for a board that is off.
    pub fn power_on(&mut self) -> Result<()> {
        ensure!(self.machine.is_none(), "the board is on already");
        let handover = firmware::read(&self.card)?;
        let machine =
            Machine::power_on(&self.parts, &self.card, &handover, self.port, &self.serial)?;
        self.machine = Some(machine);
        Ok(())
    }

    /// Pulls the plug: what the system had not written is lost.
    pub fn power_cut(&mut self) {
        self.used = self.cpu_seconds();
        self.machine = None;
    }

    /// Waits until a line with `marker` in it comes on the serial line, behind those waited for before; that line.
    pub fn wait_for(&mut self, marker: &str) -> Result<String> {
        let (begin, used) = (Instant::now(), self.cpu_seconds());
        loop {
            let open = self.serial.wait();
            if let Some(line) = self.serial.next_line(marker) {
                return Ok(line);
            }
            if !open {
                return self.lost(marker, "the board is off");
            }
            if begin.elapsed() > PATIENCE {
                return self.lost(marker, "nothing came for half an hour");
            }
            if self.cpu_seconds() - used > CPU_PATIENCE {
                return self.lost(marker, "the board computed for a quarter of an hour");
            }
        }
    }

    fn lost(&mut self, marker: &str, why: &str) -> Result<String> {
        let text = self.serial.text();
        let lines: Vec<_> = text.lines().collect();
        let tail = lines[lines.len().saturating_sub(40)..].join("\n");
        let complaints = self.machine.as_mut().map(Machine::complaints).unwrap_or_default();
        bail!("waiting for {marker:?}: {why}. The serial line's end:\n{tail}\n{complaints}")
    }

    /// All that has come on the serial line.
    pub fn serial(&self) -> String {
        self.serial.text()
    }

    /// What emulating this board has cost so far.
    pub fn cpu_seconds(&self) -> f64 {
        self.used + self.machine.as_ref().map_or(0.0, Machine::cpu_seconds)
    }

    /// The port on 127.0.0.1 that leads to the board's SSH server. It takes connections before the board does: wait
    /// for a line of the board's first.
    pub fn ssh_port(&self) -> u16 {
        self.port
    }

    /// `ssh` to the board as root; what to run there is to be added.
    pub fn ssh(&self) -> Command {
        let mut ssh = Command::new("ssh");
        ssh.args(["-F", "none", "-p", &self.port.to_string()]).arg("-i").arg(&self.identity);
        for option in [
            "IdentitiesOnly=yes",
            "BatchMode=yes",
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "LogLevel=ERROR",
            "ConnectTimeout=300",
        ] {
            ssh.args(["-o", option]);
        }
        ssh.arg(format!("root@{}", Ipv4Addr::LOCALHOST));
        ssh
    }

    /// Runs a shell script on the board by SSH, and returns what it printed. Another exit status than 0 is an error.
    pub fn sh(&self, script: &str) -> Result<String> {
        let output = self.ssh().arg(script).output().context("run ssh")?;
        let complaint = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "`{script}`: {}\n{}", output.status, complaint.trim_end());
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// A port that nobody uses at this moment.
fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("look for a free port")?;
    Ok(listener.local_addr()?.port())
}
