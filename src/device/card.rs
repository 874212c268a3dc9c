//! A card for a Raspberry Pi: what would become of a disk, and making it so.

use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::buffer::is_zero;
use super::guard::{Objection, Reason, objections, permit};
use super::list::{Disk, System, gigabytes};
use super::open::{OpenDisk, Target};
use super::personalize::Personal;
use super::source::Image;
use super::table;
use super::write::{Job, Phase, Writing, table_end};
use crate::cancel::Cancel;
use crate::error::{Error, ErrorKind, Result};
use crate::image::ext4::{self, Ext4};
use crate::image::mbr::{self, Mbr, Partition};
use crate::image::volume::{Holds, Volume};
use crate::image::{Seed, Tree};
use crate::state::{Aspect, Change};

/// The data partition is the fourth one.
const DATA: usize = 3;
/// Less is no use to a node.
const SMALLEST_DATA: u64 = 64 << 20;
/// What an image may have in its data partition.
const MAX_DATA: u64 = 512 << 20;
/// Zeros are told from content in pieces of this size.
const GRAIN: usize = 4096;

/// What the user wants.
#[derive(Clone, Copy)]
pub struct Card<'a> {
    pub system: &'a System,
    pub image: &'a Image,
    pub device: &'a Path,
    /// Reasons against that the user has named.
    pub forced: &'a [Reason],
    /// The serial number that the disk must have.
    pub expect_serial: Option<&'a str>,
    /// Reads everything back.
    pub verify: bool,
    /// Makes the data partition as large as the card allows.
    pub grow: bool,
    pub personal: Option<&'a Personal>,
}

/// What is to be done, after everything that speaks against it was looked at.
#[derive(Debug)]
pub struct Plan {
    pub disk: Disk,
    /// Partition tables in words.
    now: String,
    then: String,
    /// The table of the image, and the one that the card gets.
    own: Mbr,
    table: Mbr,
    /// The data partition, if it is laid out anew.
    data: Option<Partition>,
}

impl Card<'_> {
    /// Looks at image and device.
    ///
    /// # Errors
    /// When the device is refused, or the image is none of a card.
    pub fn plan(&self) -> Result<Plan> {
        let own = self.table_of_image()?;
        let disk = self.system.disk(self.device)?;
        let data = self.data_of(&own);
        let needed = data.map_or(table_end(&own), |data| data.offset() + SMALLEST_DATA);
        let against: Vec<Objection> = objections(&disk, Some(needed));
        permit(&disk, &against, self.forced)?;
        self.check_serial(&disk)?;
        let mut table = own.clone();
        let data = data.map(|data| grown(&data, disk.size)).transpose()?;
        if data.is_some() {
            table.partitions[DATA] = data;
        }
        let now = table::now(self.system, &disk);
        let then = table::then(&table, data.map(|_| DATA));
        Ok(Plan { disk, now, then, own, table, data })
    }

    fn table_of_image(&self) -> Result<Mbr> {
        let unpacking = self.image.unpack()?;
        match unpacking.table() {
            Some(table) if table_end(table) > 0 => Ok(table.clone()),
            _ => Err(Error::new(
                ErrorKind::Image,
                format!(
                    "{} is not the image of a card: it has no partition table",
                    self.image.name()
                ),
            )
            .hint(
                "An update image is for `pirun upgrade_image.rhai`; a card takes sdcard.img.gz.",
            )),
        }
    }

    /// The data partition of an image of ours: a Linux one, the fourth, and the last on the card.
    fn data_of(&self, table: &Mbr) -> Option<Partition> {
        let data = table.partitions[DATA]?;
        let is_last = data.offset() + data.bytes() == table_end(table);
        ((self.grow || self.personal.is_some()) && data.kind == mbr::LINUX && is_last)
            .then_some(data)
    }

    fn check_serial(&self, disk: &Disk) -> Result<()> {
        let Some(expected) = self.expect_serial else { return Ok(()) };
        let path = disk.path.display();
        let message = match &disk.serial {
            Some(serial) if serial == expected => return Ok(()),
            Some(serial) => format!("{path} has the serial number {serial}, not {expected}"),
            None => format!("{path} tells no serial number, so it cannot be {expected}"),
        };
        Err(Error::new(ErrorKind::Device, message).hint("`pirun devices` shows serial numbers."))
    }

    /// Whether the card holds already what would be written to it. Only a card with that very partition table is read.
    ///
    /// # Errors
    /// Those of the image.
    pub fn is_written(&self, plan: &Plan, cancel: &Cancel, progress: Progress) -> Result<bool> {
        let Ok(content) = OpenDisk::look(self.system, &plan.disk) else { return Ok(false) };
        let mut sector = [0; 512];
        let read = (&content).read_exact(&mut sector);
        if read.is_err() || sector[..] != plan.table.encode()[..] {
            return Ok(false);
        }
        let compared = Compared(content);
        let name = plan.disk.path.display().to_string();
        let job = Job { target: &compared, size: plan.disk.size, name: &name, cancel, progress };
        match self.transfer(plan, Writing::new(job), false) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::Device => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Writes the card. Gives the bytes that went to it.
    ///
    /// # Errors
    /// Those of image and device, and Ctrl-C. The card has no partition table then.
    pub fn write(&self, plan: &Plan, cancel: &Cancel, progress: Progress) -> Result<u64> {
        let mut disk = OpenDisk::open(self.system, &plan.disk)?;
        let name = plan.disk.path.display().to_string();
        let job = Job { target: &disk, size: plan.disk.size, name: &name, cancel, progress };
        let mut writing = Writing::new(job);
        writing.erase()?;
        let written = self.transfer(plan, writing, self.verify)?;
        // Where this fails, the partitions are there once the card was taken out and put in again.
        let _ = disk.reread_partitions();
        Ok(written)
    }

    fn transfer(&self, plan: &Plan, mut writing: Writing<'_>, verify: bool) -> Result<u64> {
        let cut = plan.data.map_or(u64::MAX, |data| data.offset());
        let mut captured = Captured::default();
        writing.image(self.image.unpack()?, cut, &mut |bytes| captured.take(bytes))?;
        let mut table = plan.table.clone();
        if let Some(data) = plan.data {
            let volume = match ext4::read(&captured.volume) {
                Ok(tree) => self.data_volume(plan, tree, data.bytes())?,
                Err(error) if self.personal.is_some() => return Err(foreign(&error)),
                // It is somebody else's: as it is, where it was.
                Err(_) => {
                    table = plan.own.clone();
                    captured.volume
                }
            };
            writing.volume(data.offset(), &volume)?;
        }
        writing.finish(Some(&table), verify)
    }

    /// The data partition: what the image has in it, and what makes it that of one host, in so many bytes.
    fn data_volume(&self, plan: &Plan, mut tree: Tree, size: u64) -> Result<Volume> {
        if let Some(personal) = self.personal {
            personal.lay_out(&mut tree)?;
        }
        let time = tree.get("").map_or(0, |root| root.mtime);
        let seed = Seed::new(format!("{:08x}", plan.own.disk_id));
        Ext4::data(size, &seed, time).volume(&tree)
    }
}

/// Told what is being done, how many bytes of it are done, and how many there are if that is known.
pub type Progress<'a> = &'a mut dyn FnMut(Phase, u64, Option<u64>);

impl Plan {
    /// The change as it is shown: the partition tables, and what the card is.
    pub fn change(&self) -> Change {
        let subject = self.disk.path.display().to_string();
        Change::of("write_card", subject)
            .with(Aspect::Text { before: self.now.clone(), after: self.then.clone() })
            .remark(format!("{}, {}", self.disk.title(), self.disk.bus))
    }

    /// The same, for a card that needs nothing.
    pub fn unchanged(&self) -> Change {
        Change::of("write_card", self.disk.path.display().to_string())
    }

    /// What the user is asked, and what is to be typed.
    pub fn question(&self) -> (String, String) {
        let disk = &self.disk;
        let (title, path) = (disk.title(), disk.path.display());
        let question =
            format!("Everything on {path} will be lost:\n{}Type `{title}` to go on: ", self.now);
        (question, title)
    }
}

fn foreign(error: &Error) -> Error {
    let message = format!("the image's data partition cannot be made that of one host: {error}");
    Error::new(ErrorKind::Image, message).hint(
        "Images of `pirun build_image.rhai` can. This one can be written without `--personalize`.",
    )
}

/// As large as the card allows; cards end somewhere, partitions at a whole MiB.
fn grown(data: &Partition, disk: u64) -> Result<Partition> {
    let most = u64::from(u32::MAX) * mbr::SECTOR;
    let end = disk.min(most) >> 20 << 20;
    let active = data.active;
    let grown = Partition::new(data.kind, data.offset(), end - data.offset())?;
    Ok(Partition { active, ..grown })
}

/// The data partition of an image, in memory: it is small, and mostly zeros.
#[derive(Default)]
struct Captured {
    volume: Volume,
    /// Bytes that are kept.
    kept: u64,
}

impl Captured {
    fn take(&mut self, bytes: &[u8]) -> Result<()> {
        let mut content = Vec::new();
        for grain in bytes.chunks(GRAIN) {
            if is_zero(grain) {
                self.volume.push_bytes(std::mem::take(&mut content));
                self.volume.push(grain.len() as u64, Holds::Zeros);
            } else {
                content.extend_from_slice(grain);
                self.kept += grain.len() as u64;
            }
        }
        self.volume.push_bytes(content);
        if self.kept > MAX_DATA {
            return Err(Error::new(
                ErrorKind::Image,
                format!("the image has more than {} in its data partition", gigabytes(MAX_DATA)),
            )
            .hint("Write it as it is, with `grow: false`."));
        }
        Ok(())
    }
}

/// A disk that is compared with what would be written to it.
struct Compared(std::fs::File);

impl Target for Compared {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut found = vec![0; bytes.len()];
        self.0.read_exact_at(&mut found, offset)?;
        if found == bytes { Ok(()) } else { Err(io::Error::other("it differs")) }
    }

    fn zero(&self, offset: u64, len: u64) -> io::Result<()> {
        let mut found = vec![0; 1 << 20];
        for at in (0..len).step_by(1 << 20) {
            let part = &mut found[..usize::try_from(len - at).unwrap_or(usize::MAX).min(1 << 20)];
            self.0.read_exact_at(part, offset + at)?;
            if !is_zero(part) {
                return Err(io::Error::other("it differs"));
            }
        }
        Ok(())
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_exact_at(bytes, offset)
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}
