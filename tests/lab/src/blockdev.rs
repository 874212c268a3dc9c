//! Block devices, by the kernel's own requests: a loop device over a file, its partitions, and the end of power.
#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::fs::{OFlags, makedev};
use rustix::ioctl::{Ioctl, IoctlOutput, Opcode, Setter, ioctl};

use crate::mbr::Partition;

/// `linux/loop.h`
const LOOP_CONFIGURE: Opcode = 0x4C0A;
const LOOP_CTL_GET_FREE: Opcode = 0x4C82;
const LO_FLAGS_AUTOCLEAR: u32 = 4;
const LO_FLAGS_PARTSCAN: u32 = 8;

/// `linux/blkpg.h`
const BLKPG: Opcode = 0x1269;
const BLKPG_ADD_PARTITION: c_int = 1;

/// `EXT4_IOC_SHUTDOWN`, and the flag that drops the journal's last transaction as well.
const EXT4_IOC_SHUTDOWN: Opcode = rustix::ioctl::opcode::read::<u32>(b'X', 125);
const EXT4_GOING_FLAGS_NOLOGFLUSH: u32 = 2;

/// How long a file system may take to let go of its device.
const PATIENCE: Duration = Duration::from_secs(30);

/// A loop device with partitions. The kernel takes it away when it is closed here and unmounted everywhere.
pub struct Disk {
    _device: File,
    /// The device numbers of the whole disk, and of its partitions in their order.
    pub numbers: Vec<u64>,
}

impl Disk {
    /// Shows `file` as a disk. Partitions are told to the kernel one by one: not every kernel reads MBRs.
    pub fn attach(file: &OwnedFd, partitions: &[Partition]) -> Result<Self> {
        let (device, name) = attach_loop(file)?;
        for (number, partition) in (1..).zip(partitions) {
            add_partition(&device, number, partition)
                .with_context(|| format!("add partition {number} to {name}"))?;
        }
        let numbers = (0..=partitions.len())
            .map(|number| device_number(&name, number))
            .collect::<Result<_>>()?;
        Ok(Self { _device: device, numbers })
    }
}

/// `struct loop_config` with the `struct loop_info64` inside it.
#[repr(C)]
struct LoopConfig {
    fd: u32,
    block_size: u32,
    device_inode_rdevice: [u64; 3],
    offset: u64,
    size_limit: u64,
    number_and_encryption: [u32; 3],
    flags: u32,
    names_and_keys: [u8; 176],
    reserved: [u64; 8],
}

fn attach_loop(file: &OwnedFd) -> Result<(File, String)> {
    let control = File::options().read(true).write(true).open("/dev/loop-control");
    let control =
        control.context("open /dev/loop-control: card nodes need loop devices, and real root")?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        // Safety: this request takes no argument.
        let number = unsafe { ioctl(&control, FreeLoop) }.context("find a free loop device")?;
        let name = format!("loop{number}");
        let device = File::options()
            .read(true)
            .write(true)
            .open(format!("/dev/{name}"))
            .with_context(|| format!("open {name}"))?;
        let config = LoopConfig {
            fd: file.as_raw_fd().cast_unsigned(),
            block_size: 512,
            device_inode_rdevice: [0; 3],
            offset: 0,
            size_limit: 0,
            number_and_encryption: [0; 3],
            flags: LO_FLAGS_AUTOCLEAR | LO_FLAGS_PARTSCAN,
            names_and_keys: [0; 176],
            reserved: [0; 8],
        };
        // Safety: the structure is the one the kernel expects, and it keeps no reference to it.
        match unsafe { ioctl(&device, Setter::<LOOP_CONFIGURE, _>::new(config)) } {
            Ok(()) => return Ok((device, name)),
            // Somebody else was faster.
            Err(rustix::io::Errno::BUSY) if Instant::now() < deadline => {}
            Err(error) => return Err(error).with_context(|| format!("set up {name}")),
        }
    }
}

/// `LOOP_CTL_GET_FREE`: its result is what the system call returns.
struct FreeLoop;

// Safety: no memory is passed to the kernel.
unsafe impl Ioctl for FreeLoop {
    type Output = c_int;
    const IS_MUTATING: bool = false;

    fn opcode(&self) -> Opcode {
        LOOP_CTL_GET_FREE
    }

    fn as_ptr(&mut self) -> *mut c_void {
        std::ptr::null_mut()
    }

    unsafe fn output_from_ptr(output: IoctlOutput, _: *mut c_void) -> rustix::io::Result<c_int> {
        Ok(output)
    }
}

/// `struct blkpg_partition`
#[repr(C)]
struct BlkpgPartition {
    start: i64,
    length: i64,
    number: c_int,
    names: [u8; 128],
}

/// `struct blkpg_ioctl_arg`
#[repr(C)]
struct BlkpgArgument {
    operation: c_int,
    flags: c_int,
    length: c_int,
    data: *const BlkpgPartition,
}

fn add_partition(device: &File, number: c_int, partition: &Partition) -> Result<()> {
    let data = BlkpgPartition {
        start: partition.start.try_into()?,
        length: partition.length.try_into()?,
        number,
        names: [0; 128],
    };
    let length = size_of::<BlkpgPartition>().try_into()?;
    let argument = BlkpgArgument { operation: BLKPG_ADD_PARTITION, flags: 0, length, data: &data };
    // Safety: both structures are the kernel's own, and both live until the call is over.
    Ok(unsafe { ioctl(device, Setter::<BLKPG, _>::new(argument)) }?)
}

fn device_number(disk: &str, partition: usize) -> Result<u64> {
    let path = match partition {
        0 => format!("/sys/block/{disk}/dev"),
        number => format!("/sys/block/{disk}/{disk}p{number}/dev"),
    };
    let text = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    let (major, minor) =
        text.trim().split_once(':').with_context(|| format!("{path} holds {text:?}"))?;
    Ok(makedev(major.parse()?, minor.parse()?))
}

/// Waits until no file system is mounted from a device any more. The last processes of a node take their mounts with
/// them a moment after they have ended.
pub fn wait_unused(device: &Path) -> Result<()> {
    let start = Instant::now();
    loop {
        // For block devices, this flag means: only if nobody else has it exclusively.
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(OFlags::EXCL.bits().cast_signed())
            .open(device);
        match opened {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {}
            Err(error) => return Err(error).with_context(|| format!("open {}", device.display())),
        }
        ensure!(start.elapsed() < PATIENCE, "{} stays in use", device.display());
        thread::sleep(Duration::from_millis(2));
    }
}

/// Takes the power from the ext4 file system that `dir` lies on: what has not been written never will be.
pub fn shut_down_ext4(dir: &Path) -> Result<()> {
    let file = File::open(dir).with_context(|| format!("open {}", dir.display()))?;
    // Safety: the kernel reads one integer.
    unsafe { ioctl(&file, Setter::<EXT4_IOC_SHUTDOWN, _>::new(EXT4_GOING_FLAGS_NOLOGFLUSH)) }
        .with_context(|| format!("shut down the file system at {}", dir.display()))
}
