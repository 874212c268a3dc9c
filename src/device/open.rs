//! A disk, opened so that nobody else can use it, and nothing lies between us and it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};

use rustix::fs::{FallocateFlags, OFlags};
use rustix::mount::UnmountFlags;

use super::buffer::Buffer;
use super::list::{Disk, System};
use super::usage::UseKind;
use crate::error::{Error, ErrorKind, Result};

/// Zeroed at a time, so that Ctrl-C need not wait for long.
const ZERO_STEP: u64 = 16 << 20;

/// Something that an image can be written to, at any place.
pub trait Target: Send + Sync {
    /// Writes `bytes` at `offset`. Both are multiples of the device's sectors.
    ///
    /// # Errors
    /// Those of the device.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Makes a range zero.
    ///
    /// # Errors
    /// Those of the device.
    fn zero(&self, offset: u64, len: u64) -> io::Result<()>;

    /// Reads what is on the device, not what was to be written to it.
    ///
    /// # Errors
    /// Those of the device.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()>;

    /// Returns when everything is on the device.
    ///
    /// # Errors
    /// Those of the device.
    fn flush(&self) -> io::Result<()>;
}

/// An open disk. Until it is dropped, nobody can mount it or anything of it.
#[derive(Debug)]
pub struct OpenDisk {
    file: File,
    zeros: Buffer,
    disk: Disk,
}

impl OpenDisk {
    /// Opens `disk` for reading only, and as everybody else does: to look at its partition table.
    ///
    /// # Errors
    /// When the user may not.
    pub fn look(system: &System, disk: &Disk) -> io::Result<File> {
        File::open(system.path(&disk.path.to_string_lossy()))
    }

    /// Unmounts what is mounted of it, and opens it. What was found of it before must still hold: names of devices go
    /// from one card to the next.
    ///
    /// # Errors
    /// When it is in use, when the user may not, or when it is another disk now.
    pub fn open(system: &System, disk: &Disk) -> Result<Self> {
        unmount(disk)?;
        let path = system.path(&disk.path.to_string_lossy());
        let flags = OFlags::EXCL | OFlags::DIRECT | OFlags::CLOEXEC;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(flags.bits().cast_signed())
            .open(path)
            .map_err(|error| refused(disk, &error))?;
        let open = Self { file, zeros: Buffer::new(1 << 20), disk: disk.clone() };
        open.check_identity(system)?;
        Ok(open)
    }

    /// Compares the disk behind the open file with the one that was looked at.
    fn check_identity(&self, system: &System) -> Result<()> {
        let path = self.disk.path.display();
        let metadata = self.file.metadata().map_err(|error| Error::io(&self.disk.path, &error))?;
        let device = metadata.rdev();
        let number = format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device));
        let now = system.disk(&self.disk.path)?;
        if number == self.disk.number && now.is_same_medium(&self.disk) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Device, format!("{path} is another disk than a moment ago"))
            .hint("Was a card changed? Start again."))
    }

    /// Makes the kernel look at the partition table anew.
    ///
    /// # Errors
    /// When a partition is in use, which cannot be while this is open.
    pub fn reread_partitions(&mut self) -> io::Result<()> {
        gptman::linux::reread_partition_table(&mut self.file).map_err(io::Error::other)
    }
}

impl Target for OpenDisk {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn zero(&self, offset: u64, len: u64) -> io::Result<()> {
        // Some devices can do it by themselves; the kernel writes for the others.
        match rustix::fs::fallocate(&self.file, FallocateFlags::ZERO_RANGE, offset, len) {
            Ok(()) => return Ok(()),
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::INVAL) => {}
            Err(error) => return Err(error.into()),
        }
        let zeros = self.zeros.bytes();
        for at in (0..len).step_by(zeros.len()) {
            let part = usize::try_from(len - at).unwrap_or(usize::MAX).min(zeros.len());
            self.file.write_all_at(&zeros[..part], offset + at)?;
        }
        Ok(())
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(bytes, offset)
    }

    fn flush(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}

/// The pieces in which a range is zeroed.
pub fn zero_steps(offset: u64, len: u64) -> impl Iterator<Item = (u64, u64)> {
    (0..len).step_by(ZERO_STEP as usize).map(move |at| (offset + at, ZERO_STEP.min(len - at)))
}

fn unmount(disk: &Disk) -> Result<()> {
    // The last that was mounted may lie below another.
    for used in disk.uses.iter().rev() {
        if let UseKind::Mounted(point) = &used.kind {
            rustix::mount::unmount(point, UnmountFlags::empty()).map_err(|error| {
                let why = io::Error::from(error);
                Error::new(ErrorKind::Device, format!("{point} cannot be unmounted: {why}"))
                    .hint("Close what uses it, and try again.")
            })?;
        }
    }
    Ok(())
}

fn refused(disk: &Disk, error: &io::Error) -> Error {
    let path = disk.path.display();
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            Error::new(ErrorKind::Device, format!("you may not write to {path}"))
                .hint("Run it as root, or join the group that the device belongs to (`ls -l`).")
        }
        io::ErrorKind::ResourceBusy => {
            Error::new(ErrorKind::Device, format!("{path} is in use by another program"))
                .hint("Another writer, a virtual machine, or a mount that this user cannot see: `fuser -v` tells.")
        }
        _ => Error::new(ErrorKind::Device, format!("{path} cannot be opened: {error}")),
    }
}
