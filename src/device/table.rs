//! Partition tables in words, as they are and as they will be.

use std::fs::File;
use std::io::Read;

use super::list::{Disk, System, gigabytes, plain};
use super::open::OpenDisk;
use super::probe::{self, Signature};
use crate::image::mbr::{Mbr, Partition};

/// What is on the disk, a line a partition: what would be lost.
pub fn now(system: &System, disk: &Disk) -> String {
    let Ok(mut content) = OpenDisk::look(system, disk) else { return of_kernel(disk) };
    let mut sector = [0; 512];
    if content.read_exact(&mut sector).is_err() {
        return of_kernel(disk);
    }
    if let Ok(table) = Mbr::parse(&sector) {
        let found = |part: &Partition| probe::probe(&content, part.offset(), part.bytes());
        return of_table(&table, |_, part| found(part).map(|found| shown(&found)));
    }
    gpt(&mut content).unwrap_or_else(|| of_kernel(disk))
}

/// What will be on it; the partition with that index becomes as large as the card allows.
pub fn then(table: &Mbr, grown: Option<usize>) -> String {
    of_table(table, |index, _| (Some(index) == grown).then(|| "the rest of the card".to_owned()))
}

fn of_table(table: &Mbr, what: impl Fn(usize, &Partition) -> Option<String>) -> String {
    let mut text = format!("MBR, disk id {:08x}\n", table.disk_id);
    for (index, part) in table.partitions.iter().enumerate() {
        if let Some(part) = part {
            let what = what(index, part).unwrap_or_default();
            text += &line(index + 1, kind(part.kind), part.offset(), part.bytes(), &what);
        }
    }
    text
}

fn gpt(content: &mut File) -> Option<String> {
    let table = gptman::GPT::find_from(content).ok()?;
    let mut text = "GPT\n".to_owned();
    for (number, part) in table.iter().filter(|(_, part)| part.is_used()) {
        let size = part.size().ok()? * table.sector_size;
        let start = part.starting_lba * table.sector_size;
        let found = probe::probe(content, start, size).map(|found| shown(&found));
        let name = plain(part.partition_name.as_str());
        let what = found.unwrap_or_else(|| format!("\"{name}\""));
        text += &line(number as usize, "", start, size, &what);
    }
    Some(text)
}

/// Where the disk cannot be read, or has no table: what the kernel and udev know.
fn of_kernel(disk: &Disk) -> String {
    if disk.partitions.is_empty() {
        return match &disk.signature {
            Some(found) => format!("no partitions, {} on the whole disk\n", shown(found)),
            None => "no partition table\n".to_owned(),
        };
    }
    let mut text = String::new();
    for part in &disk.partitions {
        let what = part.signature.as_ref().map(shown).unwrap_or_default();
        text += &line(part.number as usize, "", part.start, part.size, &what);
    }
    text
}

fn line(number: usize, kind: &str, start: u64, size: u64, what: &str) -> String {
    let (start, size) = (gigabytes(start), gigabytes(size));
    let text = format!("{number}  {kind:<6} {size:>9} at {start:>9}   {what}");
    format!("{}\n", text.trim_end())
}

fn shown(signature: &Signature) -> String {
    match &signature.label {
        Some(label) => format!("{} \"{label}\"", signature.kind),
        None => signature.kind.clone(),
    }
}

/// The names of the types that cards have.
fn kind(code: u8) -> &'static str {
    match code {
        0x01 | 0x04 | 0x06 | 0x0e => "FAT16",
        0x0b | 0x0c => "FAT32",
        0x07 => "NTFS",
        0x82 => "swap",
        0x83 => "Linux",
        0x8e => "LVM",
        0x05 | 0x0f => "extended",
        _ => "other",
    }
}
