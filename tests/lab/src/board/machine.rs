//! The process that plays the board, from power-on to power-off.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result};

use crate::board::firmware::Handover;
use crate::board::parts::Parts;
use crate::board::serial::Serial;

pub struct Machine {
    child: Child,
    reader: Option<JoinHandle<()>>,
    complaints: File,
    /// U-Boot is a file to QEMU.
    _program: tempfile::NamedTempFile,
}

impl Machine {
    pub fn power_on(
        parts: &Parts,
        card: &Path,
        handover: &Handover,
        port: u16,
        serial: &Arc<Serial>,
    ) -> Result<Self> {
        let program = tempfile::NamedTempFile::new()?;
        fs::write(program.path(), &handover.program)?;
        let complaints = tempfile::tempfile()?;
        // The machine must not outlive this process, however that ends.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--", "qemu-system-aarch64", "-M", "raspi3b"]);
        // The other three would spin in the firmware's parking loop and take two thirds of the time.
        command.args(["-m", "1G", "-global", "bcm2837.enabled-cpus=1"]);
        command.arg("-kernel").arg(program.path());
        command.arg("-dtb").arg(parts.device_tree());
        command.arg("-initrd").arg(parts.initramfs());
        command.args(["-append", &handover.arguments]);
        command.arg("-drive").arg(format!("file={},if=sd,format=raw", card.display()));
        command.args(["-display", "none", "-monitor", "none", "-serial", "stdio"]);
        command.args(["-device", "usb-net,netdev=n0", "-netdev"]);
        command.arg(format!("user,id=n0,restrict=on,hostfwd=tcp:127.0.0.1:{port}-:22"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(complaints.try_clone()?);
        let (child, reader) = start(command, serial)?;
        Ok(Self { child, reader: Some(reader), complaints, _program: program })
    }

    /// What the process has used so far; 0 when it has ended.
    pub fn cpu_seconds(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()));
        let stat = stat.unwrap_or_default();
        // The program's name, in brackets, may hold blanks; user and system time are the 14th and 15th field.
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let ticks: f64 =
            fields.skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
        #[expect(clippy::cast_precision_loss)]
        let per_second = rustix::param::clock_ticks_per_second() as f64;
        ticks / per_second
    }

    /// What QEMU has complained of.
    pub fn complaints(&mut self) -> String {
        let mut text = String::new();
        let read = self
            .complaints
            .seek(SeekFrom::Start(0))
            .and_then(|_| self.complaints.read_to_string(&mut text));
        read.map_or_else(|error| error.to_string(), |_| text)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

/// The kernel's "dies with its parent" means the thread that started it: so that is the one that reads the serial line
/// to its end.
fn start(mut command: Command, serial: &Arc<Serial>) -> Result<(Child, JoinHandle<()>)> {
    let (send, receive) = mpsc::channel();
    let serial = serial.clone();
    let reader = thread::spawn(move || {
        let mut child = command.spawn();
        let line = child.as_mut().ok().and_then(|child| child.stdout.take());
        serial.expect();
        let _ = send.send(child);
        if let Some(line) = line {
            serial.read(line);
        }
    });
    let child = receive.recv().context("the thread that starts QEMU is gone")?;
    Ok((child.context("run setpriv for QEMU")?, reader))
}
